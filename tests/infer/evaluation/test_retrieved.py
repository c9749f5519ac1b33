"""The reference's result file: its form, its name, and that plain Python reads it."""

import pickle
import pickletools

import numpy as np
import pytest

from zscr.data.relevance import ByLabel
from zscr.infer.evaluation.ranking import Cosines
from zscr.infer.evaluation.report import evaluate_retrieval
from zscr.infer.evaluation.retrieved import retrieved_classes, write_retrieved

CIRCLE = np.linspace(0, np.pi / 2, 12)
GALLERY = np.stack([np.cos(CIRCLE), np.sin(CIRCLE)], axis=1).astype(np.float32)
GALLERY_CLASSES = ["3"] * 4 + ["007"] * 4 + ["tern"] * 4


def test_a_dict_a_query_of_the_classes_found():
    """Ids written like ints become ints, others stay, and a small gallery gives fewer than k."""
    retrieved = retrieved_classes(
        Cosines(GALLERY[[0, 11]], GALLERY),
        query_classes=["3", "tern"],
        gallery_classes=GALLERY_CLASSES,
    )
    assert retrieved == [
        {3: [3] * 4 + ["007"] * 4 + ["tern"] * 4},
        {"tern": ["tern"] * 4 + ["007"] * 4 + [3] * 4},
    ]


def test_file_is_named_by_the_macro_precision(tmp_path):
    """The name holds the same macro Prec@10 that an evaluation reports, to three decimals."""
    classes = ["3", "3", "tern"]
    given = {"query_classes": classes, "gallery_classes": GALLERY_CLASSES}
    queries = GALLERY[[0, 7, 11]]
    retrieved = retrieved_classes(Cosines(queries, GALLERY), k=10, **given)
    path = write_retrieved(tmp_path / "results", retrieved)
    relevance = ByLabel(classes, GALLERY_CLASSES)
    figure = evaluate_retrieval(queries, GALLERY, relevance, classes).metrics["Prec@10 macro"]
    assert path == tmp_path / "results" / f"acc{figure:.3f}.pkl"
    assert figure == pytest.approx((0.4 + 0.2) / 2 / 2 + 0.4 / 2)


def test_pickle_is_protocol_2_and_holds_plain_values_only(tmp_path):
    """Python 2 can read it, and reading it needs no import: no opcode names a module."""
    path = write_retrieved(tmp_path, [{3: [3, 3, "tern"]}, {"tern": [3, 3, "tern"]}])
    content = path.read_bytes()
    assert path.name == "acc0.500.pkl"
    assert pickle.loads(content) == [{3: [3, 3, "tern"]}, {"tern": [3, 3, "tern"]}]
    opcodes = {opcode.name: argument for opcode, argument, _ in pickletools.genops(content)}
    assert opcodes["PROTO"] == 2
    assert "GLOBAL" not in opcodes
