"""What is left out of a walk: patterns of the caller, and of `.zscrignore` files on the way.

Patterns are those of `.gitignore`: `raw/` is a folder anywhere, `/raw` one at the top, `*.tmp.jpg`
files anywhere, `!keep.tmp.jpg` takes one back.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zscr.errors import ConfigError, InputError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".zscrignore"
_LIMIT = 1 << 20  # bytes of such a file
_STARS = 4  # of one pattern; to match n characters with s of them takes up to n**s steps
_LONGEST = 8192  # characters of a pattern that a caller gives, and that is remembered


@dataclass(frozen=True)
class Exclusion:
    """Patterns, and the folder that they are relative to."""

    folder: str
    spec: GitIgnoreSpec

    def verdict(self, path: str, *, folder: bool) -> bool | None:
        """Say whether a file or folder below is left out; None: no pattern speaks of it."""
        below = os.path.relpath(path, self.folder)
        return self.spec.check_file(f"{below}/" if folder else below).include


def excludes(exclusions: Iterable[Exclusion], path: str, *, folder: bool) -> bool:
    """Say whether a path is left out; the last exclusion that speaks of it decides."""
    for exclusion in reversed(tuple(exclusions)):
        verdict = exclusion.verdict(path, folder=folder)
        if verdict is not None:
            return verdict
    return False


def check_pattern(pattern: str) -> None:
    """Prove that a caller's pattern can match and be remembered: a script's variable may be empty.

    Raises:
        ConfigError: it is blank, overlong or no UTF-8.
    """
    half = any("\ud800" <= character <= "\udfff" for character in pattern)
    if half or not pattern.strip() or len(pattern) > _LONGEST:
        raise ConfigError(
            f"the pattern {pattern!a:.60} to exclude is blank, no UTF-8 or over {_LONGEST} "
            f"characters; write one as in .gitignore, or leave --exclude out"
        )


def exclusion_of(folder: str, patterns: Iterable[str]) -> Exclusion:
    """Make an exclusion of patterns, which are relative to `folder`.

    Raises:
        ConfigError: a pattern cannot be read.
    """
    from pathspec import GitIgnoreSpec  # which takes 20 ms, and most walks have no patterns

    patterns = tuple(patterns)
    try:
        for pattern in patterns:
            if pattern[:1] != "#" and len(re.findall(r"\*+", pattern)) > _STARS:
                raise ValueError(f"{pattern!a:.60} has over {_STARS} stars, and may take for ever")
        return Exclusion(folder, GitIgnoreSpec.from_lines(patterns))
    except (ValueError, re.error, RecursionError, OverflowError) as error:  # of "[z-a]" and such
        raise ConfigError(
            f"{', '.join(map(repr, patterns)):.200}: {error}; write patterns as in .gitignore"
        ) from error


def ignored_in(folder: str) -> Exclusion | None:
    """Read the folder's `.zscrignore`; None where there is none.

    Raises:
        InputError: it is no text file of a list's size, or a pattern cannot be read.
    """
    path = os.path.join(folder, IGNORE_FILE)
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode) or about.st_size > _LIMIT:
            raise InputError(f"{path} is no list of patterns; remove it, or write a pattern a line")
        with open(path, encoding="utf-8-sig") as lines:
            return exclusion_of(folder, lines.read().splitlines())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError, ConfigError) as error:
        raise InputError(f"{path} cannot be used ({error}); correct it or remove it") from error
