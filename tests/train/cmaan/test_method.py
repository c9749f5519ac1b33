"""`cmaan` on a small collection: what it learns, exports and refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from zscr.data.collection import Collection, read_collection
from zscr.errors import CollectionError, ConfigError, MismatchError
from zscr.export.bundle import export_run
from zscr.infer.encoder import load_encoder
from zscr.infer.features.split import load_split
from zscr.train.fit import Request, fit
from zscr.train.methods.cmaan.config import Config
from zscr.train.methods.cmaan.method import Method, needs, settled
from zscr.train.run import Run, open_run
from zscr.train.soundness import shapes_of
from zscr.train.sources import choose_encoders
from zscr.train.tables import to_device

QUICK = {"dim": 8, "rounds": 3, "batch_classes": 4, "batch_each": 2, "penalty": 0.1, "lr": 1e-3}


def trained(drawn: Path, backbone: Path, out: Path, **settings: Any) -> Run:
    asked = QUICK | {"backbone": str(backbone)} | settings
    return fit(Request("cmaan", drawn, out, asked, device="cpu"))


def bound(collection: Collection, config: Config) -> Method:
    """Return the method with the seen classes' tables, before `start`."""
    config = settled(config, collection)
    asked = needs(config)
    seen = load_split(collection, "seen", asked, choose_encoders(collection, asked, {}, {}))
    method = Method(config, shapes_of(seen))
    method.bind(to_device(seen, "cpu"), None)
    return method


def test_rounds_learn_and_step_0_is_a_candidate(
    drawn: Path, backbone: Path, tmp_path: Path
) -> None:
    """From a random map, losses fall; round 0 is judged as every other."""
    settings = {"closed_form": False, "rounds": 8, "head_lr": 1e-2, "validate_every": 1}
    run = trained(drawn, backbone, tmp_path / "run", **settings)
    rows = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    chosen = [row for row in rows if "refit" not in row]
    assert [row["round"] for row in chosen] == [*range(9)]
    assert chosen[-1]["loss/contrast"] < chosen[1]["loss/contrast"]
    assert chosen[-1]["loss/proxies"] < chosen[1]["loss/proxies"]
    assert run.best["value"] == max(row["val"]["mAP"] for row in chosen)


def test_a_run_is_exported_with_parity(drawn: Path, backbone: Path, tmp_path: Path) -> None:
    """A graph of sketches to ask by, and one of images."""
    run = trained(drawn, backbone, tmp_path / "run")
    bundle = export_run(run, tmp_path / "bundle")
    for graph in bundle.graphs.values():
        assert graph["variants"]["fp32"]["parity"]["min_cosine"] == pytest.approx(1, abs=1e-5)
    assert {name: graph["role"] for name, graph in bundle.graphs.items()} == {
        "sketch": "query",
        "gallery": "gallery",
    }


def test_a_second_encoder_changes_nothing_of_the_first(
    drawn: Path, backbone: Path, tiny_image: Path
) -> None:
    """The same weights after rounds by the same seed, and heads that can do without it."""
    collection, states = read_collection(drawn), []
    for second in ("", str(tiny_image)):
        method = bound(collection, Config(**QUICK, backbone=str(backbone), second=second))
        method.start()
        method.train_round()
        states.append(method.state_dict())
    alone, both = states
    assert {name for name in both if not name.startswith("second.")} == {*alone}
    assert all(torch.equal(rows, both[name]) for name, rows in alone.items())
    assert [port.name for port in method.heads(with_second=False)["sketch"].ports] == ["sketch"]


def test_both_encoders_are_exported_as_one_graph(
    drawn: Path, backbone: Path, tiny_image: Path, tmp_path: Path
) -> None:
    """Each graph takes what each of its encoders does, and gives what torch gives."""
    run = trained(drawn, backbone, tmp_path / "run", second=str(tiny_image), rounds=0)
    bundle = export_run(run, tmp_path / "bundle")
    for graph in bundle.graphs.values():
        assert len(graph["inputs"]) == 2
        assert graph["variants"]["fp32"]["parity"]["min_cosine"] == pytest.approx(1, abs=1e-5)


