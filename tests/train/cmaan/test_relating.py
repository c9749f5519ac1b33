"""What re-ranks: the relation network on the tokens that a query has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.engines import build_all, products
from zscr.data.records import Query
from zscr.export.bundle import export_run
from zscr.export.tensorrt.profile import BATCHES
from zscr.infer.bundle import Bundle
from zscr.infer.pair import Pair, encode_tokens
from zscr.train.fit import Request, fit
from zscr.train.heads import run_head, tokens_of
from zscr.train.methods.cmaan.config import Config
from zscr.train.run import Run
from zscr.train.sources import load_sources

QUICK = {"dim": 8, "rounds": 1, "batch_classes": 4, "batch_each": 2, "penalty": 0.1, "width": 16}
TOLD = {"graph": "relation", "kept": True, "top": 5, "mix": 0.1, "gain": 0.0, "why": "a test"}


@pytest.fixture(scope="module")
def related(
    drawn: Path, backbone: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, Bundle]:
    """Train a model that re-ranks, and export it."""
    settings = QUICK | {"backbone": str(backbone), "lambda_rn": 4.0, "edges": 0.0, "views": False}
    folder = tmp_path_factory.mktemp("related")
    run = fit(Request("cmaan", drawn, folder / "run", settings, device="cpu", refit=False))
    return run, export_run(run, folder / "bundle", reranking=TOLD)


@pytest.mark.engines
def test_tensorrt_builds_both_towers_and_the_relation(
    related: tuple[Run, Bundle], tmp_path: Path
) -> None:
    """The pair takes tokens of two graphs, a batch of each; in halves, products are halves."""
    built = build_all(related[1], tmp_path, "fp16")
    assert {"sketch", "gallery", "relation"} <= {*built}
    assert len(built["relation"]["fp32"].profiles) == len(BATCHES)
    assert products(built["sketch"]["fp16"])["float16"] >= 1


def test_the_exported_relation_is_the_one_that_was_trained(
    related: tuple[Run, Bundle], drawn: Path
) -> None:
    """Logits of a sketch with photos are those of the network on the tower's own maps."""
    run, bundle = related
    assert bundle.graphs["relation"]["variants"]["fp32"]["parity"]["max_abs"] < 1e-4
    collection, encoders = load_sources(run)
    items = collection.split("unseen")
    sketches = Query.of("sketch", [drawn / one.sketch for one in items if one.sketch])
    images = Query.of("image", [drawn / one.image for one in items if one.image])
    pair, method = Pair(bundle), run.load_model()
    found = pair.logits(encode_tokens(pair.asked, sketches)[0], encode_tokens(pair.gallery, images))
    maps, tower = [], method.towers["sketch"]  # of both
    for name, queries in (("sketch", sketches[:1]), ("image", images)):
        asked = Query.of("image", [query.sketch or query.image for query in queries])
        rows = torch.from_numpy(encoders[name].encode(asked))
        with torch.no_grad():
            maps.append(method.aligning.alignment.enter(tower(rows).tokens))
    with torch.no_grad():
        expected = method.aligning.alignment.relation(*maps).numpy()
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(found, expected, atol=2e-3)  # of halves
    head = tokens_of(method.heads()["gallery"])
    assert head is not None
    tokens = run_head(head, [encoders["image"].encode(images)], "cpu")
    np.testing.assert_allclose(np.linalg.norm(tokens, axis=2), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "relates"),
    [
        ({"lambda_rn": 4.0}, True),
        ({"lambda_tri": 2.0}, False),
        ({"lambda_rn": 4.0, "texts": "templates"}, False),  # a query has no text
        ({"lambda_rn": 4.0, "texts": "templates", "rn_pre": True}, True),
    ],
)
def test_relations_of_fused_tokens_re_rank_nothing(
    settings: dict[str, object], relates: bool
) -> None:
    """What was learnt of tokens that a text was fused to, nobody has when asking."""
    assert Config(**settings).relates is relates
