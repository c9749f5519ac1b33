"""Makes a collection of images alone: of a folder, a list, tar shards, or another collection.

No pixel is copied and no caption read: the collection says where each image lies (see
`zscr.data.corpus`), and a mapper is trained on millions of them.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from zscr.artefact import kind_of
from zscr.data.collection import new_collection, read_collection
from zscr.data.corpus import FOLDER, LARGEST, TAR, CorpusWriter, Member
from zscr.data.draft import Draft
from zscr.data.names import written
from zscr.data.sources.captions import CAPTIONS
from zscr.data.sources.found import origin
from zscr.data.sources.sentences import read_sentences
from zscr.data.sources.shards import is_pattern, read_shard, shards_of
from zscr.data.walk import WalkRules, passed_over, walk
from zscr.errors import ConfigError, InputError
from zscr.names import name_fault
from zscr.printable import printable
from zscr.progress import progress, say
from zscr.regular import irregular

PROTOCOL = "images alone, to train on; one of {every}, the first of them, is for validation"
FILEPATH = "filepath"  # the column of Conceptual Captions' list that names an image
LISTS = (".txt", ".tsv", ".csv", ".jsonl")
FEWEST, PART = 2, 10_000  # images to train on; of files in a part
MOST_FAULTS = 10_000  # that are told one by one


def convert_images(
    source: Path,
    out: Path,
    *,
    val_share: float = 0.01,
    exclude: tuple[str, ...] = (),
    follow_links: bool = False,
) -> None:
    """List the images of a source in the collection `out`.

    Args:
        source: a folder of images at any depth; a folder of `.tar` shards, one shard, or a range of
            them, `cc3m-{0000..0331}.tar`; a list, a path a line, or a table with the column
            `filepath`, whose paths are relative to the list's own folder; or a collection, of which
            the seen images are taken.
        out: the collection to make; must not exist.
        val_share: of the images that are for validation: every so manieth.
        exclude: patterns of what to leave out of a folder, as in `.gitignore`.
        follow_links: whether linked folders are entered.

    Raises:
        InputError: the source is nothing of that kind, shards of a range are missing, or fewer than
            2 images are left to train on.
        ConfigError: `val_share` is no share up to a half, or a pattern cannot be read.
    """
    if not 0 < val_share <= 0.5:
        raise ConfigError(f"--val {val_share} must be a share of the images, up to 0.5")
    every, rules = round(1 / val_share), WalkRules(exclude, follow_links)
    provenance: dict[str, Any] = {}
    protocol = PROTOCOL.format(every=every)
    with new_collection(
        out, name=printable(out.name), protocol=protocol, provenance=provenance
    ) as draft:
        found, writer = _Found(draft), CorpusWriter(draft, every)
        for kind, where, members in _parts(source, rules, found):
            writer.add(kind, where, members)
        writer.close()
        seen = writer.images - -(-writer.images // every)  # the rest is for validation
        if seen < FEWEST:
            first = draft.skipped[0] if draft.skipped else None
            told = f"; the first fault is {first['source']}: {first['reason']}" if first else ""
            raise InputError(
                f"{source} holds {writer.images} images that can be used, {seen} of them to train "
                f"on, and a mapper takes {FEWEST} or more{told}"
            )
        passed = dict(+found.passed)
        provenance |= {**origin_of(source), "passed": passed}
    if passed:
        say(f"passed over in {source}: {passed_over(passed)}")


def is_source(path: Path) -> bool:
    """Say whether a path that is no folder is a source of images alone: shards, or a list."""
    if is_pattern(path):
        return True
    return path.suffix.lower() in (".tar", *LISTS) and path.is_file()


def is_uncaptioned(source: Path) -> bool:
    """Say whether a source holds images alone: shards, a list, or images in one folder."""
    if not source.is_dir() or shards_of(source):
        return True
    if (source / CAPTIONS).is_file():
        return False
    found = walk(source)
    return bool(found.images) and all(one.path.parent == found.folder for one in found.images)


def origin_of(source: Path) -> dict[str, str]:
    """Return where a source lies, and a hash of what tells whether it has changed."""
    files = shards_of(source) or ([] if source.is_dir() else [source])
    if not files:
        return origin(source)
    digest = hashlib.sha256()
    for path in files:
        about = path.stat()
        digest.update(repr((os.fsencode(path), about.st_size, about.st_mtime_ns)).encode())
    return {"source": written(source.absolute()), "fingerprint": digest.hexdigest()}


class _Found:
    """What cannot be used of a source: told one by one, but for what would fill the memory."""

    def __init__(self, draft: Draft) -> None:
        self.draft, self.passed = draft, Counter[str]()

    def skip(self, source: str, reason: str) -> None:
        """Record a fault."""
        if len(self.draft.skipped) < MOST_FAULTS:
            self.draft.skip(source, reason)
        else:
            self.passed["faults beyond those in errors.jsonl"] += 1


def _parts(
    source: Path, rules: WalkRules, found: _Found
) -> Iterator[tuple[str, Path, list[Member]]]:
    """Yield the parts of a source: kind, place and images."""
    if shards := shards_of(source):
        if source.is_dir() and (beside := len(walk(source, rules).images)):
            found.passed["images beside the shards"] += beside
        with progress("listing shards", len(shards)) as bar:
            for shard in shards:
                yield TAR, shard.absolute(), _shard(shard, found, alone=len(shards) == 1)
                bar.advance()
        return
    for top, paths in _files(source, rules, found):
        rest = iter(paths)
        while some := [*islice(rest, PART)]:
            members = [made for path in some if (made := _member(top, path, found))]
            yield FOLDER, top, members


def _shard(path: Path, found: _Found, *, alone: bool) -> list[Member]:
    """List a shard; where there are others, one that is no shard at all is told and left out."""
    try:
        return read_shard(path, partial(_tell_shard, path, found), found.passed)
    except InputError as error:
        if alone:
            raise
        found.skip(str(path), str(error))
        return []


def _tell_shard(path: Path, found: _Found, source: str, reason: str) -> None:
    """Record a fault; what befalls a shard as a whole is told at once, by its name."""
    found.skip(source, reason)
    if source == str(path):
        say(f"{path}: {reason}")


def _files(source: Path, rules: WalkRules, found: _Found) -> Iterator[tuple[Path, Iterable[str]]]:
    """Yield a folder with the paths of images below it."""
    if source.is_dir() and kind_of(source) == "collection":
        items = read_collection(source).split("seen")
        yield source.resolve(), [item.image for item in items if item.image]
    elif source.is_dir():
        walked = walk(source, rules)
        found.passed += walked.passed
        yield walked.folder, (written(one.path.relative_to(walked.folder)) for one in walked.images)
    elif not source.exists():
        raise InputError(f"{source} does not exist; name a folder, a shard or a list of images")
    elif source.suffix.lower() in LISTS:
        column = "" if source.suffix.lower() == ".txt" else FILEPATH
        listed = read_sentences(source, column)
        found.passed.update(listed.passed)
        yield from _by_top(source.absolute().parent, listed.texts)
    else:
        raise InputError(
            f"{source} is no source of images; name a folder, a .tar shard, a range of them "
            f"({{0000..0331}}), or a list (.txt, .tsv, .csv, .jsonl)"
        )


def _by_top(folder: Path, paths: Iterable[str]) -> Iterator[tuple[Path, list[str]]]:
    """Yield listed paths by what they are relative to: the list's folder, or the root."""
    sides: dict[Path, list[str]] = {folder: [], Path("/"): []}
    for path in paths:
        sides[Path("/") if path.startswith("/") else folder].append(path.removeprefix("/"))
    yield from sides.items()


def _member(top: Path, path: str, found: _Found) -> Member | None:
    """Return what is kept of an image's file; record why it cannot be used."""
    name = path.removeprefix("./")
    try:
        if fault := name_fault(name):
            raise InputError(f"its name {fault}")
        if kind := irregular(top / name):
            raise InputError(f"it is {kind}")
        about = (top / name).stat()
        if about.st_size > LARGEST:
            raise InputError(f"it has {about.st_size} bytes, which no image has")
    except OSError as error:
        found.skip(path, f"it cannot be read ({error.strerror})")
    except InputError as error:
        found.skip(path, str(error))
    else:
        return Member(name, about.st_size, modified=about.st_mtime_ns)
    return None
