"""COCO's object composition: masks by hand, the draw, the released table, and its quirks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.data.sources.triplets.test_cirr import ranked
from tests.data.sources.triplets.trees import coco
from zscr.data.collection import read_collection
from zscr.data.relevance import ByItem
from zscr.data.sources.triplets.coco import REGION, convert_coco, region
from zscr.data.sources.triplets.masks import mask_of, of_polygon, unpacked
from zscr.data.sources.triplets.objects import Instance, draw
from zscr.data.tasks import load_task
from zscr.errors import InputError
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.generalised import evaluate
from zscr.infer.evaluation.reversal import reversed_figures

CORNERS = st.lists(
    st.tuples(st.floats(-3, 15, width=32), st.floats(-3, 15, width=32)), min_size=3, max_size=7
)


def inside(x: float, y: float, corners: list[tuple[float, float]]) -> bool:
    """Count the edges that a ray from a point to the left crosses."""
    odd = False
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (y1 <= y) != (y2 <= y) and x >= x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            odd = not odd
    return odd


@given(CORNERS)
def test_polygons_against_a_ray_from_each_pixel(corners):
    """Every pixel by itself, polygons that cross themselves and leave the image among them."""
    mask = of_polygon([side for corner in corners for side in corner], 9, 11)
    slow = [[inside(x + 0.5, y + 0.5, corners) for x in range(11)] for y in range(9)]
    assert (mask == slow).all()


def test_run_lengths_plain_and_packed():
    """By hand: columns first; packed, 5 bits a character, and from the third on differences."""
    mask = mask_of({"size": [3, 4], "counts": [2, 3, 1, 2, 4]}, 3, 4)
    assert mask.astype(int).tolist() == [[0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 0]]
    # 2, 3, 1, 2 - 3 = -1, 4 - 1 = 3, each below 16 in one character: 48 + 2 and so on, -1 is 31.
    assert unpacked("231O3") == [2, 3, 1, 2, 4]
    assert unpacked("P1") == [32]  # two characters, the first says that one more follows
    for broken in ({"size": [3, 4], "counts": [2, 3]}, {"size": [4, 3], "counts": [12]}):
        with pytest.raises(InputError, match="run lengths add up to"):
            mask_of(broken, 3, 4)
    with pytest.raises(InputError, match="end within a number"):
        unpacked("2P")
    with pytest.raises(InputError, match="segmentation"):
        mask_of([[1.0, 2.0]], 3, 4)


def test_a_region_is_masked_cut_and_squeezed(tmp_path):
    """By hand: the triangle's corner keeps the image's colour, what is beyond its edge is white."""
    convert_coco(coco(tmp_path / "coco"), tmp_path / "c")
    collection = read_collection(tmp_path / "c")
    task = load_task(collection, "composition", "unseen")
    assert task.gallery == ("000000000001", "000000000002")  # image 3 has nothing to ask with
    assert [query.text for query in task.queries] == [
        "a photo of * and cat and dog",
        "a photo of * and cup and",  # as released: no other class is an empty one
    ]
    with Image.open(task.queries[0].image) as cut:
        assert cut.size == (REGION, REGION)
        red = np.asarray(cut)[:, :, 0].astype(int)
    assert abs(red[10, 10] - 40) < 3
    assert red[-10, -10] > 250
    assert task.figures[-2:] == ("mean rank", "median rank")
    orders = {name: [*task.gallery] for name in task.gallery}
    report = ranked(task, orders).report()
    assert (report.metrics["R@1"], report.metrics["R@5"]) == (0.5, 1)
    assert [report.metrics[f"{kind} rank"] for kind in ("mean", "median")] == [1.5, 1]
    assert "median rank" not in report.intervals


def test_both_directions_by_hand(tmp_path):
    """Of two queries the first finds its image second; of two images the second its query."""
    convert_coco(coco(tmp_path / "coco"), tmp_path / "c")
    task = load_task(read_collection(tmp_path / "c"), "composition", "unseen")
    queries = np.array([[0.6, 0.8], [0.0, 1.0]], np.float32)  # of both the second image is first
    embedded = Embedded(task, queries, np.eye(2, dtype=np.float32))
    assert embedded.report().metrics["R@1"] == 0.5
    found = evaluate(embedded).to_json()["reversed"]  # image 1 finds query 1, image 2 query 2
    assert (found["R@1"], found["mean rank"], found["median rank"]) == (1, 1, 1)
    turned = Embedded(task, queries[::-1].copy(), np.eye(2, dtype=np.float32))
    assert evaluate(turned).to_json()["reversed"]["mean rank"] == 2
    lone = replace(task, gallery=(*task.gallery, "x"), relevance=ByItem(task.relevance.truths, "x"))
    rows = np.eye(3, 2, dtype=np.float32) + np.eye(3, 2, -2, dtype=np.float32)
    assert reversed_figures(Embedded(lone, queries, rows)) is None


def test_the_released_table_decides(tmp_path):
    """Its object is asked with, the whole dog, and its classes; an empty column is no `nan`."""
    root = coco(tmp_path / "coco")
    head = "id,query_regions,query_class,classes\n"
    rows = "000000000001.jpg,0.0;0.0;12.0;10.0 ,dog,cat\n000000000002.jpg,3.0;1.0;5.0;3.0 ,cup,\n"
    (root / "coco_eval.csv").write_text(head + rows)
    convert_coco(root, tmp_path / "c")
    collection = read_collection(tmp_path / "c")
    task = load_task(collection, "composition", "unseen")
    assert [query.text for query in task.queries] == [
        "a photo of * and dog and cat",
        "a photo of * and cup and",
    ]
    assert "coco_eval.csv" in task.protocol
    with Image.open(task.queries[0].image) as cut:
        assert np.ptp(np.asarray(cut)[:, :, 0]) < 5  # nothing of it is white
    (root / "coco_eval.csv").write_text(head + rows.replace("0.0;0.0;12.0", "1.0;0.0;12.0"))
    with pytest.raises(InputError, match="coco_eval.csv names a box of 000000000001.jpg that"):
        convert_coco(root, tmp_path / "d")
    (root / "coco_eval.csv").write_text(head + "000000000001.jpg,0.0;0.0;x;1,dog,cat\n")
    with pytest.raises(InputError, match="row 2 has no region"):
        convert_coco(root, tmp_path / "d")


def test_the_draw_is_by_image_and_seed():
    """Another image's objects change nothing; the lower bound is .05 pixels, not a share."""
    point, tiny = Instance("dot", (0, 0, 0.2, 0.2)), Instance("fly", (0, 0, 0.5, 0.5))
    half, cat = Instance("sky", (0, 0, 10, 5)), Instance("cat", (1, 1, 4, 4))
    objects = {"a": [point, tiny, half, cat], "b": [cat, cat]}
    seeds = {seed: next(draw(objects, {"a": 100, "b": 100}, seed)) for seed in range(20)}
    assert {one.instance.name for one in seeds.values()} == {"fly", "cat"}
    assert all(next(draw({"a": objects["a"]}, {"a": 100}, s)) == one for s, one in seeds.items())
    others = tuple(name for name in ("dot", "fly", "sky", "cat") if name != seeds[0].instance.name)
    assert seeds[0].others == others


def test_a_box_thinner_than_a_pixel_is_one_wide():
    """The lower bound lets it pass, and an empty cut has no size."""
    cut = region(Image.new("RGB", (8, 8), "red"), Instance("fly", (2.1, 3.0, 2.4, 3.9)))
    assert cut.getpixel((0, 0)) == (255, 0, 0)
