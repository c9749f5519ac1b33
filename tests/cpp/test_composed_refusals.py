"""Compositions and their files that do not fit: one sentence, and other queries are answered."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'cpu'")

from tests.cpp.composed_answers import given
from tests.cpp.composed_fixtures import bundle as bundle
from tests.cpp.composed_fixtures import copy as copy
from tests.cpp.composed_fixtures import photos as photos
from tests.cpp.composed_fixtures import plain as plain
from tests.cpp.composed_fixtures import small as small
from zscr.data.records import Query

ARTEFACT = 1


def changed(bundle: Path, name: str, **entry: Any) -> None:
    """Change the entry of a composition; None takes a field away."""
    from test_refusals import signed

    compositions = json.loads((bundle / "manifest.json").read_bytes())["compositions"]
    whole = compositions[name] | entry
    compositions[name] = {key: value for key, value in whole.items() if value is not None}
    signed(bundle / "manifest.json", compositions=compositions)


IMAGE = {"field": "image", "graph": "gallery"}


MISFITS = {
    "'corner' names no graph: 'no'; make the bundle anew": {"graph": "no", "channels": None},
    "'corner' has not just one of a graph and channels": {"graph": "composed"},
    "the fusion harris takes 2 channels, not 1;": {"channels": [IMAGE]},
    "'corner' has two channels of one field": {"channels": [IMAGE, IMAGE]},
    "a channel of text by 'gallery', which does not take it alone": {
        "channels": [IMAGE, {"field": "text", "graph": "gallery"}]
    },
    "has a template without a place for the text, 'a b'": {
        "channels": [IMAGE, {"field": "text", "graph": "text", "template": "a b"}]
    },
    "'corner' has neither the least that texts score nor samples": {
        "channels": [
            IMAGE | {"centred": True},
            {"field": "text", "graph": "text", "centred": True},
        ]
    },
    "manifest.json does not list none.npy": {"gallery_mean": "none.npy"},
    "moments.npy holds <f4 of shape (41, 40), not finite float32 of (40)": {
        "gallery_mean": "moments.npy"
    },
    "mean.npy holds <f4 of shape (40), not finite float32 of (any, 40)": {
        "fusion": {"kind": "cdf", "value": 0.5},
        "moments": "mean.npy",
    },
    "samples.npy holds 56 rows, not a mean and a covariance of 40": {
        "fusion": {"kind": "cdf", "value": 0.5},
        "moments": "samples.npy",
    },
}


@pytest.mark.parametrize("sentence", MISFITS, ids=range(len(MISFITS)))
def test_what_does_not_fit(sentence: str, copy: Path, library: Any, photos: list[Path]) -> None:
    """A composition that its graphs or files do not bear out; texts are answered all the same."""
    from test_refusals import refused

    changed(copy, "corner", **MISFITS[sentence])
    searcher = library.open(copy)
    query = Query("1", text="red", image=photos[0], compose="corner")
    code, message = refused(lambda: searcher.ask([given(query)]))
    assert code == ARTEFACT
    assert sentence in message
    assert searcher.search(["red"])[0].hits


def _header(shape: str, kind: str = "<f4", order: str = "False") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\0" + (118).to_bytes(2, "little") + f"{text:<117}\n".encode()


ROW = np.full(40, 0.1, np.float32).tobytes()


ARRAYS = {
    "a header": (b"\x93NUMPY\x01\0\xff\xff" + ROW, "is no .npy file of numbers"),
    "nothing": (b"", "is no .npy file of numbers"),
    "another order": (_header("(40,)", order="True") + ROW, "is no .npy file of numbers"),
    "too few numbers": (_header("(40,)") + ROW[:-4], "holds <f4 of shape (40), not finite"),
    "too many": (_header("(40,)") + ROW + b"\0", "holds <f4 of shape (40), not finite"),
    "a shape that is none": (_header("(-40,)") + ROW, "is no .npy file of numbers"),
    "a huge shape": (_header("(999999999999, 999999999999)") + ROW, "not finite float32 of (40)"),
    "another shape": (_header("(20, 2)") + ROW, "holds <f4 of shape (20, 2), not finite"),
    "doubles": (_header("(20,)", "<f8") + ROW, "holds <f8 of shape (20), not finite"),
    "no number": (_header("(40,)") + ROW[:-4] + b"\0\0\xc0\x7f", "not finite float32 of (40)"),
}


@pytest.mark.parametrize("what", ARRAYS)
def test_arrays_of_strangers(what: str, copy: Path, library: Any, photos: list[Path]) -> None:
    """A file that is as its manifest says and yet no such array: one sentence, no crash."""
    from test_refusals import refused, signed

    from zscr.artefact import hash_file

    content, sentence = ARRAYS[what]
    (copy / "centre.npy").write_bytes(content)
    files = json.loads((copy / "manifest.json").read_bytes())["files"]
    files["centre.npy"] = {"sha256": hash_file(copy / "centre.npy"), "bytes": len(content)}
    signed(copy / "manifest.json", files=files)
    searcher, query = library.open(copy), Query("1", text="red", image=photos[0], compose="corner")
    code, message = refused(lambda: searcher.ask([given(query)]))
    assert code == ARTEFACT
    assert sentence in message
    assert searcher.ask([given(replace(query, compose="average"))])[0].hits


def test_a_file_that_is_damaged(copy: Path, library: Any, photos: list[Path]) -> None:
    """One bit of an array: no composition that needs it answers, and the others do."""
    from test_refusals import refused

    path = copy / "centre.npy"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    searcher = library.open(copy)
    both = given(Query("1", text="red", image=photos[0]))
    code, message = refused(lambda: searcher.ask([both | {"compose": b"corner"}]))
    assert code == ARTEFACT
    assert "centre.npy is damaged: its sha256" in message
    assert searcher.ask([both | {"compose": b"basic"}])[0].hits


def test_no_such_field(copy: Path, library: Any) -> None:
    """What no composition may be is refused when the bundle is opened, as in Python."""
    from test_refusals import refused

    for sentence, entry in {
        "corner.fusion.value is 0.3, not a number": {"fusion": {"kind": "harris", "value": 0.3}},
        "corner.fusion.kind is 'x', not one of": {"fusion": {"kind": "x"}},
        "corner.moments is '../a.npy', not a file": {"moments": "../a.npy"},
        "corner.expansion.images is 0, not": {"expansion": {"images": 0, "sharpness": 1}},
    }.items():
        shutil.copyfile(copy / "manifest.json", copy / "kept")
        changed(copy, "corner", **entry)
        code, message = refused(lambda: library.open(copy))
        assert code == ARTEFACT
        assert sentence in message
        shutil.copyfile(copy / "kept", copy / "manifest.json")
