"""Text towers that were trained apart: against sentence-transformers, and in a bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.checkpoints import save_text_tower
from zscr.data.records import Query
from zscr.errors import InputError
from zscr.export.pretrained.job import export_pretrained
from zscr.train.pretrained.folder import open_dual
from zscr.train.pretrained.samples import TEXTS


@pytest.fixture
def tower(tmp_path: Path) -> Path:
    return save_text_tower(tmp_path / "tower")


def describe(folder: Path, name: str, **settings: object) -> None:
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


@pytest.mark.parametrize(
    ("pooling", "activation"),
    [("mean_tokens", "linear.Identity"), ("cls_token", "activation.Tanh")],
)
def test_rows_are_those_of_sentence_transformers(
    saved: Callable[[str], Path], tower: Path, pooling: str, activation: str
) -> None:
    """Pooling, projection, its activation, and the length at which texts are cut."""
    library = pytest.importorskip("sentence_transformers", reason="compares with that package")
    modes = {"pooling_mode_mean_tokens": False, f"pooling_mode_{pooling}": True}
    describe(tower, "1_Pooling/config.json", **modes)
    name = f"torch.nn.modules.{activation}"
    describe(tower, "2_Dense/config.json", activation_function=name)
    expected = library.SentenceTransformer(str(tower), device="cpu").encode(list(TEXTS))
    found = open_dual(saved("clip"), tower).reference.texts(TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_bundle_has_the_texts_of_one_and_the_images_of_another(
    saved: Callable[[str], Path], tower: Path, tmp_path: Path
) -> None:
    """Both are in the proof, and their files in the manifest."""
    bundle = export_pretrained(str(saved("clip")), tmp_path / "joined", text_tower=str(tower))
    rows = open_dual(saved("clip"), tower).reference.texts(["a red bird"])
    found = bundle.route(frozenset({"text"})).encode(Query.of("text", ["a red bird"]))
    np.testing.assert_allclose(found, rows / np.linalg.norm(rows), atol=1e-5)
    about = bundle.manifest.body["provenance"]
    assert about["family"] == "CLIP, its texts by distilbert"
    assert {"model.safetensors", "text-tower/2_Dense/model.safetensors"} <= about["files"].keys()


def test_a_tower_of_another_space_is_refused(saved: Callable[[str], Path], tmp_path: Path) -> None:
    """Its rows are of another width than the images', and nothing is left behind."""
    wide = save_text_tower(tmp_path / "wide", width=32)
    with pytest.raises(InputError, match="projects texts to 32 numbers and images to 24"):
        export_pretrained(str(saved("clip")), tmp_path / "out" / "x", text_tower=str(wide))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("2_Dense/config.json", {"activation_function": "os.system"}, "activation 'os.system'"),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "pools by"),
        ("sentence_bert_config.json", {"do_lower_case": True}, "lowers the case"),
    ],
)
def test_what_cannot_be_done_is_refused(
    saved: Callable[[str], Path], tower: Path, name: str, settings: dict[str, object], told: str
) -> None:
    describe(tower, name, **settings)
    with pytest.raises(InputError, match=told):
        open_dual(saved("clip"), tower)


@pytest.mark.parametrize("path", ["../elsewhere", "/etc"])
def test_stages_stay_in_their_folder(saved: Callable[[str], Path], tower: Path, path: str) -> None:
    rows = json.loads((tower / "modules.json").read_text())
    rows[2]["path"] = path
    (tower / "modules.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match="outside of it"):
        open_dual(saved("clip"), tower)


def test_a_text_tower_alone_is_told_what_it_goes_with(tower: Path) -> None:
    """It has no images."""
    (tower / "config.json").rename(tower / "0.json")
    with pytest.raises(InputError, match="give it with --text-tower"):
        open_dual(tower)
