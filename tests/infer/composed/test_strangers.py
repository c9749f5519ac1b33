"""Bundles whose compositions lie: each is one sentence, and no traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zscr.artefact import read_manifest, staged
from zscr.data.records import Query
from zscr.errors import ArtefactError
from zscr.infer.bundle import Bundle
from zscr.infer.composed.composer import Composer
from zscr.infer.index.index import Index
from zscr.infer.runners.runner import Runtime


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("projection.npy", np.zeros((3, 2), np.float32), "not finite float32 of \\(8, any\\)"),
        ("text_mean.npy", np.full(8, np.nan, np.float32), "not finite float32 of \\(8\\)"),
        ("text_mean.npy", np.zeros(8), "float64 of shape"),
        ("context.txt", b"\xff\xfe", "not UTF-8"),
        ("context.txt", b"\n\n", "holds 0 words"),
        ("samples.npy", b"no array", "is no .npy file"),
        ("samples.npy", None, "lacks samples.npy"),
    ],
)
def test_a_strangers_bundle_is_checked(
    folder: Path, tmp_path: Path, many: Index, queries: Any, file: str, content: Any, said: str
) -> None:
    """Each file of a composition, when it is first used; what needs none of it goes on."""
    body = read_manifest(folder, "bundle").body
    with staged(tmp_path / "bad", "bundle") as stage:
        for path in folder.iterdir():
            if path.name != "manifest.json":
                shutil.copyfile(path, stage.folder / path.name)
        if isinstance(content, np.ndarray):
            np.save(stage.folder / file, content)
        elif content is not None:
            (stage.folder / file).write_bytes(content)
        stage.body |= json.loads(json.dumps(body))
    if content is None:
        (tmp_path / "bad" / file).unlink()
    bundle = Bundle.open(tmp_path / "bad", Runtime(threads=1))
    composer = Composer(bundle)
    with pytest.raises(ArtefactError, match=said):
        composer.answer(many, queries, bundle.compositions["basic"], 3)
    assert composer.answer(many, queries, bundle.compositions["arithmetic"], 3)[0].matches


IMAGE, TEXT = {"field": "image", "graph": "gallery"}, {"field": "text", "graph": "query"}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"graph": "gallery", "channels": [IMAGE, TEXT]}, "just one of a graph and channels"),
        ({}, "just one of a graph and channels"),
        ({"graph": "none"}, "names no graph: 'none'"),
        ({"channels": [IMAGE, {**TEXT, "graph": "gallery"}]}, "text by 'gallery', which does not"),
        ({"channels": [IMAGE, {**TEXT, "graph": "none"}]}, "text by 'none', which does not"),
        ({"channels": [TEXT, TEXT]}, "two channels of one field"),
        ({"channels": [IMAGE, {**TEXT, "template": "a"}]}, "without a place for the text"),
        ({"channels": [TEXT], "fusion": {"kind": "cdf", "value": 0.5}}, "takes 2 channels, not 1"),
        (
            {"channels": [TEXT, IMAGE], "vocabulary": {"words": "a", "vectors": "b"}},
            "not of an image and then a text",
        ),
    ],
)
def test_a_composition_that_its_bundle_does_not_bear_out(
    folder: Path, tmp_path: Path, entry: dict[str, Any], said: str
) -> None:
    """One sentence, before anything is embedded."""
    body = read_manifest(folder, "bundle").body
    with staged(tmp_path / "bad", "bundle") as stage:
        for name in ("query.onnx", "gallery.onnx", "examples.jsonl"):
            shutil.copyfile(folder / name, stage.folder / name)
        stage.body |= {**body, "compositions": {"bad": {"about": "", **entry}}}
    with pytest.raises(ArtefactError, match=said):
        _ = Bundle.open(tmp_path / "bad").composed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fusion": {"kind": "harris", "value": 0.3}}, "value is 0.3, not a number from"),
        ({"fusion": {"kind": "max"}}, "kind is 'max', not one of sum"),
        ({"fusion": {"kind": "weights", "weights": []}}, "weights is"),
        ({"expansion": {"images": 0, "sharpness": 0.1}}, "images is 0"),
        ({"gallery_mean": "../mean.npy"}, "lies in another folder"),
        ({"channels": [{**TEXT, "field": "vector"}]}, "field is 'vector'"),
    ],
)
def test_an_entry_of_another_form_is_refused(
    folder: Path, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    """When the bundle is opened."""
    body = read_manifest(folder, "bundle").body
    entry = {"about": "", "channels": [IMAGE, TEXT], **change}
    with staged(tmp_path / "bad", "bundle") as stage:
        for name in ("query.onnx", "gallery.onnx", "examples.jsonl"):
            shutil.copyfile(folder / name, stage.folder / name)
        stage.body |= {**body, "compositions": {"bad": entry}}
    with pytest.raises(ArtefactError, match=said):
        Bundle.open(tmp_path / "bad")


def test_a_file_that_the_manifest_does_not_list_is_not_read(
    folder: Path, tmp_path: Path, many: Index, queries: list[Query]
) -> None:
    """A bundle's files are those with a hash."""
    body = read_manifest(folder, "bundle").body
    text = {**TEXT, "replaces": True, "instead": "elsewhere.npy"}
    with staged(tmp_path / "bad", "bundle") as stage:
        for name in ("query.onnx", "gallery.onnx", "examples.jsonl"):
            shutil.copyfile(folder / name, stage.folder / name)
        entry = {"about": "", "channels": [IMAGE, text]}
        stage.body |= {**body, "compositions": {"bad": entry}}
    np.save(tmp_path / "bad" / "elsewhere.npy", np.ones(8, np.float32))
    bundle = Bundle.open(tmp_path / "bad", Runtime(threads=1))
    with pytest.raises(ArtefactError, match="elsewhere.npy"):
        Composer(bundle).answer(many, queries, bundle.compositions["bad"], 3)
