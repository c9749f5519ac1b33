"""What a sketch model must beat: against least squares, and on domains made to need each step."""

from __future__ import annotations

import numpy as np
import pytest

from zscr.infer.evaluation.controls.codes import Fitting, class_codes, class_texts, half_whitened
from zscr.infer.evaluation.controls.domains import (
    DOMAINS,
    Asked,
    by_both,
    cosine_controls,
    domain_of,
    drawn_tables,
    of_second,
)
from zscr.infer.evaluation.controls.sketches import CODES, sketch_controls
from zscr.infer.features.table import Split, Table, group_names, joined, starts_of

EACH = 6  # rows of a class in a table
DIM = 10


def split_of(name, count, **tables):
    """A split of classes with `EACH` rows a table; tables are functions of the rows' classes."""
    groups = tuple(f"{name}{n}" for n in range(count))
    owner, found = np.arange(count).repeat(EACH), {}
    for table, rows_of in tables.items():
        rows = np.float32(rows_of(owner))
        ids = tuple(f"{table} {n}" for n in range(len(rows)))
        found[table.replace("_", "/")] = Table(ids, rows, starts_of([EACH] * count))
    return Split(groups, found)


@pytest.fixture
def made():
    """Return a function that makes the three splits of domains that are maps of class vectors.

    A row is its class's vector by a matrix of its domain, plus a shift of its domain and noise.
    """

    def make(maps, shifts, noise=0.3, tables=("sketch", "image"), seed=3):
        rng = np.random.default_rng(seed)

        def rows_of(vectors, table):
            domain = domain_of(table.replace("_", "/"))

            def rows(owner):
                clean = vectors[owner] @ maps[domain] + shifts[domain]
                return clean + noise * rng.standard_normal((len(owner), DIM))

            return rows

        splits = {}
        for name, count in (("seen", 24), ("val", 8), ("unseen", 8)):
            vectors = rng.standard_normal((count, DIM))
            splits[name] = split_of(name, count, **{t: rows_of(vectors, t) for t in tables})
        return splits

    return make


SAME = dict.fromkeys(DOMAINS, np.eye(DIM))
NONE = dict.fromkeys(DOMAINS, np.zeros(DIM))


def figures(controls, split):
    return {one.name: one.judge(split, "unseen").figure("mAP") for one in controls}


def test_a_shift_between_domains_is_mended_by_centring(made):
    """All sketches look alike beside photos until each domain's mean is taken off."""
    shifted = {"sketch": np.full(DIM, 20.0), "image": np.arange(DIM) - 4.0}
    splits = made(SAME, shifted, noise=0.1)
    found = figures(cosine_controls(splits["seen"], Asked()), splits["unseen"])
    assert found["raw cosine"] < 0.4
    assert found["domain-centred cosine"] > 0.99


