"""Images of a corpus as files that can be opened, a block of them at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from zscr.data.corpus import TAR, Corpus, Member, Part
from zscr.data.images import open_image
from zscr.errors import InputError
from zscr.regular import open_regular

Laid = Path | str  # a file, or why there is none


@contextmanager
def laid_out(part: Part, members: Sequence[Member]) -> Iterator[list[Laid]]:
    """Yield for each image of one part a file to open, or the reason that there is none.

    Those of a shard are written into a folder for the time being, under names that are numbers.
    """
    if part.kind != TAR:
        yield [_file(Path(part.source) / member.name, member) for member in members]
        return
    with tempfile.TemporaryDirectory(prefix="zscr-") as folder:
        yield _unpacked(Path(part.source), members, Path(folder))


def _file(path: Path, member: Member) -> Laid:
    try:
        about = os.stat(path)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    same = (about.st_size, about.st_mtime_ns) == (member.bytes, member.modified)
    return path if same else "it has changed since it was listed"


def _unpacked(shard: Path, members: Sequence[Member], folder: Path) -> list[Laid]:
    laid: list[Laid] = []
    try:
        with open_regular(shard) as file:
            for number, member in enumerate(members):
                file.seek(member.offset)
                content = file.read(member.bytes)
                path = folder / f"{number:06d}{Path(member.name).suffix.lower()}"
                path.write_bytes(content)
                laid.append(path if len(content) == member.bytes else "the shard breaks off in it")
    except (OSError, InputError) as error:
        laid += [f"its shard cannot be read ({error})"] * (len(members) - len(laid))
    return laid


def sample_images(corpus: Corpus, split: str, most: int) -> list[Image.Image]:
    """Open up to `most` images of a split, spread evenly, without those that cannot be used."""
    wanted = _spread(corpus, split, most)
    found, first = [], 0
    for part in corpus.parts:
        places = [number - first for number in wanted if 0 <= number - first < part.images]
        first += part.images
        if places:
            members = corpus.members(part)
            with laid_out(part, [members[place] for place in places]) as laid:
                found += [made for one in laid if (made := _opened(one))]
    return found


def _spread(corpus: Corpus, split: str, most: int) -> list[int]:
    """Return numbers of images of a split in their order."""
    count = corpus.count(split)
    places = [count * step // min(most, count) for step in range(min(most, count))]
    if split == "val":
        return [place * corpus.every for place in places]
    return [place + place // (corpus.every - 1) + 1 for place in places]  # past those of `val`


def _opened(laid: Laid) -> Image.Image | None:
    if isinstance(laid, str):
        return None
    try:
        return open_image(laid)
    except InputError:
        return None
