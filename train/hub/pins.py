"""Which commit a revision stood for when it was first asked for: so it stays, and moves are told.

A branch may point elsewhere tomorrow. Who trains twice by the same name gets the same weights, and
hears that there are others.
"""

from __future__ import annotations

from zscr.artefact import dump_json
from zscr.errors import ArtefactError, ConfigError, InputError
from zscr.partial import write_atomically
from zscr.patience import PassingFault
from zscr.progress import say
from zscr.regular import read_regular
from zscr.schema import mapping, text
from zscr.strict_json import parse_json
from zscr.train.hub.client import Client
from zscr.train.hub.listing import ask_commit
from zscr.train.hub.name import ModelName

_PINS = mapping(text(40, "[0-9a-f]{40}"))
_LARGEST = 1 << 20  # bytes


def pinned_commit(name: ModelName) -> str | None:
    """Return the commit that a name stands for; None if nobody has asked yet.

    Raises:
        ArtefactError: what was written down is damaged.
    """
    return name.revision if name.is_commit else _read(name).get(name.revision)


def write_pin(name: ModelName, commit: str) -> None:
    """Write down what a revision stands for; only who holds the folder's lock may."""
    write_atomically(name.pins, dump_json(_read(name) | {name.revision: commit}))


def tell_if_moved(client: Client, commit: str) -> None:
    """Ask once whether the hub means another commit by a branch or tag than is pinned; say so."""
    name = client.name
    if name.is_commit:
        return
    try:
        now = ask_commit(client)
    except (PassingFault, ConfigError, ArtefactError) as fault:
        say(f"'{name}' stays at {commit[:12]}; whether it has moved is not known: {fault}")
        return
    if now != commit:
        say(
            f"'{name}' has moved to {now} on {client.host} and stays at {commit[:12]} here; "
            f"'{name.repository}@{now}' takes the new one, and so does '{name}' once "
            f"{name.pins} is removed"
        )


def _read(name: ModelName) -> dict[str, str]:
    try:
        pins: dict[str, str] = parse_json(read_regular(name.pins, _LARGEST, "list of revisions"))
        _PINS(pins, "")
    except FileNotFoundError:
        return {}
    except (ValueError, InputError) as error:
        raise ArtefactError(f"{name.pins} is damaged ({error}); remove it") from error
    return pins
