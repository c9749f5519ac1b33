"""How `scripts/fuzz` and the tests damage files: bytes anyhow, JSON by its structure, re-signed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from zscr.artefact import MANIFEST, file_entry

Place = tuple[str | int, ...]  # the keys and numbers that lead to a value

DEEP = "@deep@"  # stands for what json.dumps could not write
VALUES: tuple[Any, ...] = (None, True, 0, -1, 1, 2**31, 2**63, 10**30, 0.5, 1e308)
VALUES += (float("nan"), float("inf"), "", "x", "1", "../x", "/etc/passwd", "a\\b", "a\0b", "con")
VALUES += ("\x1b[2J", "\ud800", "x" * 300, [], [1], ["x"], {}, {"x": 1}, DEEP)
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**64 - 1)


def places(content: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of every value below `content`, those that hold others too."""
    inner: Any = ()
    if isinstance(content, dict):
        inner = content.items()
    elif isinstance(content, list):
        inner = enumerate(content)
    for key, value in inner:
        yield (*place, key)
        yield from places(value, (*place, key))


def replaced(content: Any, place: Place, value: Any) -> Any:
    """Return `content` with another value at one place."""
    key, *rest = place
    copy = content.copy()
    copy[key] = replaced(content[key], tuple(rest), value) if rest else value
    return copy


def written(content: Any) -> bytes:
    """Return JSON, also of what JSON should not hold."""
    deep = "[" * 100_000 + "]" * 100_000
    return json.dumps(content).replace(f'"{DEEP}"', deep).encode()


def sign(content: dict[str, Any]) -> bytes:
    """Return a manifest with the checksum that its fields have, where they can have one."""
    fields = {key: value for key, value in content.items() if key != "checksum"}
    try:
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return written(content)
    return written(fields | {"checksum": hashlib.sha256(text).hexdigest()})


def damage_artefact(folder: Path, rng: Random) -> str:
    """Change a field of the manifest, or a file that it lists, and make the hashes right again."""
    path = folder / MANIFEST
    content = json.loads(path.read_bytes())
    names = sorted(content["files"])
    if rng.random() < 0.5 or not names:
        place = rng.choice([*places(content)])
        value = rng.choice(VALUES)
        content, what = replaced(content, place, value), f"{place} = {value!r:.60}"
    else:
        name = rng.choice(names)
        what = f"{name}: {damage_file(folder / name, rng)}"
        content["files"][name] = file_entry(folder / name)
    path.write_bytes(sign(content))
    return what


def damage_file(path: Path, rng: Random) -> str:
    """Change one file in place: lines of JSON by their structure half of the time."""
    raw = path.read_bytes()
    if path.suffix in (".json", ".jsonl") and rng.random() < 0.7:
        try:
            changed, what = _damage_json(path, raw, rng)
        except ValueError:  # it is damaged already
            changed, what = damage_bytes(raw, rng)
    else:
        changed, what = damage_bytes(raw, rng)
    path.write_bytes(changed)
    return what


def _damage_json(path: Path, raw: bytes, rng: Random) -> tuple[bytes, str]:
    lines = raw.splitlines() if path.suffix == ".jsonl" else [raw]
    number = rng.randrange(len(lines))
    content = json.loads(lines[number])
    place, value = rng.choice([*places(content)] or [()]), rng.choice(VALUES)
    lines[number] = written(replaced(content, place, value) if place else value)
    return b"\n".join(lines) + b"\n", f"line {number}, {place} = {value!r:.60}"


def damage_bytes(raw: bytes, rng: Random) -> tuple[bytes, str]:
    """Flip, overwrite, cut out, repeat or cut off a few bytes, once to four times."""
    content, told = bytearray(raw), []
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(content) + 1)
        size = min(rng.choice((1, 2, 4, 8, 100, 5_000)), len(content) - at)
        how = rng.choice(("flip", "number", "delete", "repeat", "cut", "insert"))
        told.append(f"{how} {size} at {at}")
        if how == "flip" and size:
            content[at] ^= 1 << rng.randrange(8)
        elif how == "number":
            width = rng.choice((1, 2, 4, 8))
            number = rng.choice(_NUMBERS) & (1 << 8 * width) - 1
            content[at : at + width] = number.to_bytes(width, rng.choice(("little", "big")))
        elif how == "delete":
            del content[at : at + size]
        elif how == "repeat":
            content[at:at] = content[at : at + size] * rng.choice((1, 2, 50))
        elif how == "cut" and rng.random() < 0.3:
            del content[at:]
        elif how == "insert":
            content[at:at] = rng.randbytes(rng.choice((1, 4, 64)))
    return bytes(content), ", ".join(told)
