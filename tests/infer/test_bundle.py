"""Bundles: every byte checked, each file when its side is used, damage told in one sentence."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from zscr.errors import ArtefactError
from zscr.infer.bundle import Bundle

FILES = {
    "query": ("query.onnx", "tokenizer.json"),
    "gallery": ("gallery.onnx",),
    "examples": ("examples.jsonl",),
    "name": ("manifest.json",),  # read when the bundle is opened
}


@pytest.fixture
def own(deployed, tmp_path):
    """A copy that may be changed."""
    return shutil.copytree(deployed.bundle, tmp_path / "own")


def test_every_file_of_a_bundle_is_tried(own):
    """The table above lacks none."""
    assert {path.name for path in own.iterdir()} == {n for names in FILES.values() for n in names}


@pytest.mark.parametrize(
    ("side", "name"), [(s, name) for s, names in FILES.items() for name in names]
)
def test_one_flipped_byte_is_one_sentence(own, side, name):
    """When the file is used; the rest of the bundle is as good as before."""
    sound = (own / name).read_bytes()
    for place in np.linspace(0, len(sound) - 1, 40).astype(int):
        damaged = bytearray(sound)
        damaged[place] ^= 1
        (own / name).write_bytes(damaged)
        with pytest.raises(ArtefactError) as refused:
            getattr(Bundle.open(own), side)
        assert "\n" not in str(refused.value)
    if side != "name":
        assert all(getattr(Bundle.open(own), other) for other in FILES if other != side)


def test_latest_is_the_bundle_itself(deployed):
    """Its index is found beside the folder that the link points to."""
    bundle = Bundle.open(deployed.folder / "bundles/latest")
    assert bundle.folder == deployed.bundle.resolve()
    assert bundle.index_folder == deployed.index.resolve()
    assert bundle.dim == bundle.query.dim == bundle.gallery.dim == 16


def test_both_sides_give_unit_vectors(deployed, shapes):
    """So that a dot product is their cosine."""
    bundle = Bundle.open(deployed.bundle)
    queries = bundle.query.encode(["a red circle", "", "unknown words"])
    gallery = bundle.gallery.encode(sorted(shapes.glob("red-*.png")))
    for vectors in (queries, gallery):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_examples_name_the_unseen_classes(deployed):
    """They mark answers, so they must not be about classes that were trained on."""
    examples = Bundle.open(deployed.bundle).examples
    assert examples["small white circle"] == "white-circle"
    assert set(examples.values()) == {"white-circle", "white-square"}


def test_what_is_no_bundle_is_refused(deployed, tmp_path):
    """An absent one with the command that makes one; another artefact by its kind."""
    with pytest.raises(ArtefactError, match=r"no bundle .*nowhere; run 'zscr export'"):
        Bundle.open(tmp_path / "nowhere")
    (tmp_path / "latest").symlink_to(tmp_path / "removed")
    with pytest.raises(ArtefactError, match=r"no bundle .*latest; run 'zscr export'"):
        Bundle.open(tmp_path / "latest")
    with pytest.raises(ArtefactError, match="is a run, not a bundle"):
        Bundle.open(deployed.run)
