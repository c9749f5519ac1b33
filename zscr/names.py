"""Names of files that a stranger wrote down: plain paths below a folder, alike on every system."""

from __future__ import annotations

import re

_LONGEST, _LONGEST_PART, _MOST_PARTS = 1024, 255, 32  # bytes, bytes; paths of ours have 4 parts
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)


def name_fault(name: str) -> str | None:
    """Return why a path with `/` must not be opened or made below a folder, or None.

    The words go behind the name: "climbs up".
    """
    parts = name.split("/")
    if len(name) > _LONGEST or len(parts) > _MOST_PARTS:  # before anything is made of it
        return f"is overlong: over {_LONGEST} bytes or {_MOST_PARTS} folders"
    try:
        sizes = [len(part.encode()) for part in parts]
    except UnicodeEncodeError:
        return "holds half a character"
    if sum(sizes) + len(parts) > _LONGEST or max(sizes) > _LONGEST_PART:
        return f"is overlong: over {_LONGEST} bytes, or {_LONGEST_PART} in a part"
    if parts[0] == "":
        return "is absolute" if len(parts) > 1 else "is empty"
    if any(part in ("", ".", "..") for part in parts):
        return "climbs up or has an empty part"
    if "\0" in name or "\\" in name or re.match("[A-Za-z]:", name):
        return "is a path that other systems read as absolute"
    if any(_DEVICES.match(part) for part in parts):
        return "is a device on other systems"
    return None
