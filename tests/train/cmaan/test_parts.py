"""The parts of `cmaan` by known answers: draws, losses, and the closed form it begins at."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from zscr.errors import ConfigError
from zscr.infer.features.table import Split, Table
from zscr.train.methods.cmaan.batches import Batches, distinct
from zscr.train.methods.cmaan.config import Config
from zscr.train.methods.cmaan.described import Described
from zscr.train.methods.cmaan.objective import Proxies, class_info_nce
from zscr.train.methods.cmaan.projection import Projection
from zscr.train.methods.cmaan.rows import DRAWN, views_of
from zscr.train.methods.cmaan.start import NORM, code_map

STARTS = torch.tensor([0, 2, 7, 10])


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_rows_of_a_class_are_drawn_once_each_and_all_alike() -> None:
    """Until a class has no other; every row has the same chance."""
    groups = torch.tensor([2, 0, 1])
    seen = torch.zeros(10)
    for seed in range(300):
        drawn = distinct(STARTS, groups, 3, noise(seed))
        assert [len({*row}) for row in drawn.tolist()] == [3, 2, 3]
        assert ((STARTS[groups][:, None] <= drawn) & (drawn < STARTS[groups + 1][:, None])).all()
        seen += torch.bincount(drawn[2], minlength=10)
    assert seen[2:7].sum() == 900
    assert (seen[2:7] - 180).abs().max() < 40


def split(lost: int = 0) -> Split[torch.Tensor]:
    """Return tables whose rows say which they are: (table, row); a view lacks `lost` rows."""
    tables = {}
    names = (*views_of(Config(), "sketch"), *views_of(Config(), "image"), DRAWN)
    for number, name in enumerate(names):
        rows = torch.tensor([[float(number), float(row)] for row in range(10)])
        tables[name] = Table(tuple(map(str, range(10))), rows, STARTS)
    if lost:
        whole = tables["sketch/flipped"]
        tables["sketch/flipped"] = Table(whole.ids[lost:], whole.rows[lost:], whole.starts)
    return Split(("a", "b", "c"), tables)


def test_a_batch_has_sketches_and_images_of_its_classes_in_any_view() -> None:
    """Class after class; with `edges`, all sketches are edge maps of images of the class."""
    of_rows = torch.repeat_interleave(torch.arange(3), STARTS.diff())
    views = set()
    for share, tables in ((0.0, {0.0, 1.0, 2.0, 3.0}), (1.0, {6.0})):
        batches = Batches(split(), Config(edges=share, batch_classes=2, batch_each=2))
        for seed in range(40):
            batch = batches.draw(noise(seed))
            assert batch.classes.tolist() == batch.classes[::2].repeat_interleave(2).tolist()
            assert {*batch.sketches[:, 0].tolist()} <= tables
            for rows in (batch.sketches, batch.images):
                assert torch.equal(of_rows[rows[:, 1].long()], batch.classes)
            views |= {*batch.sketches[:, 0].tolist(), *batch.images[:, 0].tolist()}
    assert views == {0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0}


def test_tables_that_cannot_be_trained_on_are_refused() -> None:
    """A view that lacks a row, and a single class: both are told before the first round."""
    with pytest.raises(ConfigError, match="views of the seen sketch table have 10, 9, 10, 10 rows"):
        Batches(split(lost=1), Config())
    one = split()
    with pytest.raises(ConfigError, match="'a' is the only seen class"):
        Batches(Split(("a",), one.tables), Config())


def test_info_nce_counts_every_row_of_the_class() -> None:
    """Two classes of two; by hand: scores of 1/t within a class and 0 between them."""
    rows, classes = torch.eye(2).repeat_interleave(2, 0), torch.tensor([0, 0, 1, 1])
    found = class_info_nce(rows, rows, classes, 0.5)
    assert float(found) == pytest.approx(math.log(2 + 2 * math.exp(-2)), abs=1e-6)
    apart = class_info_nce(torch.eye(4), torch.eye(4), classes, 0.5)
    # a row has the score 1/t with one of its two wanted, 0 with the other and with the rest
    assert float(apart) == pytest.approx(math.log(math.exp(2) + 3) - 1, abs=1e-6)


def test_each_domain_is_centred_by_its_own_mean() -> None:
    """So nothing is left of what all sketches have in common; learnt rows of 0 have a gradient."""
    made = Projection(6, 4)
    rows = torch.rand(2, 9, 6, generator=noise())
    pooled = {"sketch": rows[0], "image": 1 + rows[1]}
    made.fit(pooled)
    for domain, rows in pooled.items():
        assert torch.allclose(made.scalings[domain](rows).mean(0), torch.zeros(6), atol=1e-5)
    dead = torch.zeros(2, 6, requires_grad=True)
    made("sketch", torch.cat([dead, pooled["sketch"][:1]])).sum().backward()
    assert torch.isfinite(dead.grad).all()


def test_proxies_take_the_number_of_the_weights_that_are_loaded() -> None:
    """A run goes on before its tables are bound, and the optimizer keeps the parameter."""
    made, again = Proxies(4), Proxies(4)
    rows, classes = torch.randn(14, 4, generator=noise()), torch.arange(7).repeat(2)
    made.begin({"sketch": rows}, {"sketch": classes})
    kept = again.vectors
    again.load_state_dict(made.state_dict())
    assert torch.equal(kept, made.vectors)
    assert kept is again.vectors


def test_a_class_is_described_by_the_mean_of_its_texts() -> None:
    """Of tokens that are there; by hand: a row that says its class, and one that says the other."""
    rows = torch.zeros(3, 2, 4)
    rows[0, 0, 0], rows[1, :, 0] = 2.0, torch.tensor([1.0, 3.0])  # both texts of class 0 say 2
    rows[2, 0, 1] = 2.0
    made = Described(4, 4)
    made.bind(Table(("0#0", "0#1", "1#0"), rows.half(), torch.tensor([0, 2, 3])))
    with torch.no_grad():
        made.map.weight.copy_(torch.eye(4))
        says = torch.tensor([[1.0, -1.0, 0.0, 0.0]])  # the classes are this and its opposite
        found = [float(made(says, torch.tensor([one]), 0.5)) for one in (0, 1)]
    wanted = [math.log(1 + math.exp(-4)), math.log(1 + math.exp(4))]
    assert found == pytest.approx(wanted, abs=1e-3)


def test_the_start_is_ridge_regression_onto_codes() -> None:
    """Its cosines are those of the regression solved by numpy; fewer axes keep the largest."""
    rng = np.random.default_rng(0)
    rows, classes = rng.standard_normal((60, 8)), np.arange(60) % 5
    codes = np.eye(5)[classes]
    weights = np.linalg.solve(
        rows.T @ rows + 60 * 0.3 * np.eye(8), rows.T @ (codes - codes.mean(0))
    )
    given = torch.from_numpy(rows).float(), torch.from_numpy(classes), 5, 0.3
    whole, few = code_map(*given, 6), code_map(*given, 2)
    assert (float(whole.norm()), float(few.norm())) == pytest.approx((NORM, NORM))
    scale = NORM / np.linalg.norm(weights)
    assert whole.shape == (8, 6)
    found = (whole @ whole.T).numpy()
    assert found == pytest.approx(weights @ weights.T * scale**2, abs=1e-4)
    left, values, _ = np.linalg.svd(weights)
    nearest = left[:, :2] * values[:2] * NORM / np.linalg.norm(values[:2])
    assert (few @ few.T).numpy() == pytest.approx(nearest @ nearest.T, abs=1e-4)
