"""The strongest cheap control on real sketches and photos, written out a second time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zscr.data.records import Query
from zscr.infer.encoder import load_encoder
from zscr.infer.evaluation.controls.codes import Fitting, class_codes
from zscr.infer.evaluation.controls.control import Control
from zscr.infer.evaluation.controls.domains import DOMAINS, STOCK, cosine_controls
from zscr.infer.features.table import Split, Table, starts_of
from zscr.train.encoders.resolve import published_image_encoder

EACH, FITTED, CLASSES = 5, 40, 50


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.realdata
def test_ridge_onto_codes_on_real_features(realdata_folder: Callable[[str], Path]) -> None:
    """By plain lines of numpy: roots, unit, centred, ridge, cosine; far above centring alone."""
    [root] = {path.parent for path in realdata_folder("sketchy25").rglob("split_zeroshot0*")}
    names = sorted(path.name for path in (root / "photo").iterdir())[:CLASSES]
    encoder = load_encoder(published_image_encoder("mobilenet_v2"))
    rows = {}
    for domain, folder in zip(DOMAINS, ("sketch", "photo"), strict=True):
        files = [path for name in names for path in sorted((root / folder / name).iterdir())[:EACH]]
        rows[domain] = encoder.encode([Query(image=path) for path in files])

    def split(start: int, stop: int) -> Split:
        places, starts = slice(start * EACH, stop * EACH), starts_of([EACH] * (stop - start))
        ids = tuple(map(str, range((stop - start) * EACH)))
        tables = {name: Table(ids, rows[name][places], starts) for name in DOMAINS}
        return Split(tuple(names[start:stop]), tables)

    fitted, unseen = split(0, FITTED), split(FITTED, CLASSES)
    embed = Fitting(DOMAINS).ridge(fitted).onto(class_codes(fitted))({"lambda": 10.0})
    found = Control("ridge", embed, asks="sketch").judge(unseen, "unseen").figure("mAP")

    roots = [unit(np.sqrt(rows[name])) for name in DOMAINS]
    centred = [one - one[: FITTED * EACH].mean(0) for one in roots]
    scaled = [one / np.linalg.norm(one[: FITTED * EACH], axis=1).mean() for one in centred]
    inputs = np.concatenate([one[: FITTED * EACH] for one in scaled])
    codes = np.tile(np.eye(FITTED).repeat(EACH, 0), (2, 1)) - 1 / FITTED
    weights = np.linalg.solve(inputs.T @ inputs + 10 * np.eye(inputs.shape[1]), inputs.T @ codes)
    queries, gallery = (unit(one[FITTED * EACH :] @ weights) for one in scaled)
    owner = np.arange(CLASSES - FITTED).repeat(EACH)
    hits = owner[np.argsort(-queries @ gallery.T, axis=1)] == owner[:, None]
    precision = hits.cumsum(1) / np.arange(1, hits.shape[1] + 1)
    assert found == pytest.approx((precision * hits).sum(1).mean() / EACH, abs=1e-3)
    cosines = {one.name: one for one in cosine_controls(fitted, STOCK)}
    means = [one.judge(unseen, "unseen").figure("mAP") for one in cosines.values()]
    assert means[0] < means[1] < found
