"""Images as queries: Python's pixels to the last bit, so its rows, ids and scores, and refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'cpu'")

from zscr.data.records import Query
from zscr.infer.bundle import Bundle
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher

INPUT, MISSING = 3, 6
FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    """Write an image of every mode."""
    from image_files import FILES

    folder = tmp_path_factory.mktemp("files")
    for name, write in FILES.items():
        write(folder / name)
    return [folder / name for name in FILES]


def differing(
    library: Any, folder: Path, paths: Sequence[Path], **preprocess: Any
) -> list[tuple[str, float]]:
    """Return the images whose row is not Python's, to the bit, and how far it is off."""
    from bundles import DIM, make_bundle, make_index

    bundle = make_bundle(folder / "b", "clip", preprocess=preprocess)
    make_index(folder / "b.index", bundle, 3)
    ours, theirs = library.open(bundle), Bundle.open(bundle, Runtime(threads=1)).gallery
    found = []
    for path in paths:
        row = np.array(ours.embed(DIM, image=str(path).encode()), np.float32)
        [wanted] = theirs.encode([Query("1", image=path)])
        if not np.array_equal(row, wanted):
            found.append((path.name, float(np.abs(row - wanted).max())))
    return found


def test_every_mode(files, library, tmp_path):
    """JPEG, PNG and WebP of all modes, depths, transparencies and orientations."""
    how = {"image_size": 24, "resize_shorter_side": 31, "resample": "bicubic"}
    assert differing(library, tmp_path, files, **how) == []


@pytest.mark.parametrize("resample", FILTERS)
@pytest.mark.parametrize(
    "sizes",
    [
        {"image_size": 30},  # of portraits columns come first
        {"image_size": 70, "resize_shorter_side": 50},  # a black border
        {"image_size": 33, "resize_square": 47},
        {"image_size": 43, "resize_shorter_side": 43},  # of one side nothing is to be done
        {"image_size": 9, "resize_shorter_side": 9, "decode_shorter_side": 18},
    ],
    ids=["square", "border", "larger-square", "as-it-is", "decoded-small"],
)
def test_resizing(resample, sizes, files, library, tmp_path):
    """All filters, larger and smaller, rows or columns first; boxes that end within a pixel."""
    chosen = [path for path in files if path.name in ("colour.jpg", "turned6big.jpg", "alpha.png")]
    assert len(chosen) == 3
    assert differing(library, tmp_path, chosen, resample=resample, **sizes) == []


def told(answer: Any) -> Any:
    hits = tuple((h.rank, h.id, h.score, h.above_unrelated) for h in answer.hits)
    return hits, answer.notes, answer.error, answer.nothing, answer.ran


def seen(answer: Any) -> Any:
    hits = tuple((*hit[:3], hit[6]) for hit in answer.hits)
    return hits, answer.notes, answer.error, answer.nothing, answer.ran


def test_answers(files, library, tmp_path):
    """A batch of images: ids, scores, shares, what ran; bytes find what the file finds."""
    from bundles import make_bundle, make_index

    bundle = make_bundle(tmp_path / "b", "clip", preprocess={"image_size": 16})
    make_index(tmp_path / "b.index", bundle, 300)
    ours, theirs = library.open(bundle), Searcher.open(bundle, runtime=Runtime(threads=1))
    wanted = theirs.answers([Query(str(n), image=path) for n, path in enumerate(files, 1)])
    found = ours.search_images(files)
    assert [*map(seen, found)] == [*map(told, wanted)]
    assert found[0].hits[0][6] is not None
    raw = files[0].read_bytes()
    [alone], [named] = (
        ours.ask([{"image_bytes": raw, "image_size": len(raw)}]),
        ours.search_images(files[:1]),
    )
    assert alone.hits == named.hits


