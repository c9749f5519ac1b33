"""i-CIR: each query searches the images of its own instance, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from zscr.data.collection import read_collection
from zscr.data.sources.domains.icir import convert_icir
from zscr.data.tasks import load_task
from zscr.errors import InputError
from zscr.infer.evaluation.embedded import Embedded

LISTS = {
    "query_files.csv": """icir/query/a/1.jpg,at night,a
icir/query/a/1.jpg,in snow, deep,a
icir/query/b/1.jpg,at night,b
""",
    "database_files.csv": """icir/database/a/p.jpg,at night,a
icir/database/a/q.jpg,in snow, deep,a
icir/database/shared.jpg,,a
icir/database/b/p.jpg,at night,b
icir/database/shared.jpg,none,b
""",
}
IMAGES = [
    "query/a/1.jpg",
    "query/b/1.jpg",
    "database/a/p.jpg",
    "database/a/q.jpg",
    "database/b/p.jpg",
    "database/shared.jpg",
]


def test_queries_search_their_own_instance(write, tmp_path):
    """Ranked by hand: micro is over three queries, macro over two instances."""
    convert_icir(write("icir", LISTS, IMAGES), tmp_path / "out")
    task = load_task(read_collection(tmp_path / "out"), "composed", "unseen")
    names = [name.removeprefix("icir/") for name in task.gallery]
    assert names == [
        "database/a/p.jpg",
        "database/a/q.jpg",
        "database/shared.jpg",
        "database/b/p.jpg",
        "database/shared.jpg#2",
    ]
    assert [query.text for query in task.queries] == ["at night", "in snow, deep", "at night"]
    assert task.groups == ("a", "a", "b")
    # The best item of all queries is b's p.jpg, which those of `a` must not see.
    gallery = np.eye(5, dtype=np.float32)
    scores = np.float32([[3, 2, 1, 9, 0], [3, 2, 1, 9, 0], [9, 9, 9, 2, 3]])
    queries = scores / np.linalg.norm(scores, axis=1, keepdims=True)
    report = Embedded(task, queries, gallery).report()
    trapezoid = [1.0, 0.25, 0.25]  # ranks 1, 2 and 2 of the one right item: (0 + 1/2) / 2
    assert report.metrics["mAP trapezoid"] == pytest.approx(np.mean(trapezoid), abs=1e-4)
    assert report.metrics["mAP trapezoid macro"] == pytest.approx((0.625 + 0.25) / 2, abs=1e-4)
    assert report.metrics["mAP"] == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert report.chance == pytest.approx((1 / 3 + 1 / 3 + 1 / 2) / 3)


def test_missing_images_are_counted(write, tmp_path):
    """Without q.jpg the query that asks for it has no answer; the gallery is the smaller."""
    source = write("icir", LISTS, [name for name in IMAGES if name != "database/a/q.jpg"])
    with pytest.raises(InputError, match=r"lacks 1 of the 6 images .*database/a/q\.jpg"):
        convert_icir(source, tmp_path / "out")
    convert_icir(source, tmp_path / "out", skip_missing=True)
    found = read_collection(tmp_path / "out")
    assert len(load_task(found, "composed", "unseen").queries) == 2
    assert found.manifest.body["provenance"]["queries_without_answer"] == 1


def test_lists_of_another_form_are_one_sentence(write, tmp_path):
    """Two commas are needed."""
    lists = LISTS | {"database_files.csv": "icir/database/a/p.jpg,at night\n"}
    with pytest.raises(InputError, match="line 1 is .*, not a path, a text and an instance"):
        convert_icir(write("icir", lists, IMAGES), tmp_path / "out")