def test_a_cosine_is_the_weighted_mean_of_both(
    drawn: Path, backbone: Path, tiny_image: Path
) -> None:
    """By the share that is set; and each row is of length 1."""
    config = Config(**QUICK, backbone=str(backbone), second=str(tiny_image), share=0.3)
    method = bound(read_collection(drawn), config)
    method.start()
    rows = {name: method._seen[name].rows[:5] for name in ("sketch", "sketch/second")}
    rows |= {name: method._seen[name].rows[:7] for name in ("image", "image/second")}
    with torch.no_grad():
        fused, alone = method.heads(), method.heads(with_second=False)
        sketches = fused["sketch"].module(rows["sketch"], rows["sketch/second"])
        images = fused["gallery"].module(rows["image"], rows["image/second"])
        first = alone["sketch"].module(rows["sketch"]) @ alone["gallery"].module(rows["image"]).T
        second = method.second("sketch", rows["sketch/second"])
        second = second @ method.second("image", rows["image/second"]).T
    assert torch.allclose(sketches @ images.T, 0.7 * first + 0.3 * second, atol=1e-6)
    assert torch.allclose(images.norm(dim=1), torch.ones(7), atol=1e-6)


def test_a_tower_is_cut_where_it_is_told(drawn: Path, backbone: Path) -> None:
    """Rows and tower alike."""
    config = Config(**QUICK, backbone=str(backbone), cut="stem")
    method = bound(read_collection(drawn), config)
    method.start()
    assert method.towers["sketch"].start == "stem"
    assert method.train_round()["loss/contrast"].isfinite()


def test_one_tower_may_be_shared(drawn: Path, backbone: Path) -> None:
    """Then the gallery is embedded by the very tower of the sketches; the rates fall to 0."""
    config = Config(**QUICK, backbone=str(backbone), image="shared")
    method = bound(read_collection(drawn), config)
    method.start()
    heads = method.heads()
    assert heads["sketch"].module.tower is heads["gallery"].module.tower
    before = [one.clone() for one in method.towers.parameters()]
    rates = []
    for _ in range(config.rounds):
        method.train_round()
        rates.append([group["lr"] for group in method.optimizers["adamw"].param_groups])
    assert not any(map(torch.equal, before, method.towers.parameters()))
    assert rates[-1] == [0.0, 0.0, 0.0]
    assert rates[0][0] / rates[0][1] == pytest.approx(config.lr / config.head_lr)


def test_sketches_are_prepared_as_such_and_edge_maps_are_of_photos(
    drawn: Path, backbone: Path
) -> None:
    """A photo is no sheet of paper: prepared as a sketch, many would show no drawing."""
    collection, found = read_collection(drawn), {}
    for need in needs(Config(backbone=str(backbone))):
        [spec] = load_encoder(need.encoder(collection)).specs
        found[need.table] = [spec["preprocess"].get(key) for key in ("strokes", "view")]
    assert found == {
        "sketch": [True, None],
        "sketch/flipped": [True, "flipped"],
        "sketch/affine-1": [True, "affine-1"],
        "sketch/affine-2": [True, "affine-2"],
        "image": [None, None],
        "image/flipped": [None, "flipped"],
        "image/edges": [None, "edges"],
    }


def without_sketches(drawn: Path, folder: Path, names: tuple[str, ...]) -> Path:
    """Copy the collection without the sketches of some classes."""
    from zscr.data.collection import Item, new_collection

    whole = read_collection(drawn)
    with new_collection(folder, name="less", protocol="test", provenance={}) as draft:
        for split, ids in whole.splits.items():
            for one in ids:
                draft.add_class(whole.classes[one], split)
        for item in whole.items:
            if item.sketch and item.class_id in names:
                continue
            file = str(item.image or item.sketch)
            shutil.copy(drawn / file, draft.folder / file)
            draft.add_item(Item(item.id, item.split, item.class_id, item.image, item.sketch))
    return folder


