"""Bundles: every byte checked, each file when its side is used, damage told in one sentence."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from zscr.data.records import Query
from zscr.errors import ArtefactError, InputError
from zscr.infer.bundle import Bundle, space_of

FILES = {
    "text": ("text.onnx", "tokenizer.json"),
    "gallery": ("gallery.onnx",),
    "examples": ("examples.jsonl",),
    "name": ("manifest.json",),  # read when the bundle is opened
}


@pytest.fixture
def own(deployed, tmp_path):
    """A copy that may be changed."""
    return shutil.copytree(deployed.bundle, tmp_path / "own")


def test_every_file_of_a_bundle_is_tried(own):
    """The table above lacks none but the card, which is for people."""
    named = {name for names in FILES.values() for name in names}
    assert {path.name for path in own.iterdir()} == named | {"card.md"}


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
            use(Bundle.open(own), side)
        assert "\n" not in str(refused.value)
    if side != "name":
        assert all(use(Bundle.open(own), other) for other in FILES if other != side)


def use(bundle, what):
    """Load a graph by its name, or read another part of the bundle."""
    return bundle.graph(what) if what in bundle.graphs else getattr(bundle, what)


def test_a_bundle_is_opened_by_a_name(deployed):
    """A path may be a text, as it may for `zscr.load`."""
    assert Bundle.open(str(deployed.bundle)).folder == deployed.bundle.resolve()


def test_latest_is_the_bundle_itself(deployed):
    """Its index is found beside the folder that the link points to."""
    bundle = Bundle.open(deployed.folder / "bundles/latest")
    assert bundle.folder == deployed.bundle.resolve()
    assert bundle.index_folder == deployed.index.resolve()
    assert bundle.dim == bundle.graph("text").dim == bundle.gallery.dim == 16


def test_both_sides_give_unit_vectors(deployed, shapes):
    """So that a dot product is their cosine."""
    bundle = Bundle.open(deployed.bundle)
    texts = Query.of("text", ["a red circle", "", "unknown words"])
    queries = bundle.route(frozenset({"text"})).encode(texts)
    gallery = bundle.gallery.encode(Query.of("image", sorted(shapes.glob("red-*.png"))))
    for vectors in (queries, gallery):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_queries_are_routed_by_what_they_fill(deployed):
    """A text to its graph, an image to the gallery's; anything else is told what would do."""
    bundle = Bundle.open(deployed.bundle)
    assert bundle.route(frozenset({"text"})) is bundle.graph("text")
    assert bundle.route(frozenset({"image"})) is bundle.gallery
    takes = "text or image or image and text"
    for fields, named in (({"sketch"}, "sketch"), ({"text", "sketch"}, "sketch and text")):
        with pytest.raises(InputError, match=f"answers queries of {takes}, not of {named}$"):
            bundle.route(frozenset(fields))
    ways = "average, product, slerp, weicom, arithmetic"
    with pytest.raises(InputError, match=f"image and text at once, which it composes by {ways}; "):
        bundle.route(frozenset({"text", "image"}))


def test_a_space_is_what_decides_the_gallerys_vectors(deployed):
    """Graph, preprocessing, dim and metric; whatever else a bundle holds does not change it."""
    bundle = Bundle.open(deployed.bundle)
    graph = bundle.manifest.files["gallery.onnx"]["sha256"]
    specs = bundle.graphs["gallery"]["inputs"]
    assert bundle.space == space_of(graph, specs, 16, "cosine")
    other = [{**specs[0], "preprocess": {**specs[0]["preprocess"], "image_size": 33}}]
    changed = [("f" * 64, specs, 16, "cosine"), (graph, other, 16, "cosine")]
    changed += [(graph, specs, 17, "cosine"), (graph, specs, 16, "ip")]
    assert len({bundle.space, *(space_of(*content) for content in changed)}) == 5


def test_preprocessing_is_part_of_a_space():
    """The same graph sees other pixels; the order of what a manifest says does not matter."""
    spec = {"field": "image", "preprocess": {"image_size": 32, "resample": "bilinear"}}
    other = {"field": "image", "preprocess": {"image_size": 32, "resample": "bicubic"}}
    turned = {"preprocess": {"resample": "bilinear", "image_size": 32}, "field": "image"}
    own, rough, same = (space_of("f" * 64, [one], 8, "cosine") for one in (spec, other, turned))
    assert own == same != rough


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
    with pytest.raises(ArtefactError, match="is of kind run, and no bundle"):
        Bundle.open(deployed.run)
