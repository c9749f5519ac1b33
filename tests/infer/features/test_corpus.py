"""Images alone: the same rows wherever they lie, and what a kill or a fault costs."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from zscr.artefact import dump_jsonl, file_entry, read_manifest, write_manifest
from zscr.data.check import check_collection
from zscr.data.collection import Item, new_collection, read_collection
from zscr.data.commands import info
from zscr.data.corpus import Member
from zscr.data.corpus_files import sample_images
from zscr.data.images import open_image
from zscr.data.records import Query
from zscr.data.registry import find_collection
from zscr.data.sources.uncaptioned import convert_images
from zscr.errors import CollectionError, ConfigError, InputError
from zscr.infer.encoder import Encoder, load_encoder
from zscr.infer.features import corpus as module
from zscr.infer.features.corpus import corpus_rows
from zscr.infer.features.split import load_split
from zscr.infer.runners.runner import Runtime


class Need(NamedTuple):
    table: str
    per: str = "class"


COUNT, VAL = 12, 0.25  # images; of which 0, 4 and 8 are for validation


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images in two folders, and a file that is none."""
    top = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(7)
    for number in range(COUNT):
        path = top / ("a" if number < 7 else "b") / f"{number:02d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8)).save(path)
    (top / "b" / "notes.txt").write_text("none of these captions is read")
    return top


@pytest.fixture(scope="module")
def encoder(tiny_image: Path) -> Encoder:
    return load_encoder(tiny_image, Runtime(threads=1))


@pytest.fixture(scope="module")
def rows(folder: Path, encoder: Encoder) -> np.ndarray:
    """The twelve rows as any encoder makes them of files."""
    paths = sorted(folder.glob("*/*.png"))
    return encoder.encode(Query.of("image", paths))


def shards(folder: Path, out: Path) -> str:
    """Write the images into three tar shards of four; return the pattern that names them."""
    paths = sorted(folder.glob("*/*.png"))
    for number in range(3):
        with tarfile.open(out / f"cc-{number}.tar", "w") as tar:
            for path in paths[4 * number : 4 * number + 4]:
                tar.add(path, path.name)
                tar.addfile(tarfile.TarInfo(f"{path.stem}.txt"), io.BytesIO())
    return str(out / "cc-{0..2}.tar")


def written_list(folder: Path, out: Path, name: str) -> str:
    """Write the images into a list, relative to the list's own folder, or absolute in a `.txt`."""
    paths = [str(path) for path in sorted(folder.glob("*/*.png"))]
    path = out / name
    if path.suffix == ".tsv":  # as Conceptual Captions' list
        shutil.copytree(folder, out / "below")
        short = [str(Path(one).relative_to(folder)) for one in paths]
        path.write_text("title\tfilepath\n" + "".join(f"x y\tbelow/{one}\n" for one in short))
    elif path.suffix == ".jsonl":
        path.write_bytes(dump_jsonl({"filepath": one} for one in paths))
    else:
        path.write_text("\n".join(paths))
    return str(path)


def collection_of(folder: Path, out: Path) -> str:
    """Make a collection whose seen items are the twelve, beside an unseen one."""
    path = out / "made"
    with new_collection(path, name="made", protocol="x", provenance={}) as draft:
        (draft.folder / "images").mkdir()
        for image in sorted(folder.glob("*/*.png")):
            shutil.copy(image, draft.folder / "images" / image.name)
            draft.add_item(Item(image.name, "seen", image=f"images/{image.name}"))
        Image.new("RGB", (5, 5), "red").save(draft.folder / "images/unseen.png")
        draft.add_item(Item("unseen", "unseen", image="images/unseen.png"))
    return str(path)


MAKE = {
    "folder": lambda folder, out: str(folder),
    "shards": shards,
    "folder of shards": lambda folder, out: str(Path(shards(folder, out)).parent),
    "list.txt": lambda folder, out: written_list(folder, out, "list.txt"),
    "list.tsv": lambda folder, out: written_list(folder, out, "list.tsv"),
    "list.jsonl": lambda folder, out: written_list(folder, out, "list.jsonl"),
    "collection": collection_of,
}


