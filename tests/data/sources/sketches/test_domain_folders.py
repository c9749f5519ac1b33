"""Folders of domains, of which one asks and others are searched."""

from __future__ import annotations

import os
import shutil

import pytest
from click.testing import CliRunner
from PIL import Image

from zscr.data.collection import read_collection
from zscr.data.commands import data
from zscr.data.sources.sketches.domain_folders import convert_domains
from zscr.data.tasks import load_task
from zscr.errors import ConfigError, InputError


@pytest.fixture
def pacs(tmp_path):
    """Write five classes of two images in each of PACS's domains."""
    for number, domain in enumerate(("photo", "art_painting", "cartoon", "sketch")):
        for name in ("dog", "elephant", "guitar", "horse", "house"):
            folder = tmp_path / f"PACS/kfold/{domain}/{name}"
            folder.mkdir(parents=True)
            for i in range(2):
                Image.new("RGB", (4, 4), (number, i, len(name))).save(folder / f"{i}.png")
    return tmp_path / "PACS"


def test_sketches_ask_for_photos(pacs, tmp_path):
    """By default; other domains are not looked at, and lists of classes replace the choice."""
    (pacs / "kfold/unseen.txt").write_text("horse\ndog\n", "utf-8-sig")  # as of Windows
    for name in ("photo", "sketch"):  # as in ZIPs of macOS
        (pacs / "__MACOSX/kfold" / name).mkdir(parents=True)
    done = CliRunner().invoke(data, ["convert", "domains", str(pacs), "--out", f"{tmp_path}/out"])
    assert done.exit_code == 0, done.output
    found = read_collection(tmp_path / "out")
    assert {*found.splits["unseen"]} == {"dog", "horse"}
    assert [len(found.splits[name]) for name in ("seen", "val")] == [2, 1]
    task = load_task(found, "sketch", "unseen")
    assert [query.id for query in task.queries] == [
        *("sketch/dog/0.png", "sketch/dog/1.png", "sketch/horse/0.png", "sketch/horse/1.png")
    ]
    assert {name.split("/")[0] for name in task.gallery} == {"photo"}
    assert len(found.items) == 20
    assert found.protocol == "each sketch asks for its class among photo"


def test_any_domain_asks_for_any_others(pacs, tmp_path):
    """Cartoons ask for paintings and photos together."""
    gallery = ("art_painting", "photo")
    convert_domains(pacs, tmp_path / "out", asking="cartoon", gallery=gallery, unseen=2)
    task = load_task(read_collection(tmp_path / "out"), "sketch", "unseen")
    assert (len(task.queries), len(task.gallery)) == (4, 8)
    assert {name.split("/")[0] for name in task.gallery} == {*gallery}
    assert {query.sketch.parts[-3] for query in task.queries} == {"cartoon"}


def test_what_cannot_be_used_is_listed(pacs, tmp_path):
    """A name that is no UTF-8, and an image that breaks off; the others stay."""
    folder = pacs / "kfold/photo/dog"
    shutil.copy(folder / "0.png", os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))
    (folder / "1.png").write_bytes(b"\x89PNG cut off")
    convert_domains(pacs, tmp_path / "out")
    found = read_collection(tmp_path / "out")
    assert found.counts["dog"] == 3
    errors = (tmp_path / "out/errors.jsonl").read_text()
    assert "caf\\\\xe9.png" in errors
    assert "photo/dog/1.png" in errors


def test_a_class_that_is_left_out_is_named(pacs, tmp_path, capsys):
    """All its sketches are damaged; a name that is decomposed on one side is the same class."""
    for path in (pacs / "kfold/sketch/dog").iterdir():
        path.write_bytes(b"\x89PNG cut off")
    (pacs / "kfold/sketch/horse").rename(pacs / "kfold/sketch/Pfe\u0301rd")
    (pacs / "kfold/photo/horse").rename(pacs / "kfold/photo/Pf\u00e9rd")
    convert_domains(pacs, tmp_path / "out")
    assert (
        "1 classes have no photo or no sketch that can be used, and are" in capsys.readouterr().err
    )
    assert {*read_collection(tmp_path / "out").classes} == {
        *("elephant", "guitar", "house", "Pf\u00e9rd")
    }


def test_what_cannot_ask_is_one_sentence(pacs, tmp_path):
    """A class without sketches, a domain that is not there or on both sides, too few classes."""
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="domain 'photo' cannot ask for the domains photo"):
        convert_domains(pacs, out, asking="photo")
    for wrong in ("", "..", "../kfold/photo"):
        with pytest.raises(ConfigError, match="is no name of a folder"):
            convert_domains(pacs, out, gallery=[wrong])
    with pytest.raises(InputError, match="lies inside"):
        convert_domains(pacs, pacs / "kfold/photo/dog/out")
    with pytest.raises(InputError, match="folders clipart and photo side by side in 0 folders"):
        convert_domains(pacs, out, asking="clipart")
    (pacs / "kfold/sketch/lost.png").write_bytes(b"")
    with pytest.raises(InputError, match="lies in no folder of a class"):
        convert_domains(pacs, out)
    (pacs / "kfold/sketch/lost.png").unlink()
    shutil.rmtree(pacs / "kfold/sketch/horse")
    with pytest.raises(InputError, match="PACS has the class 'horse' without any sketch"):
        convert_domains(pacs, out)
    for name in ("horse", "house", "dog"):
        shutil.rmtree(pacs / f"kfold/photo/{name}")
        shutil.rmtree(pacs / f"kfold/sketch/{name}", ignore_errors=True)
    with pytest.raises(InputError, match="has 2 classes in these domains"):
        convert_domains(pacs, out)
    assert not out.exists()
