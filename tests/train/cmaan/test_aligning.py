"""`cmaan` with texts, and its ancestor `zse`: what is learnt, remembered, deployed and refused."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from zscr.artefact import dump_json
from zscr.data.collection import read_collection
from zscr.errors import CollectionError, ConfigError, MismatchError
from zscr.export.bundle import export_run
from zscr.infer.features.split import load_split
from zscr.train.fit import Request, fit
from zscr.train.methods.registry import load_method
from zscr.train.methods.settings import make_config, selection
from zscr.train.run import Run, open_run
from zscr.train.soundness import shapes_of
from zscr.train.sources import choose_encoders
from zscr.train.tables import TensorSplit, to_device

TEXTS = {"texts": "names", "lambda_tri": 2.0, "lambda_rn": 4.0, "sketch": "tokens"}
ALIGNED: dict[str, Any] = {
    **TEXTS,
    "image": "tokens",
    "width": 8,
    "dim": 8,
    "contrast": 0.0,
    "proxies": 0.0,
    "edges": 0.0,
    "views": False,
    "batch_classes": 4,
    "batch_each": 2,
    "lr": 3e-3,
    "head_lr": 3e-3,
    "validate_every": 1,
}
ANCESTOR: dict[str, Any] = {"width": 8, "tuples": 64, "batch_size": 8, "lr": 3e-3}
BOTH = [("cmaan", ALIGNED), ("zse", ANCESTOR)]


@pytest.fixture
def asked(backbone: Path, tiny_bert: Path) -> dict[str, dict[str, Any]]:
    """Return what makes the two methods small, by name."""
    return {
        "cmaan": ALIGNED | {"backbone": str(backbone), "text_encoder": str(tiny_bert)},
        "zse": ANCESTOR | {"backbone": str(backbone)},
    }


Asked = dict[str, dict[str, Any]]


def trained(method: str, drawn: Path, out: Path, settings: dict[str, Any]) -> Run:
    return fit(Request(method, drawn, out, settings, device="cpu"))


@pytest.mark.parametrize("method", ["cmaan", "zse"])
def test_alignment_is_learnt_and_deployed_without_texts(
    method: str, asked: Asked, drawn: Path, tmp_path: Path
) -> None:
    """Relations are learnt, step 0 is a candidate, and the graphs take a sketch and an image."""
    run = trained(method, drawn, tmp_path / "run", asked[method] | {"rounds": 10})
    rows = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    chosen = [row for row in rows if "refit" not in row]
    assert [row["round"] for row in chosen] == [*range(11)]
    assert chosen[-1]["loss/rn"] < chosen[1]["loss/rn"]
    assert chosen[-1]["loss/tri"] > 0
    assert run.best["value"] == max(row["val"]["mAP"] for row in chosen)
    bundle = export_run(run, tmp_path / "bundle")
    fields = {n: [one["field"] for one in g["inputs"]] for n, g in bundle.graphs.items()}
    assert fields == {"sketch": ["sketch"], "gallery": ["image"]}
    for graph in bundle.graphs.values():
        assert graph["variants"]["fp32"]["parity"]["min_cosine"] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("method", ["cmaan", "zse"])
def test_a_round_depends_on_what_is_saved_alone(method: str, asked: Asked, drawn: Path) -> None:
    """A method that is given another's state makes the very same second round."""
    first, split = begun(method, drawn, asked[method] | {"rounds": 2})
    first.start()
    first.train_round()
    second, _ = begun(method, drawn, asked[method] | {"rounds": 2})
    second.load_state_dict({name: one.clone() for name, one in first.state_dict().items()})
    second.noise.set_state(first.noise.get_state())
    second.sampling = {name: one.clone() for name, one in first.sampling.items()}
    for name, optimizer in first.optimizers.items():
        second.optimizers[name].load_state_dict(deepcopy(optimizer.state_dict()))
    second.bind(split, None)
    losses = [one.train_round() for one in (first, second)]
    assert losses[0] == losses[1]
    after = (one.state_dict().values() for one in (first, second))
    assert all(map(torch.equal, *after))


