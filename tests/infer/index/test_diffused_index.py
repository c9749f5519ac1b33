"""Image features and diffused embeddings on disk: kept with every change, refused when damaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.infer.index.conftest import agree, forge, unit
from zscr.artefact import read_manifest
from zscr.errors import ArtefactError, InputError
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.index import Change, Index
from zscr.infer.index.upkeep.verify import verify_index

HOW = Diffusion(k=3, alpha=0.8, steps=4)
WIDTH = 5


def features_of(entries):
    """Give each content of entries its own unit feature."""
    rows = [np.random.default_rng(int(one.sha256, 16) + 1).normal(size=WIDTH) for one in entries]
    return unit(np.reshape(rows, (-1, WIDTH)))


def halved(features):
    return features.astype(np.float16).astype(np.float32)


ARRIVALS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 2)), max_size=5, unique_by=lambda a: a[0]
)


@settings(max_examples=25)
@given(
    st.lists(ARRIVALS, min_size=2, max_size=4).filter(lambda batches: batches[0]),
    st.sampled_from([None, "hnsw"]),
)
def test_a_diffused_index_is_that_of_its_images(
    tmp_path_factory, entry, embed, create, batches, search
):
    """After any changes it holds what an index made of its entries at once holds."""
    folder = tmp_path_factory.mktemp("diffused") / "index"
    model, index = {}, None
    for batch in batches:
        arrived = [entry(name, version) for name, version in batch]
        rows = {"vectors": embed(arrived), "features": features_of(arrived)}
        if index is None:
            index = create(folder, arrived, search=search, diffusion=HOW, **rows)
        else:
            index.apply(Change(arrived, **rows))
        for one in arrived:
            if model.get(one.id) != one:
                model.pop(one.id, None)  # it comes anew, behind the others
                model[one.id] = one
    held, read = list(model.values()), Index.open(folder)
    assert read.diffusion == HOW
    np.testing.assert_array_equal(read.features, features_of(held).astype(np.float16))
    np.testing.assert_array_equal(read.embedded([*model])[0], embed(held))
    wanted = HOW.of(embed(held), halved(features_of(held)))
    np.testing.assert_array_equal(read.vectors, wanted)
    found = read.search(wanted, 1)
    scores = [best.score for [best] in found]
    np.testing.assert_allclose(scores, 1, atol=1e-6)  # HNSW, too, is over what is searched
    there = {path.name for path in folder.iterdir()} - {"manifest.json", "writer.lock"}
    assert there == {*read_manifest(folder, "index").files}
    assert len(there) == 2 if search else 1


def test_nothing_new_diffuses_nothing(tmp_path, entries, embed, create):
    """An unchanged gallery is left as it is, to the byte."""
    index = create(tmp_path / "index", entries, features=features_of(entries), diffusion=HOW)
    before = (tmp_path / "index/manifest.json").read_bytes()
    same = Change(entries[:4], embed(entries[:4]), features=features_of(entries[:4]))
    assert index.apply(same).unchanged == 4
    assert index.apply(Change()).generation == 1
    assert (tmp_path / "index/manifest.json").read_bytes() == before
    index.apply(Change(errors=[{"image": "late.png", "reason": "truncated"}]))
    read = Index.open(tmp_path / "index")
    assert (read.generation, read.count, read.diffusion) == (2, 60, HOW)
    np.testing.assert_array_equal(read.vectors, index.vectors)
    np.testing.assert_array_equal(read.features, index.features)


@pytest.mark.parametrize(
    ("tensors", "body"),
    [
        ({"features": np.eye(60, WIDTH, dtype=np.float32)}, {}),
        ({"features": np.eye(59, WIDTH, dtype=np.float16)}, {}),
        ({"features": np.eye(60, 7, dtype=np.float16)}, {}),
        ({"without": "features"}, {}),
        ({}, {"feature_dim": None}),
        ({"raw": np.eye(60, 7, dtype=np.float32)}, {}),
        ({"without": "raw"}, {}),
        ({}, {"diffusion": None}),
        ({}, {"diffusion": {"neighbours": 3}}),
    ],
)
def test_contradictions_are_refused(tmp_path, entries, create, tensors, body):
    """Tensors of sound checksums are compared with what the manifest says of them."""
    create(tmp_path / "index", entries, features=features_of(entries), diffusion=HOW)
    forge(tmp_path / "index", **tensors)
    agree(tmp_path / "index", **body)
    with pytest.raises(ArtefactError, match="contradicts its manifest|diffusion lacks"):
        Index.open(tmp_path / "index")


def test_norms_are_verified(tmp_path, entries, create):
    """Of features, and of the embeddings before the diffusion."""
    for name, width, kind in (("features", WIDTH, np.float16), ("raw", 8, np.float32)):
        folder = tmp_path / name
        create(folder, entries, features=features_of(entries), diffusion=HOW)
        forge(folder, **{name: np.full((60, width), 2, kind)})
        with pytest.raises(ArtefactError, match="60 of 60 vectors are not unit vectors"):
            verify_index(folder)


def test_features_are_of_all_images_or_of_none(tmp_path, entries, embed, create):
    """Mixing is refused both ways, diffusion without features too; nothing is written."""
    late, rows = entries[-1:], {"features": features_of(entries[-1:])}
    plain = create(tmp_path / "plain", entries[:9])
    with pytest.raises(InputError, match="no image features, but the 1 images"):
        plain.apply(Change(late, embed(late), **rows))
    full = create(tmp_path / "full", entries[:9], features=features_of(entries[:9]))
    with pytest.raises(InputError, match="image features, but not the 1 images"):
        full.apply(Change(late, embed(late)))
    with pytest.raises(InputError, match=r"shape \(1, 4\)"):
        full.apply(Change(late, embed(late), features=unit([[1, 1, 0, 0]])))
    with pytest.raises(InputError, match="not unit vectors"):
        full.apply(Change(late, embed(late), features=2 * features_of(late)))
    with pytest.raises(InputError, match="no features to diffuse"):
        create(tmp_path / "none", entries, diffusion=HOW)
    assert not (tmp_path / "none").exists()
    assert [Index.open(index.folder).generation for index in (plain, full)] == [1, 1]