def test_domains_in_other_coordinates_need_a_fitted_map(made):
    """The same in columns of its own: cosines find nothing, codes of other classes find it all."""
    last = np.eye(DIM, k=DIM // 2)  # half of a class's vector, in the last columns
    splits = made({"sketch": last @ last.T, "image": last}, NONE, noise=0.02)
    found = figures(sketch_controls(splits["seen"], splits["val"]), splits["unseen"])
    assert found["domain-centred cosine"] < 0.5
    assert found[CODES] > 0.95


def scaled(fitted, rows):
    """Rows as they are fitted: signed roots of length 1, less their mean, of mean length 1."""

    def rooted(some):
        roots = np.sign(some) * np.sqrt(np.abs(np.float64(some)))
        return roots / np.linalg.norm(roots, axis=1, keepdims=True)

    mean = rooted(fitted).mean(0)
    return (rooted(rows) - mean) / np.linalg.norm(rooted(fitted) - mean, axis=1).mean()


def by_least_squares(split, tables, penalty):
    """W of one least-squares problem over all tables, the penalty as further rows of zeros."""
    inputs = [scaled(split[domain_of(t)].rows, split[t].rows) for t in tables]
    owner = [np.array(group_names(split, table)) for table in tables]
    codes = np.equal.outer(np.concatenate(owner), np.array(split.groups)) - 1 / len(split.groups)
    system = np.vstack([*inputs, np.sqrt(penalty) * np.eye(DIM)])
    answers = np.vstack([codes, np.zeros((DIM, codes.shape[1]))])
    return np.linalg.lstsq(system, answers, rcond=None)[0]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


VIEWS = ("sketch", "sketch_flipped", "image", "image_edges")


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("views", [False, True])
def test_ridge_onto_codes_equals_least_squares(made, refit, views):
    """On the seen classes, after a refit on both kinds, and on all views where there are such.

    λ is the one that is best on the validation classes before any refit.
    """
    splits = made(SAME, NONE, noise=2.0, tables=VIEWS)
    seen, val, unseen = splits.values()
    name = f"{CODES}, views" if views else CODES
    controls = {one.name: one for one in sketch_controls(seen, val, refit=refit)}
    alone = {one.name: one for one in sketch_controls(seen, val)}
    assert controls[name].chosen == alone[name].chosen
    tables = [one.replace("_", "/") for one in VIEWS] if views else [*DOMAINS]
    fitted = joined(seen, val) if refit else seen
    weights = by_least_squares(fitted, tables, controls[name].chosen["lambda"])
    for found, domain in zip(controls[name].embed(unseen), DOMAINS, strict=True):
        rows = scaled(fitted[domain].rows, unseen[domain].rows)
        np.testing.assert_allclose(found, unit(rows @ weights), atol=1e-5)


def test_edges_of_photos_are_sketches():
    """By whichever encoder; they are centred as sketches are."""
    tables = ["sketch", "sketch/flipped", "image/flipped", "image/edges", "image/second/edges"]
    assert [*map(domain_of, tables)] == ["sketch", "sketch", "image", "sketch", "sketch"]


def test_views_that_the_model_averages_are_averaged(made):
    """Unit embeddings of both, and their mean is unit itself; without, the stock one alone."""
    splits = made(SAME, NONE, noise=2.0, tables=VIEWS)
    both = Asked(("sketch", "sketch/flipped"))
    embeds = [
        Fitting(DOMAINS, asked=asked).ridge(splits["seen"]).onto(np.eye(24))({"lambda": 10.0})
        for asked in (both, Asked(), Asked(("sketch/flipped",)))
    ]
    mean, stock, flipped = (embed(splits["unseen"])[0] for embed in embeds)
    np.testing.assert_allclose(mean, unit(stock + flipped), atol=1e-6)


def test_kernel_ridge_of_few_rows_is_exact(made):
    """(K + λ N I)⁻¹ T with every row a landmark, in the dual, where the code solves the primal."""
    splits = made(SAME, NONE, noise=2.0)
    seen, unseen = splits["seen"], splits["unseen"]
    embed = Fitting(DOMAINS).kernel_ridge(seen)({"width": 0.5, "penalty": 0.01})
    rows = np.concatenate([scaled(seen[d].rows, seen[d].rows) for d in DOMAINS])
    owner = np.arange(24).repeat(EACH).tolist() * 2

    def kernel(a, b):
        return np.exp(-0.5 * ((a[:, None] - b) ** 2).sum(2))

    targets = np.eye(24)[owner] - 1 / 24
    weights = np.linalg.solve(kernel(rows, rows) + 0.01 * len(rows) * np.eye(len(rows)), targets)
    expected = kernel(scaled(seen["sketch"].rows, unseen["sketch"].rows), rows) @ weights
    np.testing.assert_allclose(embed(unseen)[0], unit(expected), atol=1e-4)


def test_half_whitened_texts_have_the_root_of_their_products(made):
    """With T less its mean U S V', the products U S² U' become U S U', whose square they are."""
    rng = np.random.default_rng(2)
    texts = split_of("seen", 7, text=lambda owner: rng.standard_normal((len(owner), 30)))
    plain = class_texts("text")(texts)
    centred = plain - plain.mean(0)
    halved = half_whitened(class_texts("text"))(texts)
    products = halved @ halved.T
    np.testing.assert_allclose(products @ products, centred @ centred.T, atol=1e-6)


TWO = ("sketch", "image", "sketch_second", "image_second")


def test_two_encoders_are_each_chosen_then_summed(made):
    """The cosine of a share s is (1 - s) times the first's plus s times the second's."""
    splits = made(SAME, NONE, noise=1.5, tables=TWO)
    seen, val, unseen = splits.values()
    controls = {one.name: one for one in sketch_controls(seen, val)}
    first, second, summed = (
        controls[name] for name in (CODES, f"{CODES}, second encoder", f"{CODES}, sum of both")
    )
    share = summed.chosen["share"]
    assert 0 < share < 1
    cosines = []
    for one in (first, second, summed):
        queries, gallery = one.embed(unseen)
        cosines.append(queries @ gallery.T)
    mixed = (1 - share) * cosines[0] + share * cosines[1]
    np.testing.assert_allclose(cosines[2], mixed, atol=1e-5)
    assert not np.allclose(cosines[0], cosines[1], atol=0.1)


def test_features_of_both_encoders_stand_side_by_side(made):
    """Each scaled by itself; and the first's controls never see the second's tables."""
    splits = made(SAME, NONE, tables=TWO)
    seen, unseen = splits["seen"], splits["unseen"]
    assert drawn_tables(seen) == [*DOMAINS]
    both = by_both(Fitting(DOMAINS).scale)(seen)(unseen, "sketch")
    own = scaled(seen["sketch"].rows, unseen["sketch"].rows)
    second = scaled(seen["sketch/second"].rows, of_second(unseen)["sketch"].rows)
    np.testing.assert_allclose(both, np.hstack([own, second]), atol=1e-6)


def test_codes_are_one_a_class(made):
    """Without any text: all classes are equally far from each other."""
    codes = class_codes(made(SAME, NONE)["seen"])
    np.testing.assert_array_equal(codes @ codes.T, np.eye(24))
