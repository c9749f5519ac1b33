"""ImageNet-R by Pic2Word's lists: both protocols, in every layout, with what is missing counted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from zscr.data.collection import read_collection
from zscr.data.sources.domains.imagenet_r import convert_imagenet_r
from zscr.data.tasks import load_task, task_names
from zscr.errors import InputError

# Two classes: 938 (n01) has two toys and a cartoon, 7 (n02) an origami alone; three photos.
QUERIES = """imgnet/real/n01/ILSVRC2012_val_1.JPEG 938 
imgnet/real/n01/ILSVRC2012_val_2.JPEG 938 
imgnet/real/n02/ILSVRC2012_val_3.JPEG 7 
"""
TARGETS = """imgnet/imagenet-r/n01/cartoon_2.jpg 938 
imgnet/imagenet-r/n02/origami_2.jpg 1007 
imgnet/imagenet-r/n01/toy_2.jpg 2938 
imgnet/imagenet-r/n01/toy_3.jpg 2938 
imgnet/real/n01/ILSVRC2012_val_1.JPEG 6938 
imgnet/real/n01/ILSVRC2012_val_2.JPEG 6938 
imgnet/real/n02/ILSVRC2012_val_3.JPEG 6007 
"""  # noqa: W291 - the published lines end in a space
NAMES = [line.split()[0] for line in TARGETS.splitlines()]
LISTS = {"imgnet_real_query.txt": QUERIES, "imgnet_targets.txt": TARGETS}


def graded(task):
    """Query id -> the ids that are relevant to it; no item is left out of any ranking."""
    order = np.tile(np.arange(len(task.gallery)), (len(task.queries), 1))
    grades = task.relevance.grades(slice(0, len(task.queries)), order)
    assert not np.isnan(grades).any()
    ids = np.array(task.gallery)
    return {q.id: set(ids[row > 0]) for q, row in zip(task.queries, grades, strict=True)}


def test_both_protocols_by_hand(write, tmp_path):
    """Photos by a sentence, zeros kept; all images by a word, every domain for every other one."""
    source = write("data", {f"imgnet/{name}": text for name, text in LISTS.items()}, NAMES)
    convert_imagenet_r(source, tmp_path / "out")
    found = read_collection(tmp_path / "out")
    domains = ("cartoon", "origami", "toy", "photo")
    ways = {f"{a}-to-{b}" for a in domains for b in domains if a != b}
    assert {*task_names(found)} == {*ways, "to-cartoon", "to-origami", "to-toy", "to-sculpture"}
    assert {(i.id, i.class_id, i.attributes["domain"]) for i in found.items} >= {
        ("imgnet/imagenet-r/n01/toy_3.jpg", "938", "toy"),
        ("imgnet/real/n02/ILSVRC2012_val_3.JPEG", "7", "photo"),
    }
    task = load_task(found, "to-toy", "unseen")
    assert ({q.text for q in task.queries}, task.zeros) == ({"a toy of *"}, True)
    assert task.figures[:2] == ("Recall@10", "Recall@50")
    first, second, third = (line.split()[0] for line in QUERIES.splitlines())
    toys = {"imgnet/imagenet-r/n01/toy_2.jpg", "imgnet/imagenet-r/n01/toy_3.jpg"}
    assert graded(task) == {first: toys, second: toys, third: set()}
    photos = load_task(found, "toy-to-photo", "unseen")
    assert {q.text for q in photos.queries} == {"photo"}
    assert graded(photos) == dict.fromkeys(toys, {first, second})
    assert graded(load_task(found, "photo-to-origami", "unseen"))[third] == {
        "imgnet/imagenet-r/n02/origami_2.jpg"
    }


@pytest.mark.parametrize(
    "moved",
    [
        lambda name: name,
        lambda name: name.removeprefix("imgnet/"),
        lambda name: name.replace("imgnet/", "imagenet_r/"),
        lambda name: f"imagenet_val/{name[-21:]}" if "val" in name else f"r/{name}",
    ],
)
def test_layouts_are_found(write, tmp_path, moved):
    """With `imgnet/` and without, as FreeDom has it, photos flat in one folder."""
    source = write("source", LISTS, map(moved, NAMES))
    convert_imagenet_r(source, tmp_path / "out")
    assert [item.id for item in read_collection(tmp_path / "out").items] == NAMES
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", source)
    convert_imagenet_r(Path(archive), tmp_path / "again")
    assert [item.id for item in read_collection(tmp_path / "again").items] == NAMES


def test_missing_images_are_counted(write, tmp_path):
    """Without one toy and the photo of class 7; then without both toys, too."""
    gone = {"imgnet/imagenet-r/n01/toy_2.jpg", "imgnet/real/n02/ILSVRC2012_val_3.JPEG"}
    source = write("data", LISTS, [name for name in NAMES if name not in gone])
    with pytest.raises(InputError, match=r"lacks 2 of the 7 images .*/toy_2\.jpg, imgnet/real"):
        convert_imagenet_r(source, tmp_path / "out")
    convert_imagenet_r(source, tmp_path / "out", skip_missing=True)
    skipped = (tmp_path / "out/errors.jsonl").read_text().splitlines()
    assert {json.loads(line)["source"] for line in skipped} == gone
    found = read_collection(tmp_path / "out")
    task = load_task(found, "to-toy", "unseen")
    assert (len(task.queries), task.missing) == (2, 3)
    assert "3 of its images and queries are missing" in task.protocol
    (source / "imgnet/imagenet-r/n01/toy_3.jpg").unlink()
    convert_imagenet_r(source, tmp_path / "bare", skip_missing=True)
    bare = read_collection(tmp_path / "bare")
    assert "to-toy" not in bare.tasks
    lost = bare.manifest.body["provenance"]
    assert lost["missing_images"] == 3
    # Both photos by the sentence, these and the cartoon by the word; the origami asks for a photo.
    assert lost["queries_without_answer"] == 2 + 3 + 1
    shutil.rmtree(source / "imgnet")
    with pytest.raises(InputError, match="lacks 7 of the 7"):
        convert_imagenet_r(source, tmp_path / "none", skip_missing=True)


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("imgnet_targets.txt", "a.jpg 4938 \n", "line 1 is 'a.jpg 4938', not a path and a label"),
        ("imgnet_targets.txt", "a.jpg x\n", "line 1 is 'a.jpg x'"),
        ("imgnet_targets.txt", "938\n", "line 1 is '938'"),
        ("imgnet_targets.txt", f"a.jpg {'9' * 5000}\n", "line 1 is 'a.jpg 9999"),
        ("imgnet_targets.txt", "a.jpg 1\na.jpg 2001\n", "names 1 images twice, such as a.jpg"),
        ("imgnet_targets.txt", "", "names no image"),
        ("imgnet_real_query.txt", "a.jpg 2938\n", "labels a.jpg with a domain"),
    ],
)
def test_other_lists_are_one_sentence(write, tmp_path, name, text, named):
    """A domain that there is none of, no label, no path, an image twice, nothing."""
    source = write("data", LISTS | {name: text}, NAMES)
    with pytest.raises(InputError, match=named):
        convert_imagenet_r(source, tmp_path / "out")


def test_classes_are_called_as_listed(write, tmp_path):
    """By `label_names.csv` where it lies beside the lists, else by the folder."""
    source = write("data", LISTS | {"label_names.csv": "n01,goldfish\n"}, NAMES)
    convert_imagenet_r(source, tmp_path / "out")
    names = {info.id: info.name for info in read_collection(tmp_path / "out").classes.values()}
    assert names == {"938": "goldfish", "7": "n02"}
