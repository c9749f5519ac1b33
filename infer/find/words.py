"""The words of a command line as a query and folders: `dog - leash 0.5:grass photos/`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zscr.data.records import Query, Term
from zscr.data.walk import file_kind
from zscr.errors import InputError
from zscr.infer.query_rows import checked_text, found_image

_WEIGHTED = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)):(.+)", re.DOTALL)
_COMMA = re.compile(r"\s*[+-]?\d*,\d+:\S.*", re.DOTALL)  # a weight, but for its comma
_PATH = re.compile(r"(\.{0,2}/|~).*|.*/|\.\.?", re.DOTALL)  # of what is written as a path


@dataclass
class Asked:
    """What words ask for.

    Attributes:
        terms: what is sought and what is not.
        folders: where.
        told: how words were understood that may have been meant otherwise.
    """

    terms: list[Term] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @property
    def query(self) -> Query:
        """The one term, which is a query of its own whatever its weight, or the sum of all."""
        first = self.terms[0]
        if len(self.terms) == 1 and 0 < first.weight < float("inf"):
            return first.query
        return Query("1", terms=tuple(self.terms))


def read_words(
    words: Sequence[str | Path],
    images: Sequence[str] = (),
    folders: Iterable[Path] = (),
    sketches: Sequence[str] = (),
) -> Asked:
    """Tell terms and folders apart.

    The first word is a term, unless there are images or sketches, or it is written as a path: with
    a slash at its beginning or end, or as `.` or `..`. A later word is a folder if there is one of
    that name. What has a sign before it or a weight is always a term, and so is every word if
    `folders` are given, but for paths. A term that names an image's file is that image, any other a
    text.

    Args:
        words: terms, with `+` and `-` between them and weights such as `0.5:`, and folders. A Path
            is an image's.
        images: files of further terms, which may have weights.
        folders: where to search; none is for the words to say.
        sketches: files of drawings, as `images`.

    Raises:
        InputError: a sign has no term behind it, a word is empty, or a path leads nowhere; a plain
            word behind another ends the words, and there is no folder.
    """
    asked, sign, plain, given = Asked(), "", "", [*folders]
    shown = [_of_option("image", word) for word in images]
    shown += [_of_option("sketch", word) for word in sketches]
    for word in words:
        if word in ("+", "-"):
            if sign:
                raise InputError(f"'{sign} {word}' has no term between its signs; leave one out")
            sign = word
        elif isinstance(word, Path):
            asked.terms.append(_image(word, -1 if sign == "-" else 1, "a term"))
            sign = plain = ""
        elif sign or _WEIGHTED.fullmatch(word):
            asked.terms.append(_term(word, sign))
            asked.told += _odd(word)
            sign = plain = ""
        elif _is_folder(word, elsewhere=bool(given), first=not (asked.terms or shown)):
            asked.folders.append(Path(word))
        else:
            asked.terms.append(_term(word, ""))
            asked.told += [*_meant(word, plain), *_odd(word)]
            plain = asked.terms[-1].query.text or ""
    if sign:
        raise InputError(f"'{sign}' has no term behind it; write one, or leave the sign out")
    if not (asked.folders or given):
        _require_folder(words[-2:])
        if shown and len(words) == 1 and plain:
            beside = "image" if images else "sketch"
            asked.told.append(f"'{plain}' is searched for with the {beside}, as it is no folder")
    asked.terms += shown
    asked.folders += given
    return asked


def _is_folder(word: str, *, elsewhere: bool, first: bool) -> bool:
    """Say whether a word without sign and weight is a folder.

    Raises:
        InputError: it is a path that leads nowhere.
    """
    is_path = bool(_PATH.fullmatch(word))
    if os.path.isdir(word):
        return is_path or not (first or elsewhere)
    if is_path and not os.path.isfile(word):
        raise InputError(
            f"{word} does not exist; name a folder of images, or write '1:{word}' if it is to be "
            f"searched for"
        )
    return False


def _require_folder(last: Sequence[str | Path]) -> None:
    """Refuse a plain word behind another at the end, where folders stand, if there is none.

    It may be a folder's name misspelt, and all of the current folder would be indexed for it.
    """
    plain = [str(word) for word in last if not (isinstance(word, Path) or _is_marked(word))]
    if len(plain) == 2 and not _is_image(plain[0]) and not _is_image(plain[1]):
        raise InputError(
            f'{plain[1]} is no folder; for one text, quote it: "{" ".join(plain)}", for two terms '
            f"write + between them, or name a folder, '.' is the current one"
        )


def _is_marked(word: str) -> bool:
    """Say whether a word is a sign or has a weight."""
    return word in ("+", "-") or bool(_WEIGHTED.fullmatch(word))


def _meant(word: str, before: str) -> Iterator[str]:
    """Say what a plain term may have been meant as; `before` it stands another, or nothing."""
    if os.path.isdir(word):
        yield f"'{word}' is searched for; the folder of that name is ./{word}"
    elif before and not _is_image(word):
        yield (
            f"'{before}' and '{word}' are two terms, whose sum is searched for, and {word} is no "
            f'folder; for one text, quote it: "{before} {word}"'
        )


def _odd(word: str) -> Iterator[str]:
    """Say what a number before a colon is taken for, where it may be a time, or no weight yet."""
    weight, content = _split(word)
    if content != word and content[0].isdigit() and not _WEIGHTED.fullmatch(content):
        yield (
            f"'{word}' is '{content}' with the weight {weight:g}; to search for all of it, write "
            f"'1:{word}'"
        )
    elif _COMMA.fullmatch(word):
        yield f"'{word}' is searched for as it stands; a weight has a point, such as 0.5:grass"


def _term(word: str, sign: str) -> Term:
    """Return a term of a word, which may have a weight."""
    weight, content = _split(word)
    if not content.strip():
        raise InputError("a term is empty; write what is to be in the image, or leave it out")
    weight = -weight if sign == "-" else weight
    if _is_image(content):
        return _image(Path(content), weight, "a term")
    return Term(Query("1", " ".join(checked_text(content, "a term").split())), weight)


def _of_option(name: str, word: str) -> Term:
    """Return a term of an image's or a sketch's path, which may have a weight."""
    weight, content = (1.0, word) if os.path.exists(word) else _split(word)
    return _image(Path(content), weight, f"--{name}", name)


def _image(path: Path, weight: float, where: str, name: str = "image") -> Term:
    found = found_image(path, where)
    return Term(Query("1", sketch=found) if name == "sketch" else Query("1", image=found), weight)


def _split(word: str) -> tuple[float, str]:
    """Return the weight of a word, and the rest of it."""
    found = _WEIGHTED.fullmatch(word)
    return (float(found[1]), found[2]) if found else (1.0, word)


def _is_image(word: str) -> bool:
    """Say whether a word is an image's file: by its suffix, or as a path that is there.

    What has spaces in it and ends like a file, as "a photo of cat.jpg", is one if it is there.
    """
    is_there, named = os.path.isfile(word), file_kind(os.path.basename(word)) is None
    if named:
        return is_there or not re.search(r"\s", word)
    return is_there and bool(_PATH.fullmatch(word))
