"""What parity is proven on: real, different queries of the validation classes alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from zscr.data.collection import ClassInfo, Item, new_collection, read_collection
from zscr.data.records import Query
from zscr.errors import CollectionError
from zscr.export.heads import DeployedHead, deployed_heads
from zscr.export.samples import SAMPLES, samples_of
from zscr.infer.encoder import Encoder, load_encoder
from zscr.train.methods.contract import Head, Port


def deployed(encoders: dict[str, Encoder], *ports: str) -> DeployedHead:
    head = Head(nn.Identity(), tuple(map(Port, ports)), "query")
    shapes = dict.fromkeys(ports, (1,))
    return deployed_heads({"graph": head}, encoders, shapes)[0]


@pytest.fixture(scope="module")
def encoders(tiny_text: Path, tiny_image: Path) -> dict[str, Encoder]:
    return {"text": load_encoder(tiny_text), "image": load_encoder(tiny_image)}


def test_texts_are_different_ones_of_validation_classes(shapes: Path, encoders) -> None:
    """Two items of a class have the same caption, which is asked once."""
    queries = samples_of(read_collection(shapes), deployed(encoders, "text"))
    expected = {
        text
        for form in ("circle", "square")
        for text in (f"a black {form} on grey ground", f"small black {form}", f"large black {form}")
    }
    assert len(queries) == 6
    assert {query.text for query in queries} == expected


def test_images_are_those_of_validation_classes(shapes: Path, encoders) -> None:
    """Each of them once, as files of the collection."""
    queries = samples_of(read_collection(shapes), deployed(encoders, "image"))
    names = [f"black-{form}-{number}" for form in ("circle", "square") for number in range(4)]
    assert len(queries) == 8
    assert {query.image for query in queries} == {shapes / f"{name}.png" for name in names}


def test_two_ports_are_filled_together(pairs: Path, encoders) -> None:
    """Every query has both fields, no two are the same, and sketches are not images."""
    collection = read_collection(pairs)
    val = [item for item in collection.items if item.split == "val"]
    for ports in (("text", "image"), ("sketch", "image")):
        queries = samples_of(collection, deployed(encoders, *ports))
        assert {query.fields for query in queries} == {frozenset(ports)}
        assert {query.image for query in queries} == {pairs / item.image for item in val}
        found = {tuple(getattr(query, port) for port in ports) for query in queries}
        assert len(found) == len(queries) == 6
    assert {query.sketch for query in queries} == {pairs / item.sketch for item in val}


@pytest.mark.parametrize(("port", "rows"), [("text", slice(12, 16)), ("image", slice(24, 32))])
def test_vectors_are_those_of_validation_classes(vectors: Path, port: str, rows: slice) -> None:
    """Published rows of classes 6 and 7: two texts and four images each."""
    collection = read_collection(vectors)
    queries = samples_of(collection, deployed({}, port))
    assert {query.fields for query in queries} == {frozenset({"vector"})}
    found = np.stack([query.vector for query in queries])
    np.testing.assert_array_equal(found, collection.vectors(port)[rows])


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a collection whose validation class has these texts."""

    def collection(texts: list[str], image: bytes | None = None) -> Path:
        path = tmp_path / "made"
        with new_collection(path, name="made", protocol="test", provenance={}) as draft:
            for split in ("seen", "val", "unseen"):
                draft.add_class(ClassInfo(split, split), split)
            for number, text in enumerate(texts):
                if image is not None:
                    (draft.folder / f"{number}.png").write_bytes(image)
                file = None if image is None else f"{number}.png"
                draft.add_item(Item(str(number), "val", "val", file, texts=(text,)))
            draft.add_item(Item("s", "seen", "seen", texts=("a red circle",)))
            draft.add_item(Item("u", "unseen", "unseen", texts=("a blue circle",)))
        return path

    return collection


@pytest.mark.parametrize("count", [65, 127, 300])
def test_many_are_spread_evenly(make, encoders, count: int) -> None:
    """The first and the last are among them, and no gap is wider than needed."""
    collection = read_collection(make([f"text {number}" for number in range(count)]))
    queries = samples_of(collection, deployed(encoders, "text"))
    numbers = [int(query.text.split()[1]) for query in queries]
    assert len(numbers) == SAMPLES
    assert (numbers[0], numbers[-1]) == (0, count - 1)
    assert 1 <= min(np.diff(numbers)) <= max(np.diff(numbers)) <= -(-(count - 1) // (SAMPLES - 1))


def test_what_the_encoder_cannot_use_is_left_out(
    make, encoders, shapes: Path, tmp_path: Path
) -> None:
    """A damaged image, without which the model was trained, does not stop its export."""
    path = make(["a red circle"], b"no image")
    head = deployed(encoders, "image")
    with pytest.raises(CollectionError, match="has no image in its split 'val' .*; add some"):
        samples_of(read_collection(path), head)
    copy = tmp_path / "shapes"
    shutil.copytree(shapes, copy)
    (copy / "black-circle-0.png").write_bytes(b"no image")
    images = {query.image for query in samples_of(read_collection(copy), head)}
    assert len(images) == 7
    assert copy / "black-circle-0.png" not in images


def test_a_port_that_nothing_fills_is_one_sentence(make, encoders) -> None:
    """The validation class has texts, but no sketch."""
    path = make(["a red circle"])
    assert samples_of(read_collection(path), deployed(encoders, "text")) == [
        Query("0", text="a red circle")
    ]
    with pytest.raises(CollectionError, match="made has no sketch in its split 'val'"):
        samples_of(read_collection(path), deployed(encoders, "sketch", "text"))