@pytest.mark.realdata
@pytest.mark.parametrize("least", [0, 128], ids=["whole", "decoded-small"])
def test_real_photos(
    least: int, library: Any, realdata_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """Photos of flickr8k, sketchy25 and fashion44k as a CLIP model sees them."""
    paths = [
        path
        for name in ("flickr8k_1k", "sketchy25", "fashion44k")
        for path in sorted(realdata_folder(name).rglob("*.jpg"))[::97][:60]
    ]
    assert len(paths) > 60
    how: dict[str, Any] = {"image_size": 64, "resize_shorter_side": 64, "resample": "bicubic"}
    how |= {"decode_shorter_side": least} if least else {}
    assert differing(library, tmp_path, paths, **how) == []


@pytest.fixture
def searcher(library, tmp_path):
    """Open a bundle of small images."""
    from bundles import make_bundle, make_index

    bundle = make_bundle(tmp_path / "b", "clip")
    make_index(tmp_path / "b.index", bundle, 20)
    return library.open(bundle)


def test_jpegs_that_end_too_early(files, searcher, library, tmp_path):
    """Without an end marker pixels are whole, as Python has it; with fewer bytes they are not."""
    photo = next(path for path in files if path.name == "colour.jpg")
    raw = photo.read_bytes()
    (tmp_path / "end.jpg").write_bytes(raw[:-2])
    (tmp_path / "half.jpg").write_bytes(raw[: len(raw) // 2])
    whole, ended, cut = searcher.search_images([photo, tmp_path / "end.jpg", tmp_path / "half.jpg"])
    assert ended.hits == whole.hits
    assert cut.error == (
        f"query 3 cannot be read: {tmp_path / 'half.jpg'} cannot be decoded (image file is "
        "truncated); mend it or leave it out"
    )


def test_what_is_no_image(searcher, files, tmp_path):
    """Each costs no other its answer, and is refused in one sentence with its name."""
    huge = bytearray(next(one for one in files if one.name == "grey.png").read_bytes())
    import zlib

    huge[16:24] = (20_000).to_bytes(4, "big") * 2
    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
    Image.new("RGB", (4, 4)).save(tmp_path / "a.gif")
    Image.new("RGB", (4, 4)).save(tmp_path / "a.bmp")
    contents = {"empty": b"", "text": b"a bird", "huge.png": bytes(huge), "cut.png": huge[:40]}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    cases = {
        "none.jpg": "cannot be read (No such file or directory); name an image's file",
        ".": "cannot be read (it is no regular file)",
        "empty": "is empty",
        "text": "is not an image of a known format; this build of libzscr reads JPEG, PNG, WebP",
        "a.gif": "is a GIF image; this build of libzscr reads JPEG, PNG, WebP: convert it",
        "a.bmp": "is a BMP image;",
        "huge.png": "has 20000x20000 pixels, over the limit of 256000000; shrink it",
        "cut.png": "cannot be decoded (",
    }
    answers = searcher.search_images([*(tmp_path / name for name in cases), files[0]])
    for number, (name, sentence) in enumerate(cases.items(), 1):
        error = answers[number - 1].error
        assert error.startswith(f"query {number} cannot be read: {tmp_path / name}"), error
        assert sentence in error
    assert len(answers[-1].hits) == 10


def test_what_cannot_be_asked(searcher, files, library):
    """A file and bytes at once, and fields that no graph takes together."""
    from library import Refused

    raw = files[0].read_bytes()
    both = {"image": str(files[0]).encode(), "image_bytes": raw, "image_size": len(raw)}
    with pytest.raises(Refused, match="query 1 has a file and bytes; give one"):
        searcher.ask([both])
    with pytest.raises(Refused, match="or image and text, not of image and sketch$"):
        searcher.ask([{"image": b"a.jpg", "sketch": b"b.png"}])


def test_a_line_is_not_resized_beyond_all_bounds(library, tmp_path):
    """Its shorter side made 50 pixels, the longer one would be of millions."""
    from bundles import make_bundle, make_index

    bundle = make_bundle(tmp_path / "b", preprocess={"resize_shorter_side": 50})
    make_index(tmp_path / "b.index", bundle, 20)
    Image.new("L", (60_000, 1)).save(tmp_path / "line.png")
    [answer] = library.open(bundle).search_images([tmp_path / "line.png"])
    sentence = "of 60000x1 pixels would be resized to 3000000x50, over the limit of 64000000 pixels"
    assert sentence in answer.error


def test_flipped_bits_of_images(searcher, files, tmp_path):
    """2,000 flipped bits in files of all modes: an answer, or one sentence; never a crash."""
    lot, refused = np.random.default_rng(5), 0
    for turn in range(2000):
        path = files[turn % len(files)]
        raw = bytearray(path.read_bytes())
        raw[lot.integers(len(raw))] ^= 1 << lot.integers(8)
        [answer] = searcher.ask([{"image_bytes": bytes(raw), "image_size": len(raw)}])
        assert answer.hits or answer.error
        refused += answer.error is not None
        assert "\n" not in (answer.error or "")
    assert 100 < refused < 1900
