"""What a hub refuses, what it may lie about, and how it cannot be reached: one sentence each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from tests.train.hub.server import Fault, Hub, instead, stalled, status
from tests.train.hub.test_snapshot import FILES, NAME
from zscr.errors import ArtefactError, ConfigError
from zscr.patience import Patience
from zscr.train.hub.snapshot import snapshot

ONCE = Patience(tries=1, timeout=0.3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody/nothing", r"has no model 'nobody/nothing' for you \(it answers 401\).*HF_TOKEN"),
        (f"{NAME}@v9", f"{NAME} has no revision 'v9' on 127.*name a branch, a tag or a commit"),
        (f"{NAME}@{'0' * 40}", f"has no commit {'0' * 40} on .*name another, or remove .*json"),
        ("no such model", "'no such model' can be no model on a hub"),
        ("a/b/c", "'a/b/c' can be no model on a hub"),
        ("../../etc/passwd", "can be no model on a hub"),
        ("https://hub.example.org/a/b", "can be no model on a hub"),
        ("-rf", "can be no model on a hub"),
        ("", "'' can be no model on a hub"),
        (f"{NAME}@", "'' can be no revision"),
        (f"{NAME}@../..", "can be no revision"),
        (f"{NAME}@a b", "can be no revision"),
        (f"{NAME}@v\x1b1", r"'v\\x1b1' can be no revision"),
    ],
)
def test_names_that_stand_for_nothing(hub: Hub, cache: Path, name: str, message: str) -> None:
    """The name comes back, and nothing is left in the cache."""
    hub.commit(NAME, FILES)
    with pytest.raises(ConfigError, match=message):
        snapshot(name)
    assert not cache.exists()


def test_the_host_of_large_files_is_named(hub: Hub, cache: Path) -> None:
    """Behind some firewalls a hub answers, and the host to which it sends for weights does not."""
    hub.commit(NAME, FILES)
    hub.faults = {"/resolve/": [status(302, Location="http://127.0.0.1:1/file")]}
    hub.faults["/cdn/"] = [status(503)]
    for told in ("nobody answers at 127.0.0.1:1;", f"localhost:{hub.cdn} answers 503 "):
        with pytest.raises(ConfigError, match=told):
            snapshot(NAME, patience=ONCE)


@pytest.mark.parametrize("token", ["", "hf_secret"])
@pytest.mark.parametrize(
    ("answer", "messages"),
    [
        (status(401, "GatedRepo"), ("is gated .*on its page there and set HF_TOKEN", "is gated")),
        (status(403, "GatedRepo"), ("is gated", "is gated .* with the account of the token")),
        (status(404, "RepoNotFound"), ("set HF_TOKEN to a token", "token in HF_TOKEN may not be")),
        (status(401), ("set HF_TOKEN to a token", "the token in HF_TOKEN may not be valid")),
        (status(403), ("set HF_TOKEN to a token", "the token in HF_TOKEN may not be valid")),
        (status(404, "EntryNotFound"), ("lists a file of", "lists a file of '.*' that it has not")),
        (status(451), ("answers 451", "answers 451")),
        (status(304), ("answers 304", "answers 304")),
    ],
)
@pytest.mark.parametrize("part", ["/api/", "/resolve/"])
def test_what_is_refused(
    hub: Hub,
    part: str,
    answer: Fault,
    messages: tuple[str, str],
    token: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Gated, private and unknown models: what to do, with a token and without; it is not shown."""
    monkeypatch.setenv("HF_TOKEN", token)
    hub.commit(NAME, FILES)
    hub.faults[part] = [answer]
    with pytest.raises(ConfigError, match=messages[bool(token)]) as refused:
        snapshot(NAME)
    assert "hf_secret" not in str(refused.value) + capsys.readouterr().err


