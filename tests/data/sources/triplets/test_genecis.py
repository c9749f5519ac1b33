"""GeneCIS: a gallery a query, boxes cut out of Visual Genome, whole images of COCO."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tests.data.sources.triplets.test_cirr import ranked
from tests.data.sources.triplets.trees import genecis
from zscr.data.collection import read_collection
from zscr.data.sources.triplets.boxes import dilated, padded
from zscr.data.sources.triplets.genecis import convert_genecis
from zscr.data.tasks import load_task, task_names
from zscr.errors import InputError
from zscr.infer.evaluation.embedded import Embedded


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("genecis")
    convert_genecis(genecis(folder / "data"), folder / "c")
    return read_collection(folder / "c")


def test_a_query_ranks_its_own_gallery(collection):
    """By hand: what is in no gallery of a query, its reference too, may stand anywhere."""
    assert task_names(collection) == ["focus_attribute", "change_object"]
    task = load_task(collection, "change_object", "unseen")
    names = [f"{n:012d}" for n in range(20, 26)]
    assert [*task.relevance.truths[0].subset] == [names[1], names[2], names[3]]
    assert (task.queries[0].text, task.queries[0].image.name) == ("ceiling", f"{names[0]}.jpg")
    assert task.gallery == (*names[1:5],)
    orders = {  # of the first query the target is second of its three, of the second the first
        "0": [names[4], names[2], names[1], names[3]],
        "1": [names[1], names[2], names[3], names[4]],
    }
    report = ranked(task, orders).report()
    assert report.figures == ("R@1", "R@2", "R@3")
    assert [report.metrics[name] for name in report.figures] == [0.5, 1, 1]
    assert report.chance == pytest.approx(1 / 3)


def test_equal_scores_do_not_favour_targets(tmp_path):
    """A model that sees no difference finds none of these: the lists name each target first."""
    root = genecis(tmp_path / "data", ["focus_object"])
    sides = [{"val_image_id": number} for number in range(20, 26)]
    rows = [
        {"reference": sides[0], "target": sides[5], "gallery": [sides[1], sides[2]]},
        {"reference": sides[0], "target": sides[4], "gallery": [sides[0], sides[3]]},
    ]
    asked = [row | {"condition": "road"} for row in rows]
    (root / "genecis/focus_object.json").write_text(json.dumps(asked))
    convert_genecis(root, tmp_path / "c")
    task = load_task(read_collection(tmp_path / "c"), "focus_object", "unseen")
    alike = np.ones((2, 1), np.float32), np.ones((len(task.gallery), 1), np.float32)
    assert Embedded(task, *alike).report().metrics["R@2"] == 0


def test_boxes_are_dilated_and_padded():
    """By hand: of 6x4 at (10, 8), 0.7 of it is added before it; the rest is black, in a square."""
    x, y = np.meshgrid(np.arange(40), np.arange(30))
    image = Image.fromarray(np.stack([x, y, np.full_like(x, 9)], 2).astype(np.uint8))
    cut = dilated(image, (10, 8, 6, 4))  # left 5.8, top 5.2, right 16, bottom 12
    assert cut.size == (10, 7)
    assert (cut.getpixel((0, 0)), cut.getpixel((9, 6))) == ((6, 5, 9), (15, 11, 9))
    square = padded(cut)
    assert square.size == (10, 10)
    assert [square.getpixel((0, row)) for row in (0, 1, 7, 8)] == [
        (0, 0, 0),  # one row above, two below
        (6, 5, 9),
        (6, 11, 9),
        (0, 0, 0),
    ]
    corner = dilated(image, (1, 1, 10, 10))  # the border stops it, and the other side grows by all
    assert (corner.size, corner.getpixel((0, 0))) == ((17, 17), (0, 0, 9))
    with pytest.raises(InputError, match="holds nothing of an image of 40x30"):
        dilated(image, (90, 8, 6, 4))


def test_boxes_are_items(collection):
    """Each once, from whichever part of Visual Genome, its pixels as they were."""
    files = sorted(path.name for path in (collection.folder / "images/boxes").iterdir())
    assert files == [f"{3 + n % 3}_{10 + n}_8_6_4.png" for n in (0, 3, 1, 4, 2)]
    task = load_task(collection, "focus_attribute", "unseen")
    assert [query.image.name for query in task.queries] == ["3_10_8_6_4.png", "4_11_8_6_4.png"]
    with Image.open(task.queries[0].image) as cut:
        assert cut.size == (10, 10)


def test_missing_images_are_counted_by_file(tmp_path):
    """One image of Visual Genome holds several boxes; what is to be fetched is that one file."""
    source = genecis(tmp_path / "source")
    (source / "VG_100K/4.jpg").unlink()
    (source / "val2017/000000000021.jpg").unlink()
    with pytest.raises(InputError, match=r"lacks 2 of the \d images .* 000000000021.jpg, 4.jpg; "):
        convert_genecis(source, tmp_path / "made")