@pytest.mark.parametrize("kind", MAKE)
def test_rows_are_the_same_wherever_images_lie(
    tmp_path: Path, folder: Path, encoder: Encoder, rows: np.ndarray, kind: str
) -> None:
    """One in four is for validation, no pixel is copied, and they are counted and checked."""
    out = tmp_path / "out"
    convert_images(Path(MAKE[kind](folder, tmp_path)), out, val_share=VAL)
    assert {path.suffix for path in out.rglob("*") if path.is_file()} == {".json", ".jsonl"}
    made = read_collection(out)
    for split, wanted in (("val", rows[::4]), ("seen", np.delete(rows, [0, 4, 8], 0))):
        found = load_split(made, split, [Need("image", "image")], {"image": encoder})
        np.testing.assert_allclose(found["image"].rows, wanted, atol=1e-6)
    assert check_collection(out).images == COUNT
    told = CliRunner().invoke(info, [str(out)]).output.split()
    assert told[told.index("seen") :][2:4] == ["9", "9"]


def test_a_kill_costs_a_block_and_a_fault_itself(
    tmp_path: Path,
    folder: Path,
    encoder: Encoder,
    rows: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Blocks that are there are not computed again; the broken image is told by its own name."""
    monkeypatch.setattr(module, "BLOCK", 2)
    broken = tmp_path / "images"
    shutil.copytree(folder, broken)
    (broken / "a" / "03.png").write_bytes(b"no image")
    pattern = shards(broken, tmp_path)
    convert_images(Path(pattern), tmp_path / "out", val_share=VAL)
    made, store = read_collection(tmp_path / "out").corpus, tmp_path / "store"
    assert made is not None
    run, calls = encoder.run, []

    def dying(feeds: dict) -> np.ndarray:
        calls.append(len(next(iter(feeds.values()))))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return run(feeds)

    monkeypatch.setattr(encoder, "run", dying)
    with pytest.raises(KeyboardInterrupt):
        corpus_rows(made, encoder, store)
    before = sum(calls)
    found = corpus_rows(made, encoder, store)
    assert sum(calls) - before == 6  # of eleven that can be used, the first three blocks have five
    np.testing.assert_allclose(found["seen"], np.delete(rows, [0, 3, 4, 8], 0), atol=1e-6)
    told = capsys.readouterr().err
    assert "1 of 9 images of split 'seen' cannot be used and are left out, first 03.png" in told
    assert "zscr-" not in told  # no name of a folder for the time being
    done = sum(calls)
    again = corpus_rows(made, encoder, store)
    assert sum(calls) == done
    np.testing.assert_array_equal(again["val"], found["val"])
    [path] = store.rglob("000001-000000-*.npz")
    path.write_bytes(path.read_bytes()[:-20])
    corpus_rows(made, encoder, store)
    assert sum(calls) == done + 2
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("split", "most", "places"),
    [("val", 9, [0, 4, 8]), ("val", 2, [0, 4]), ("seen", 3, [1, 5, 9]), ("seen", 4, [1, 3, 6, 9])],
)
def test_samples_are_spread_over_a_split(
    tmp_path: Path, folder: Path, split: str, most: int, places: list[int]
) -> None:
    """By hand: one in four is for validation, and the rest are numbered past those."""
    convert_images(Path(shards(folder, tmp_path)), tmp_path / "out", val_share=VAL)
    corpus = read_collection(tmp_path / "out").corpus
    assert corpus is not None
    paths = sorted(folder.glob("*/*.png"))
    found = [image.tobytes() for image in sample_images(corpus, split, most)]
    assert found == [open_image(paths[place]).tobytes() for place in places]


def test_images_beside_shards_are_told(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shards come first; what lies beside them is counted, not lost without a word."""
    shards(folder, tmp_path)
    shutil.copy(folder / "a" / "00.png", tmp_path / "preview.png")
    convert_images(tmp_path, tmp_path.parent / f"{tmp_path.name}-out", val_share=VAL)
    assert "1 images beside the shards" in capsys.readouterr().err


def test_what_has_changed_is_not_taken(tmp_path: Path, folder: Path, encoder: Encoder) -> None:
    """A shard by its size and time; a file of its own likewise, and it alone."""
    pattern = shards(folder, tmp_path)
    convert_images(Path(pattern), tmp_path / "out", val_share=VAL)
    (tmp_path / "cc-1.tar").write_bytes(b"another")
    made = read_collection(tmp_path / "out")
    with pytest.raises(CollectionError, match=r"cc-1.tar has changed since it was listed"):
        load_split(made, "seen", [Need("image", "image")], {"image": encoder})
    assert any("has changed" in fault for fault in check_collection(made.folder).faults)
    with pytest.raises(CollectionError, match="holds images alone, and its texts are asked for"):
        load_split(made, "seen", [Need("text")], {"text": encoder})


@pytest.mark.parametrize(
    ("file", "field", "value", "told"),
    [
        ("parts.jsonl", "images", 1 << 39, r"no list corpus/000000.jsonl of 549755813888 images"),
        ("parts.jsonl", "members", "../x.jsonl", "no list"),
        ("parts.jsonl", "kind", "link", "is no part"),
        ("000000.jsonl", "bytes", 1 << 40, "is no image"),
        ("000000.jsonl", "name", "../../etc/x.png", "is no image .*climbs up"),
    ],
)
def test_lists_that_lie_are_refused(
    tmp_path: Path, folder: Path, file: str, field: str, value: object, told: str
) -> None:
    """A stranger's numbers decide of no memory, and its names lead to no file elsewhere."""
    convert_images(folder, tmp_path / "out", val_share=VAL)
    path = tmp_path / "out" / "corpus" / file
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(dump_jsonl([{**json.loads(first), field: value}]) + b"".join(rest))
    manifest = read_manifest(tmp_path / "out", "collection")
    files = {**manifest.files, f"corpus/{file}": file_entry(path)}
    write_manifest(tmp_path / "out", "collection", files, manifest.body)
    with pytest.raises(CollectionError, match=told):
        first_members(tmp_path / "out")


def first_members(path: Path) -> list[Member]:
    corpus = read_collection(path).corpus
    assert corpus is not None
    return corpus.members(corpus.parts[0])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({}, "holds 0 images that can be used"),
        ({"1.png": None, "2.png": None}, "holds 2 images .* 1 of them to train on"),
        ({"x.txt": "none.png\nhttp://a/b.png\n"}, "holds 0 images .* cannot be read"),
        ({"x.tsv": "file\ttitle\na.png\tb\n"}, "no column 'filepath'"),
        ({"x.rar": "?"}, "is no source of images"),
    ],
)
def test_too_few_or_no_source(tmp_path: Path, content: dict, told: str) -> None:
    """Each in one sentence, and nothing is left behind."""
    for name, text in content.items():
        if text is None:
            Image.new("RGB", (4, 4)).save(tmp_path / name)
        else:
            (tmp_path / name).write_text(text)
    alone = [""] if None in content.values() or not content else [*content]
    with pytest.raises(InputError, match=told):
        convert_images(tmp_path / alone[0], tmp_path.parent / f"{tmp_path.name}-out")
    assert not (tmp_path.parent / f"{tmp_path.name}-out").exists()
    with pytest.raises(ConfigError, match="--val 0.7"):
        convert_images(tmp_path, tmp_path / "out", val_share=0.7)


def test_a_source_is_a_collection_by_its_path(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards, a list and a folder of images alone, converted once; what has changed is refused."""
    monkeypatch.chdir(tmp_path)
    pattern = shards(folder, tmp_path)
    made = find_collection(pattern)
    assert made == Path("collections/cc")
    assert read_collection(made).corpus.images == COUNT
    assert find_collection(pattern) == made
    assert find_collection(written_list(folder, tmp_path, "some.txt")) == Path("collections/some")
    assert find_collection(str(folder / "a")) == Path("collections/a")
    with tarfile.open(tmp_path / "cc-1.tar", "a") as tar:
        tar.add(folder / "a" / "00.png", "again.png")
    with pytest.raises(ConfigError, match="was made of .* and not of"):
        find_collection(pattern)
