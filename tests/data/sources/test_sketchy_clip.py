"""Sketchy's photos with published vectors of the classes' names."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from zscr.data.check import check_collection
from zscr.data.collection import read_collection
from zscr.data.sources.sketchy_clip import VECTORS, convert_sketchy_clip, read_name_vectors
from zscr.errors import InputError

NAMES = ["car_(sedan)", "hot-air_balloon", "saw", *(f"thing_{i}" for i in range(17))]


@pytest.fixture
def sketchy(tmp_path):
    """Write 20 classes of one photo, and a vector of each but `saw`."""
    for name in NAMES:
        (tmp_path / "sketchy/photo" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / f"sketchy/photo/{name}/n1_2.jpg")
    (tmp_path / "sketchy/split_zeroshot0_unseen.txt").write_text("hot-air_balloon 0\nsaw 1\n")
    names = ["hot air balloon", "car", *(f"thing {i}" for i in range(17))]
    save(tmp_path / "clip", names, np.arange(1, 58).reshape(19, 3))
    return tmp_path / "sketchy"


def save(folder, names, rows):
    """Write vectors as published: float16, of a length near 1 or not."""
    folder.mkdir(exist_ok=True)
    np.savez(folder / VECTORS, names=np.array(names), emb=np.asarray(rows, np.float16))


def test_classes_have_the_vector_of_their_name(sketchy, tmp_path):
    """Qualifier, underscore and hyphen do not matter; a class without a vector is left out."""
    convert_sketchy_clip(sketchy, tmp_path / "out", names=tmp_path / "clip")
    found = read_collection(tmp_path / "out")
    assert found.splits["unseen"] == ("hot-air_balloon",)
    assert (len(found.splits["seen"]), len(found.splits["val"])) == (3, 15)
    assert found.manifest.body["provenance"]["classes_without_vector"] == ["saw"]
    texts = found.vectors("text")
    assert texts.dtype == np.float32
    assert np.allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-6)
    row = {name: texts[info.text_rows[0]] for name, info in found.classes.items()}
    assert row["hot-air_balloon"] == pytest.approx(np.array([1, 2, 3]) / 14**0.5, abs=1e-6)
    assert row["car_(sedan)"] == pytest.approx(np.array([4, 5, 6]) / 77**0.5, abs=1e-6)
    assert found.classes["car_(sedan)"].descriptions == ("a car",)
    assert {item.attributes["domain"] for item in found.items} == {"photo"}
    assert check_collection(tmp_path / "out").faults == ()


def test_unsound_vectors_are_refused(tmp_path):
    """A zero vector, more names than vectors, and a file of something else."""
    save(tmp_path, ["a", "b"], [[1, 2], [0, 0]])
    with pytest.raises(InputError, match="that of 'b'"):
        read_name_vectors(tmp_path)
    save(tmp_path, ["a", "b"], [[1, 2]])
    with pytest.raises(InputError, match=r"2 names do not fit vectors of shape \(1, 2\)"):
        read_name_vectors(tmp_path)
    np.savez(tmp_path / VECTORS, names=np.array(["a"], object), emb=np.ones((1, 2)))
    with pytest.raises(InputError, match="is not names and vectors .*Object arrays"):
        read_name_vectors(tmp_path)
    (tmp_path / VECTORS).write_bytes(b"PK")
    with pytest.raises(InputError, match="is not names and vectors"):
        read_name_vectors(tmp_path)


@pytest.mark.realdata
@pytest.mark.parametrize(("split", "seen", "unseen"), [("21", 77, 18), ("25", 72, 23)])
def test_published_vectors_cover_110_classes(realdata_folder, tmp_path, split, seen, unseen):
    """The 21-split keeps 18 unseen classes with 450 photos, the 25-split 23 with 575."""
    source, names = realdata_folder("sketchy25"), realdata_folder("clip_text_names")
    convert_sketchy_clip(source, tmp_path / "out", split=split, names=names)
    found = read_collection(tmp_path / "out")
    counts = [len(found.splits[name]) for name in ("seen", "val", "unseen")]
    assert counts == [seen, 15, unseen]
    assert len(found.split("unseen")) == 25 * unseen
    assert found.vectors("text").shape == (110, 512)