def test_classes_without_sketches_are_refused(drawn: Path, backbone: Path, tmp_path: Path) -> None:
    """One class, and a collection of images alone: a sentence each, and no run is left behind."""
    one = without_sketches(drawn, tmp_path / "one", ("red-circle",))
    with pytest.raises(CollectionError, match="fewer than 1 sketches \\('red-circle' has 0\\)"):
        trained(one, backbone, tmp_path / "run")
    none = without_sketches(drawn, tmp_path / "none", tuple(read_collection(drawn).classes))
    with pytest.raises(CollectionError, match="has 0 sketches"):
        trained(none, backbone, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_towers_of_two_widths_are_refused_and_leave_nothing(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before round 1; `latest` is what it was, and the next run has the number of the refused."""
    from tests.train.vision.networks import narrowed

    narrow, settings = narrowed(tmp_path / "narrow"), {"sketch": "tokens", "image": "frozen"}
    monkeypatch.chdir(tmp_path)
    kept: list[str] = []
    for _ in range(2):
        asked = QUICK | {"backbone": str(narrow), **settings}
        with pytest.raises(ConfigError, match="sketch=tokens makes 16 numbers, image=frozen 10"):
            fit(Request("cmaan", drawn, settings=asked, device="cpu"))
        assert sorted(path.name for path in Path("runs").iterdir()) == kept
        if not kept:
            alike = asked | {"image": "tokens", "rounds": 0}
            made = fit(Request("cmaan", drawn, settings=alike, device="cpu"))
            kept = [made.folder.name, "latest"]
        assert Path("runs/latest").resolve() == made.folder.resolve()


def test_a_second_encoder_that_is_the_backbone_is_refused(
    drawn: Path, backbone: Path, tmp_path: Path
) -> None:
    """By its name at once, by another name when it is opened."""
    with pytest.raises(ConfigError, match="is the backbone itself and would add nothing"):
        Config(backbone=str(backbone), second=str(backbone))
    copy = shutil.copytree(backbone, tmp_path / "copy")
    with pytest.raises(ConfigError, match="by another name and would add nothing"):
        trained(drawn, backbone, tmp_path / "run", second=str(copy))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"batch_classes": 1}, "leaves no other class"),
        ({"edges": 1.5}, "edges=1.5 must be at most 1"),
        ({"share": 1.0}, "share=1.0 must be below 1"),
        ({"contrast": 0.0, "proxies": 0.0}, "nothing to train by"),
        ({"text_pairing": "own"}, "text_pairing=own .* texts=none"),
        ({"text_pairing": "own", "texts": "names", "described": 1.0}, "lambda_tri and .* are 0"),
        ({"lr": 0.0, "head_lr": 0.0}, "lr=0.0 of towers .* train nothing"),
        ({"sketch": "frozen", "head_lr": 0.0}, "sketch=frozen.* train nothing"),
        ({"sketch": "frozen", "cut": "relu_6"}, "cut=relu_6 is of upper towers"),
        ({"rn_pre": True}, "rn_pre=true .* lambda_rn=0"),
        ({"lambda_tri": 1.0, "tri_pre": False}, "tri_pre=false .* texts=none"),
        ({"second": "efficientnet-lite0", "share": 0.0}, "share=0 .* second=efficientnet-lite0"),
        ({"texts": "tales"}, "texts='tales' is unknown"),
        ({"prompts": 3}, "must be one of 1, 2, 4"),
        ({"texts": "names"}, "are read by none of the losses"),
        ({"described": 1.0}, "texts=none; set texts to one of"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], why: str) -> None:
    """Before anything is encoded."""
    with pytest.raises(ConfigError, match=why):
        Config(**settings)


@pytest.mark.parametrize(("asked", "setting"), [("image", "backbone"), ("text", "text_encoder")])
def test_an_encoder_that_is_a_setting_is_asked_for_as_one(
    asked: str, setting: str, drawn: Path, backbone: Path, tmp_path: Path
) -> None:
    """By an option it would be ignored; with texts or without, the sentence says what to type."""
    settings, wish = QUICK | {"backbone": str(backbone)}, {f"{asked}_encoder": "some-model"}
    request = Request("cmaan", drawn, tmp_path / "run", settings, device="cpu", **wish)
    with pytest.raises(ConfigError, match=f"--{asked}-encoder: .* --set {setting}=some-model"):
        fit(request)


def test_another_backbone_than_the_runs_is_refused(
    drawn: Path, backbone: Path, tmp_path: Path
) -> None:
    """Its weights would be put behind another network's maps; one that is gone is told as such."""
    from tests.train.vision.networks import NETWORK, network, save

    place = shutil.copytree(backbone, tmp_path / "network")
    run = trained(drawn, place, tmp_path / "run", rounds=1)
    shutil.rmtree(place)
    with pytest.raises(ConfigError, match="trained on backbone .* put it back there, or train"):
        open_run(run.folder).new_method("cpu")
    save(place, network(NETWORK.replace("{0.4}", "{0.5}")))
    with pytest.raises(MismatchError, match="was trained on backbone .* restore it or train anew"):
        open_run(run.folder).new_method("cpu")
