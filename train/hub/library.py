"""The library of model hubs: imported so that it tells nobody what it is used for."""

from __future__ import annotations

import os
import sys
from typing import Any
from urllib.parse import urlsplit

import zscr
from zscr.errors import ConfigError, MissingExtraError

ENDPOINT = "HF_ENDPOINT"


def without_telemetry() -> None:
    """Keep huggingface_hub from telling its maker about this machine; before its first import.

    Otherwise each request names the version of torch and what program this one runs in. A value
    that the user has set stays.
    """
    if not os.environ.get("HF_HUB_DISABLE_TELEMETRY"):  # an empty one would not disable it
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


def import_hub(name: str) -> Any:
    """Return the module huggingface_hub, which no other function imports.

    Args:
        name: what is to be fetched, for the error.

    Raises:
        MissingExtraError: it is not installed, or is from before 1.0, which asks by other means.
        ConfigError: one of its variables is no value.
    """
    without_telemetry()
    what = f"fetching the encoder '{name}' from a model hub"
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError as error:
        raise MissingExtraError(what, "text") from error
    except ValueError as error:  # it reads its variables when it is imported
        raise ConfigError(f"{what} cannot begin ({error}); look at what HF_… is set") from error
    if huggingface_hub.__version__.startswith("0."):
        raise MissingExtraError(f"{what} by huggingface_hub 1.0 or later", "text")
    return huggingface_hub


def endpoint(library: Any) -> str:
    """Return the address of the hub, or of a mirror that `HF_ENDPOINT` names.

    Raises:
        ConfigError: what it names is no address.
    """
    named: str = os.environ.get(ENDPOINT) or library.constants.ENDPOINT
    try:
        parts = urlsplit(named)
        sound = parts.scheme in ("http", "https") and parts.port != 0
        sound = sound and bool((parts.hostname or "").encode("idna"))
    except ValueError:  # of a port, or a part of a host's name
        sound = False
    if not sound or parts.query or parts.fragment or not named.isprintable() or " " in named:
        raise ConfigError(
            f"{ENDPOINT} is {named!a:.80}, which is no address of a hub; write such as "
            f"https://hub.example.org, or unset it"
        )
    return named.rstrip("/")


def session(library: Any) -> Any:
    """Return what sends requests, by the proxies and certificates of the environment.

    Raises:
        ConfigError: these cannot be used.
    """
    try:
        return library.utils.get_session()
    except (OSError, ValueError, ImportError, faults(library)[1]) as error:
        raise ConfigError(
            f"no hub can be asked: a proxy or the certificates cannot be used ({error}); look at "
            f"HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and SSL_CERT_FILE"
        ) from error


def faults(library: Any) -> tuple[type[Exception], type[Exception]]:
    """Return what is raised for a request that fails, and for an address that is none.

    The library does not say which one it sends requests by; but its own errors are children of it.
    """
    below = sys.modules[library.errors.HTTPError.__module__.partition(".")[0]]
    return below.HTTPError, below.InvalidURL


def asked_host(told: Any, hub: str) -> str:
    """Return whom an answer, or a fault, is of: a hub sends for large files to another host.

    Args:
        told: the answer or the fault.
        hub: who it is of where it does not say.
    """
    try:
        host: str = told.request.url.netloc.decode("ascii").rpartition("@")[2]
    except (AttributeError, RuntimeError):  # a fault before there was a request
        return hub
    return host


def is_offline(library: Any) -> bool:
    """Say whether the environment forbids to ask a hub (`HF_HUB_OFFLINE`)."""
    named = (os.environ.get(name, "") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    told = any(value.upper() in ("1", "ON", "YES", "TRUE") for value in named)
    return told or bool(library.constants.HF_HUB_OFFLINE)  # the latter as it was at the import


def headers(library: Any) -> dict[str, str]:
    """Return what every request carries: our name, and the user's token if there is one.

    The token comes from `HF_TOKEN`, or from where `hf auth login` has put it. Bodies are asked for
    as they are stored, so that a range of one is a range of the file.

    Raises:
        ConfigError: the token holds what no header may. It is not shown.
    """
    agent = f"zscr/{zscr.__version__}; hf_hub/{library.__version__}"
    sent = {"user-agent": agent, "accept-encoding": "identity"}
    token = None if library.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else library.get_token()
    if token:
        if not (token.isascii() and token.isprintable() and " " not in token):
            raise ConfigError("HF_TOKEN holds characters that no token has; copy it again")
        sent["authorization"] = f"Bearer {token}"
    return sent