@pytest.mark.parametrize("token", ["hf_\x07x", "hf_é", "hf a"])
def test_a_token_that_is_none_is_not_shown(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """Nor sent."""
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(ConfigError, match="HF_TOKEN holds characters that no token has") as refused:
        snapshot(NAME)
    assert token not in str(refused.value)
    assert hub.seen == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://hub.invalid", "hub.invalid cannot be found: there is no network, or its name"),
        ("http://127.0.0.1:1", "nobody answers at 127.0.0.1:1"),
        ("https://127.0.0.1:{port}", r"127.0.0.1:{port} cannot be trusted \(.*SSL_CERT_FILE"),
        ("hub.example.org", "HF_ENDPOINT is 'hub.example.org', which is no address of a hub"),
        ("ftp://hub.example.org", "HF_ENDPOINT is 'ftp:.* is no address"),
        ("http://[::1", "HF_ENDPOINT is .* is no address"),
        ("http://hub:port", "HF_ENDPOINT is .* is no address"),
        ("http://a..b", "HF_ENDPOINT is .* is no address"),
    ],
)
def test_ways_that_lead_nowhere(
    hub: Hub,
    address: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No network, no name, no answer, no trust, no address: told at once, not after five tries."""
    monkeypatch.setenv("HF_ENDPOINT", address.format(port=hub.port))
    with pytest.raises(ConfigError, match=message.format(port=hub.port)):
        snapshot(NAME)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SSL_CERT_FILE", "/nowhere"),
        ("SSL_CERT_FILE", "/etc/passwd"),
        ("HTTPS_PROXY", "ftp://proxy"),
        ("HTTPS_PROXY", "http://proxy:port"),
        ("ALL_PROXY", "socks5://proxy"),
    ],
)
def test_an_environment_that_no_request_can_be_sent_by(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """Certificates that are none, and proxies that nobody knows."""
    monkeypatch.setenv("HF_ENDPOINT", "https://127.0.0.1:1")
    monkeypatch.setenv(variable, value)
    huggingface_hub.close_session()
    with pytest.raises(ConfigError, match=r"no hub can be asked: .* HTTPS_PROXY, .*SSL_CERT_FILE"):
        snapshot(NAME)
    huggingface_hub.close_session()


def test_silence_is_named(hub: Hub) -> None:
    """A hub that takes a request and says nothing."""
    hub.commit(NAME, FILES)
    hub.faults["/api/"] = [stalled(0)]
    with pytest.raises(ConfigError, match="is silent for too long"):
        snapshot(NAME, patience=ONCE)


def _file(**changes: Any) -> Callable[[dict[str, Any]], object]:
    """Return a lie about the first file."""
    return lambda described: described["siblings"][0].update(changes)


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        (_file(rfilename="../x"), r"lists a file '../x' of .*, which climbs up"),
        (_file(rfilename="../config.json"), "climbs up"),
        (_file(rfilename="/etc/x.json"), "is absolute"),
        (_file(rfilename="a\\x.json"), "other systems read as absolute"),
        (_file(rfilename="a\0.json"), "other systems read as absolute"),
        (_file(rfilename="x" * 300), "is overlong"),
        (_file(rfilename="merges.txt/x.json"), "'merges.txt' as a file and a folder"),
        (_file(rfilename=7), "does not know .*rfilename is 7"),
        (_file(size=-1), "size is -1"),
        (_file(blobId="../../x"), "blobId is '../../x'"),
        (_file(lfs={"sha256": "/etc/passwd", "size": 2}), "sha256 is"),
        (_file(size=1 << 49), r"needs .* and the disk has"),
        (lambda d: d.update(sha="../../main"), "sha is '../../main'"),
        (lambda d: d.pop("sha"), "lacks 'sha'"),
        (lambda d: d.update(siblings=None), "siblings is None"),
        (lambda d: d.update(siblings=[]), f"'{NAME}' has no weights like .*, but none at all"),
    ],
)
def test_lies_of_a_listing(
    hub: Hub, cache: Path, lie: Callable[[dict[str, Any]], object], message: str
) -> None:
    """Names that lead elsewhere, and what would be believed without a check; nothing is written."""
    hub.commit(NAME, FILES)
    hub.lies = lie
    with pytest.raises((ArtefactError, ConfigError), match=message):
        snapshot(NAME)
    assert not hub.asked("/resolve/")
    assert {path.name for path in cache.rglob("*") if path.is_file()} <= {"revisions.json"}


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b"\xff", b'{"sha": NaN}'])
def test_what_is_no_hub_is_told(hub: Hub, body: bytes) -> None:
    """Such as the page by which a hotel asks for a name."""
    hub.commit(NAME, FILES)
    hub.faults["/api/"] = [instead(body)]
    with pytest.raises(ArtefactError, match="is HF_ENDPOINT the address of a model hub"):
        snapshot(NAME)
