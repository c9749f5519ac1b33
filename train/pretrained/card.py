"""What a model's card, its README, says of its licence and its languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.errors import InputError
from zscr.regular import read_regular

NAME = "README.md"
_LARGEST = 4 << 20  # bytes
_LONGEST = 200  # characters of a name


@dataclass(frozen=True)
class Card:
    """The licence of the weights and the languages of the texts, as their authors name them.

    Attributes:
        licence: such as `mit`; None if it is not said.
        languages: such as `en`; None if they are not said.
    """

    licence: str | None
    languages: tuple[str, ...] | None


def read_card(source: Path) -> Card:
    """Read a folder's card; what it does not say, or says in no readable way, is None."""
    head = _front_matter(source / NAME)
    named = head.get("license_name") if head.get("license") == "other" else None
    said = head.get("language")
    languages = tuple(map(_name, said if isinstance(said, list) else [said]))
    known = tuple(one for one in languages if one)
    return Card(_name(named) or _name(head.get("license")), known or None)


def _front_matter(path: Path) -> Mapping[str, Any]:
    """Return the YAML between the dashes at the beginning of a README."""
    import yaml

    try:
        text = read_regular(path, _LARGEST, "card of a model").decode("utf-8", "replace")
        before, dashes, rest = text.replace("\r\n", "\n").partition("---\n")
        head = yaml.safe_load(rest.partition("\n---")[0]) if dashes and not before else None
    except (OSError, InputError, yaml.YAMLError, ValueError, RecursionError):
        return {}
    return head if isinstance(head, dict) else {}


def _name(value: Any) -> str | None:
    fits = isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable()
    return value if fits else None
