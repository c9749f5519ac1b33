"""Sentences in which an image stands for a word: Python's rows, notes and refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'cpu'")

from tests.cpp.composed_answers import asked, given, told, worst
from tests.cpp.composed_fixtures import bundle as bundle
from tests.cpp.composed_fixtures import copy as copy
from tests.cpp.composed_fixtures import photos as photos
from tests.cpp.composed_fixtures import plain as plain
from tests.cpp.composed_fixtures import small as small
from zscr.data.records import Query
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("clip", {}),
        ("clip", {"pad_to": 14, "names": ["ids", "mask", "slot"]}),
        ("bert", {"template": "{} as a * , seen from above", "words": 3}),
        ("left", {"max_length": 20}),
        ("own", {"max_length": 24}),  # to which a space is a part of a word
    ],
    ids=["clip", "padded", "bert", "left", "own"],
)
def test_sentences(
    kind: str, more: dict[str, Any], library: Any, photos: list[Path], tmp_path: Path
) -> None:
    """Captions, sentences with a place, too long ones: the graph's own rows, notes and refusals.

    Its row counts every id, and the image by its place.
    """
    from bundles import DIM, captions, make_bundle, make_index
    from composed_bundles import with_compositions

    if kind == "own":
        pytest.importorskip("torch", reason="needs the extra 'train'")
    plain = make_bundle(tmp_path / "plain", "clip" if kind == "left" else kind)
    if kind == "left":  # padded and cut at the left
        _turned_left(plain)
    bundle = with_compositions(tmp_path / "b", plain, **more)
    make_index(tmp_path / "b.index", bundle, 40)
    ours, theirs = library.open(bundle), Searcher.open(bundle, runtime=Runtime(threads=1))
    lot, texts = np.random.default_rng(8), captions(150, seed=9)
    for text in captions(150, seed=10):
        words = text.split()
        words.insert(lot.integers(len(words) + 1), "*")
        texts.append(" ".join(words))
    texts += ["*", "* ", " *\u2003b", "a* b", "* *", "a *, b", "'*\"*", "\u00fc*\U0001f415\n\x01",
              "cafe\u0301 * nai\u0308ve \U0001f415 \u5c0f", "\u5c0f * \u200b", "zzz\U0001f415 * qq",
              "a" * 90 + " *b", "...", "\u200b", " "]  # fmt: skip
    pairs = []
    for start in range(0, len(texts), 16):
        queries = [
            Query(str(start + n), text=text, image=photos[n], compose="pic2word")
            for n, text in enumerate(texts[start : start + 16])
        ]
        pairs += asked((ours, theirs), queries)
    mine, wanted = told(pairs)
    for text, a, b in zip(texts, mine, wanted, strict=True):
        assert a == b, text
    assert worst(pairs) == 0
    sentences = " ".join(str(b.error) for _, b in pairs)
    for refusal in (
        "2 places",
        "touches another",
        "an empty text",
        "that the model's text encoder",
    ):
        assert refusal in sentences
    assert 20 < sum("truncated" in str(b.notes) for _, b in pairs) < 290
    query = Query("1", text="a * of red", image=photos[0])
    [row] = theirs.bundle.graph("composed").encode([query])
    assert np.array_equal(np.array(ours.embed(DIM, **given(query)), np.float32), row)


def test_sentences_that_leave_no_room(library: Any, copy: Path, photos: list[Path]) -> None:
    """Of each limit of tokens: what is cut, and when the sentence itself is too long."""
    from test_refusals import signed

    texts = ("red", "red blue cats", "a small * in", "two dogs run *", "* " + "red " * 9, "9 " * 9)
    queries = [Query(text, text=text, image=photos[0], compose="pic2word") for text in texts]
    refused = []
    for limit in range(5, 15):
        graphs = json.loads((copy / "manifest.json").read_bytes())["graphs"]
        graphs["composed"]["inputs"][1]["max_length"] = limit
        signed(copy / "manifest.json", graphs=graphs)
        pairs = asked((library.open(copy), Searcher.open(copy, None, Runtime(threads=1))), queries)
        ours, theirs = told(pairs)
        assert ours == theirs, limit
        assert worst(pairs) == 0
        refused.append([one.error is not None for one, _ in pairs])
    assert refused[0][:2] == [True, True]
    assert not any(refused[-1])
    assert len({tuple(one) for one in refused}) > 2


def _turned_left(bundle: Path) -> None:
    """Let a bundle's tokenizer pad and cut at the left, and pad with another number."""
    from test_refusals import signed

    from zscr.artefact import hash_file

    path = bundle / "tokenizer.json"
    content = json.loads(path.read_bytes())
    content["truncation"] = {"direction": "Left", "max_length": 9, "strategy": "LongestFirst"}
    content["truncation"] |= {"stride": 0}
    content["padding"] = {"strategy": "BatchLongest", "direction": "Left", "pad_id": 5}
    content["padding"] |= {"pad_to_multiple_of": None, "pad_type_id": 0, "pad_token": "x"}
    path.write_text(json.dumps(content))
    files = json.loads((bundle / "manifest.json").read_bytes())["files"]
    files["tokenizer.json"] = {"sha256": hash_file(path), "bytes": path.stat().st_size}
    signed(bundle / "manifest.json", files=files)