def test_each_class_of_a_batch_reads_its_own_sentence(asked: Asked, drawn: Path) -> None:
    """What reaches the attention are the names' token states, in the batch's order of classes."""
    method, split = begun("cmaan", drawn, asked["cmaan"])
    method.start()
    read = []
    fusion = method.aligning.alignment.fusion
    fusion.register_forward_pre_hook(lambda _, given: read.append(given))
    batch = method._batches.draw(method.noise)
    method._losses(batch)
    [(_, tuples, words)] = read
    for place, number in enumerate(batch.classes[:: batch.each].tolist()):
        kept = words.there[place].sum()
        named = split["description"].rows[number]
        assert torch.equal(words.tokens[place, :kept], named[:kept].float())
        assert not named[kept:].any()
    assert torch.equal(batch.classes[tuples.sketch], batch.classes[:: batch.each][tuples.own])


def test_the_ancestor_aligns_the_very_tuples_that_it_draws(asked: Asked, drawn: Path) -> None:
    """Towers see all four parts at once; each is found again where the alignment looks for it."""
    method, split = begun("zse", drawn, asked["zse"])
    method.eval()
    given = []
    method.alignment.register_forward_pre_hook(lambda _, sides: given.append(sides))
    wanted = method._draw()
    method._losses(wanted)
    [(sketches, images, found)] = given
    for side, table, part in (
        (sketches, "sketch", "sketch"),
        (images, "image", "image"),
        (sketches, "sketch", "other_sketch"),
        (images, "image", "other_image"),
    ):
        pooled = method.tower(split[table].rows[getattr(wanted, part)]).pooled
        torch.testing.assert_close(side.states.pooled[getattr(found, part)], pooled)


def test_a_run_remembers_its_texts(asked: Asked, drawn: Path, tmp_path: Path) -> None:
    """Other texts in the same file would be another training."""
    said = {name: {"q": f"a form, {name}"} for name in known(drawn, "seen", "val")}
    texts = tmp_path / "texts.json"
    texts.write_bytes(dump_json(said))
    settings = asked["cmaan"] | {"texts": str(texts), "rounds": 1}
    run = trained("cmaan", drawn, tmp_path / "run", settings)
    texts.write_bytes(dump_json(said | {"red-circle": {"q": "something else"}}))
    with pytest.raises(MismatchError, match="are not those that were trained with"):
        load_method("cmaan").settled(open_run(run.folder).config, read_collection(drawn))


def test_a_description_of_an_unseen_class_stops_training(
    asked: Asked, drawn: Path, tmp_path: Path
) -> None:
    """Before anything is encoded; the sentence names the class."""
    said = {name: {"q": "a form"} for name in known(drawn, "seen", "val", "unseen")}
    texts = tmp_path / "texts.json"
    texts.write_bytes(dump_json(said))
    with pytest.raises(CollectionError, match="describes unseen classes .*white-circle"):
        trained("cmaan", drawn, tmp_path / "run", asked["cmaan"] | {"texts": str(texts)})
    assert not (tmp_path / "run").exists()


def test_the_ancestor_may_select_as_released(asked: Asked) -> None:
    """On the unseen classes, which its figures then say."""
    config = make_config("zse", {"select_on_test": True})
    assert selection(config) == "oracle selection"


@pytest.mark.parametrize(
    ("method", "settings", "why"),
    [
        ("cmaan", {"texts": "names"}, "are read by none of the losses"),
        ("cmaan", {"width": 12}, "width=12 must be a multiple of 8"),
        ("cmaan", {"distance": "manhattan"}, "use one of euclidean, cosine"),
        ("zse", {"tower": "frozen"}, "use one of upper, tokens, whole"),
        ("zse", {"lambda_tri": 0, "lambda_rn": 0}, "nothing is trained"),
        ("zse", {"lambda_tri": 0, "tri_pre": True}, "tri_pre=true .* lambda_tri=0; set lambda_tri"),
        ("zse", {"lambda_rn": 0, "rn_pre": True}, "rn_pre=true .* lambda_rn=0; set lambda_rn, or"),
        ("zse", {"tuples": 10}, "batch_size=15 is more than the 10 tuples"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    method: str, settings: dict[str, Any], why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        make_config(method, settings)


def begun(name: str, drawn: Path, settings: dict[str, Any]) -> tuple[Any, TensorSplit]:
    """Return a method with the seen classes' tables, before `start`, and these."""
    module, collection = load_method(name), read_collection(drawn)
    config = module.settled(make_config(name, settings), collection)
    needs = module.needs(config)
    seen = load_split(collection, "seen", needs, choose_encoders(collection, needs, {}, {}))
    method, split = module.Method(config, shapes_of(seen), "cpu"), to_device(seen, "cpu")
    method.bind(split, None)
    return method, split


def known(drawn: Path, *splits: str) -> list[str]:
    collection = read_collection(drawn)
    return [name for split in splits for name in collection.splits[split]]
