"""Images that are named, as files or by their folders: each file once, with its content's hash."""

from __future__ import annotations

import hashlib
import stat
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from zscr.data.hashes import Hashes
from zscr.data.names import is_utf8, nfc, written
from zscr.data.walk import EVERYTHING, FoundImage, Walk, WalkRules, walk
from zscr.errors import InputError
from zscr.progress import progress

Skipped = Mapping[str, str]  # an image that cannot be used: `image`, its path, and `reason`


@dataclass(frozen=True)
class ImageFile:
    """An image's file: where it was met, the same without links, and its content's sha256."""

    path: Path
    real: Path
    sha256: str


@dataclass(frozen=True)
class Share:
    """One of `count` shares of images, from 1 on: the same for a path whatever else is there."""

    number: int = 1
    count: int = 1

    def has(self, place: str) -> bool:
        """Say whether a path is of this share."""
        digest = hashlib.sha256(nfc(place).encode(errors="surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1

    @classmethod
    def of(cls, told: str) -> Share:
        """Read a share as it is typed, such as `3/16`.

        Raises:
            InputError: it is none.
        """
        number, _, count = told.partition("/")
        if number.isascii() and number.isdigit() and count.isascii() and count.isdigit():
            if 1 <= int(number) <= int(count) <= _SHARES:
                return cls(int(number), int(count))
        raise InputError(f"{told!r} is no share; write the third of sixteen as 3/16")


ALL_SHARES = Share()
_SHARES = 1_000_000  # at most


@dataclass(frozen=True)
class Listing:
    """The images that were named, each file once.

    Attributes:
        files: whose bytes could be read; whether they are images is not known yet.
        skipped: those that could not be read, or have a name that cannot be kept.
        folders: what is in each folder that was named.
        named: the files that were named themselves, without links.
        others: how many images are of other shares.
    """

    files: tuple[ImageFile, ...]
    skipped: tuple[Skipped, ...]
    folders: tuple[Walk, ...]
    named: tuple[Path, ...]
    others: int = 0

    @property
    def passed(self) -> Counter[str]:
        """Kind of what was passed over in all folders -> how many."""
        return sum((walked.passed for walked in self.folders), Counter())


def list_images(
    named: Sequence[Path],
    rules: Callable[[Path], WalkRules] = lambda folder: EVERYTHING,
    hashes: Hashes | None = None,
    share: Share = ALL_SHARES,
) -> Listing:
    """List files, and every image below folders, and hash them.

    A file that is met twice, in folders that overlap or by a link, is listed once.

    Args:
        named: files, of any suffix, and folders.
        rules: folder, without links -> how it is walked.
        hashes: what is known of files already; None reads all of them.
        share: of the images, which alone are hashed and listed.

    Raises:
        InputError: a name is nothing that is there, or no file or folder.
        ConfigError: a pattern of the rules cannot be read.
    """
    folders: list[Walk] = []
    alone: list[Path] = []
    images: dict[str, FoundImage] = {}  # by their places without links
    for name in named:
        if _is_folder(name):
            folders.append(walk(name, rules(name.resolve())))
            found = folders[-1].images
        else:
            alone.append(name.resolve())
            found = [FoundImage(alone[-1], alone[-1])]
        for image in found:
            place = str(image.real)
            if str(image.path) == place:  # the place that is no link is the one to name
                images[place] = image
            images.setdefault(place, image)
    mine = [image for place, image in images.items() if share.has(place)]
    files, skipped = _hashed(mine, hashes or Hashes())
    return Listing(files, skipped, tuple(folders), tuple(alone), len(images) - len(mine))


def _is_folder(name: Path) -> bool:
    """Say whether a name is a folder's; refuse what is no file either."""
    try:
        mode = name.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{name} does not exist; name an image or a folder of images") from error
    except (OSError, ValueError) as error:  # a circle of links, no permission, too long a name
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{name} cannot be looked at ({why}); name another") from error
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise InputError(f"{name} is a pipe or device; name an image or a folder of images")
    return stat.S_ISDIR(mode)


def _hashed(
    images: Sequence[FoundImage], hashes: Hashes
) -> tuple[tuple[ImageFile, ...], tuple[Skipped, ...]]:
    skipped = [_unnamable(image) for image in images if not _can_be_named(image)]
    images = [image for image in images if _can_be_named(image)]
    contents = [hashes.known(image.path) for image in images]
    unknown = [number for number, content in enumerate(contents) if content is None]
    with progress("hashing", len(unknown)) if unknown else nullcontext() as bar:
        for number in unknown:
            try:
                contents[number] = _read(images[number], hashes)
            except InputError as error:  # a link to a device, or exchanged for a pipe by now
                skipped.append({"image": str(images[number].path), "reason": str(error)})
            if bar:
                bar.advance()
    files = [
        ImageFile(image.path, image.real, content)
        for image, content in zip(images, contents, strict=True)
        if content
    ]
    return tuple(files), tuple(skipped)


def _read(image: FoundImage, hashes: Hashes) -> str:
    """Return the sha256 of an image's content.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return hashes.read(image.path)
    except OSError as error:
        raise InputError(f"{image.path} cannot be read ({error.strerror})") from error


def _can_be_named(image: FoundImage) -> bool:
    """Say whether a file of JSON can keep an image's name."""
    return is_utf8(image.path) and is_utf8(image.real)


def _unnamable(image: FoundImage) -> Skipped:
    name = written(image.path)
    return {"image": name, "reason": f"{name} has a name that is not UTF-8; rename it"}
