"""What is left out of a walk: patterns of the caller, and of `.zscrignore` files on the way.

Patterns are those of `.gitignore`: `raw/` is a folder anywhere, `/raw` one at the top, `*.tmp.jpg`
files anywhere, `!keep.tmp.jpg` takes one back.
"""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zscr.errors import ConfigError, InputError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".zscrignore"
_LIMIT = 1 << 20  # bytes of such a file
_LONGEST = 4096  # characters of a pattern, as of a path

# What pathspec makes of `*` and of `/**/`. Where another follows, the first place that fits is as
# good as any later one, so that no other needs to be tried: they would be exponentially many.
_LETTER = r"(?:\\.|\[\^?(?:\\.|[^\]\\])+\]|[^][\\/()^$*+?{}|.])"
_STARS = re.compile(r"(?:\[\^/\]\*)+")
_STAR_BEFORE_STAR = re.compile(rf"\[\^/\]\*((?:{_LETTER})+?)(?=\[\^/\]\*)")
_NEGATED = re.compile(r"(?<!\\)\[\^(?!/)")  # `[!a]`, which is no slash either, as in git
_MIDDLE = "(?:/.+)?"


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
    if any(len(pattern) > _LONGEST for pattern in patterns):
        raise ConfigError(f"a pattern has over {_LONGEST} characters; no path is that long")
    try:
        with warnings.catch_warnings(action="ignore"):  # of regular expressions that nobody wrote
            spec = GitIgnoreSpec.from_lines(patterns)
            for one in spec.patterns:
                if one.regex is not None:
                    one.regex = re.compile(steady(one.regex.pattern))
        return Exclusion(folder, spec)
    except (ValueError, re.error, RecursionError, OverflowError) as error:  # of "[z-a]" and such
        raise ConfigError(
            f"{', '.join(map(repr, patterns)):.200}: {error}; write patterns as in .gitignore"
        ) from error


def steady(regex: str) -> str:
    """Return a pattern's regular expression, so that it takes no exponential time over a name."""
    regex = _STARS.sub("[^/]*", _NEGATED.sub("[^/", regex))
    regex = _STAR_BEFORE_STAR.sub(r"(?>[^/]*?\1)", regex)
    first, *middle = regex.split(_MIDDLE)
    if not middle:
        return regex
    if first.startswith("^(?:.+/)?"):
        first = f"^(?>(?:.+?/)??{first.removeprefix('^(?:.+/)?')}(?=/))"
    between = (f"(?>(?:/.+?)??{part}(?=/))" for part in middle[:-1])
    return f"{first}{''.join(between)}{_MIDDLE}{middle[-1]}"


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
