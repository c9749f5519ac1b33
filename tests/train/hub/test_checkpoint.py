"""From a name to an encoder that computes: here, in the data folder, then on the hub."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.checkpoints import save_vision
from tests.train.hub.server import Hub
from zscr.artefact import read_manifest
from zscr.cli import main
from zscr.data.collection import read_collection
from zscr.data.records import Query
from zscr.errors import ConfigError
from zscr.infer.encoder import load_encoder
from zscr.train.encoders.resolve import image_encoder, text_encoder
from zscr.train.hub.checkpoint import find_checkpoint
from zscr.train.vision.backbone import open_backbone

NAME = "some/tiny-bert"


@pytest.fixture
def served(hub: Hub, tiny_bert: Path) -> Hub:
    """Let the hub have the tiny BERT, which is no graph but a checkpoint."""
    paths = (path for path in tiny_bert.rglob("*") if path.is_file())
    hub.commit(NAME, {path.relative_to(tiny_bert).as_posix(): path.read_bytes() for path in paths})
    return hub


def test_what_is_nearer_is_taken(
    served: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path, then the data folder, then the hub, which nobody asks before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZSCR_DATA", str(tmp_path / "data"))
    places = [tmp_path / "data" / NAME, Path(NAME)]
    found = find_checkpoint(NAME)
    assert found.snapshot is not None
    assert (found.path, found.name) == (found.snapshot.folder, "tiny-bert")
    asked = len(served.seen)
    for place in places:
        place.mkdir(parents=True)
        assert find_checkpoint(NAME).path == place
    (place / "graph.onnx").touch()
    monkeypatch.chdir(place)
    names = {name: find_checkpoint(name).name for name in (".", "graph.onnx", "../tiny-bert")}
    assert names == {".": "tiny-bert", "graph.onnx": "graph", "../tiny-bert": "tiny-bert"}
    assert len(served.seen) == asked


def test_a_name_that_no_place_knows_is_one_sentence(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to give instead; a graph that is not there does not stand for its folder.

    Nor does no name at all stand for the folder one is in.
    """
    monkeypatch.chdir(tmp_path)
    for name in ("nobody/nothing", "nothing.onnx", ""):
        with pytest.raises(ConfigError, match=f"no encoder '{name}': it is no folder here .*give"):
            find_checkpoint(name)


def test_a_hub_name_gives_the_encoder_of_its_folder(
    served: Hub, shapes: Path, tiny_text: Path
) -> None:
    """Converted once, and called by its name and commit."""
    collection = read_collection(shapes)
    folder = text_encoder(NAME, collection)
    query = Query.of("text", ["a red circle", "a small black square"])
    rows = [load_encoder(one).encode(query) for one in (folder, tiny_text)]
    assert np.abs(rows[0] - rows[1]).max() < 1e-6
    commit = served.branches[NAME]["main"]
    assert read_manifest(folder, "encoder").body["source"] == f"tiny-bert@{commit[:12]}"
    assert text_encoder(f"{NAME}@{commit}", collection, offline=True) == folder
    with pytest.raises(ConfigError, match=r"no weights like \*.onnx or .*, but only model.safeten"):
        image_encoder(NAME, collection)


def test_train_offline_says_which_name_is_missing(
    hub: Hub, shapes: Path, tiny_image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 1 and one sentence, without a question to the hub."""
    monkeypatch.chdir(tmp_path)
    encoders = ["--image-encoder", str(tiny_image), "--text-encoder", NAME]
    done = CliRunner().invoke(main, ["train", "--collection", str(shapes), *encoders, "--offline"])
    assert done.exit_code == 1
    assert f"Error: no encoder '{NAME}': it is no folder here" in done.output
    assert "--offline" in done.output
    assert hub.seen == []


def test_a_hubs_transformer_is_a_backbone(hub: Hub, tmp_path: Path) -> None:
    """Its weights are fetched once, though a graph would do; all kinds of towers know it as one."""
    folder = save_vision(tmp_path / "vit", "vit")
    hub.commit("some/vit", {path.name: path.read_bytes() for path in folder.iterdir()})
    frozen = [open_backbone("some/vit", "frozen") for _ in range(2)]
    assert load_encoder(frozen[0].encoder()).row_shape == (32,)
    assert sum("model.safetensors" in one for one in map(str, hub.seen)) == 1
    assert {one.sha256 for one in frozen} == {open_backbone("some/vit", "whole").sha256}


@pytest.mark.realdata
def test_a_real_image_encoder_comes_from_a_hub(
    hub: Hub, shapes: Path, realdata_folder, tmp_path: Path
) -> None:
    """MobileNetV2, as `zscr train --image-encoder NAME` has it."""
    folder = realdata_folder("mobilenet_v2")
    paths = [path for path in folder.rglob("*") if path.is_file()]
    hub.commit("some/net", {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths})
    encoder = load_encoder(image_encoder("some/net", read_collection(shapes)))
    assert encoder.dim == 1280
    shutil.rmtree(tmp_path / "cache/encoders")
    assert (
        load_encoder(image_encoder("some/net", read_collection(shapes), offline=True)).dim == 1280
    )
