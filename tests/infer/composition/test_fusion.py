"""Fused scores: values by hand, the algebra that serving rests on, and the bound U."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscr.errors import ConfigError
from zscr.infer.composition.certificate import bound
from zscr.infer.composition.composition import Fusion
from zscr.infer.composition.fusion import fused, moments_of, normal_cdf, slerp_weights, weights_of

ALL = [
    Fusion("sum"),
    Fusion("weights", (0.3, 1.7)),
    Fusion("slerp", value=0.8),
    Fusion("product"),
    Fusion("harris", value=0.1),
    Fusion("harris", value=0.24),
    Fusion("cdf", value=0.3),
]
BY_KIND = [pytest.param(one, id=f"{one.kind} {one.value or ''}") for one in ALL]


@pytest.mark.parametrize(
    ("fusion", "wanted"),
    [
        (Fusion("sum"), [0.7, -0.1]),
        (Fusion("weights", (2.0, -1.0)), [0.8, -0.8]),
        (Fusion("product"), [0.1, 0.0]),
        (Fusion("harris", value=0.1), [0.1 - 0.1 * 0.49, -0.1 * 0.04]),
        (Fusion("cdf", value=0.25), [0.67067237, 0.32932763]),
    ],
    ids=lambda value: value.kind if isinstance(value, Fusion) else "",
)
def test_values_by_hand(fusion: Fusion, wanted: list[float]) -> None:
    """Scores (.5, .2) and (-.3, .2): the product and Harris floor the negative one at 0."""
    t = [[0.2, 0.2]] if fusion.kind != "cdf" else [[0.1, 0.4]]
    assert fused([np.array([[0.5, -0.3]]), np.array(t)], fusion)[0] == pytest.approx(wanted)


@given(st.floats(-8, 8))
def test_the_normal_distribution_without_erf(z: float) -> None:
    """The table agrees with erf between its points, too."""
    assert normal_cdf(np.array([z]))[0] == pytest.approx(0.5 * math.erfc(-z / 2**0.5), abs=3.2e-8)


@given(st.floats(-1, 1), st.floats(0, 1))
def test_slerp_lies_on_the_arc(cosine: float, alpha: float) -> None:
    """It is of unit length, in the plane of both, and at the angle α θ from the first."""
    first, second = np.array([1.0, 0]), np.array([cosine, math.sqrt(1 - cosine**2)])
    point = slerp_weights(np.array([cosine]), alpha)[0] @ np.stack([first, second])
    if cosine > -0.9995:  # opposite vectors have no arc between them
        assert np.linalg.norm(point) == pytest.approx(1, abs=1e-9)
        wanted = math.cos(alpha * math.acos(cosine))  # the chord's point is as near as makes none
        assert point @ first == pytest.approx(wanted, abs=1e-6)


def test_slerp_has_both_vectors_at_its_ends() -> None:
    """Also where they are all but parallel, and where nothing else could be computed."""
    cosines = np.array([-0.4, 0.0, 0.9994, 0.9996, 1.0, -0.9996])
    assert slerp_weights(cosines, 0.0) == pytest.approx(np.tile([1.0, 0.0], (6, 1)))
    assert slerp_weights(cosines, 1.0) == pytest.approx(np.tile([0.0, 1.0], (6, 1)))


def test_parallel_vectors_are_interpolated_on_the_line() -> None:
    """Above a cosine of .9995 the weights are 1-α and α over the length; below they are the arc's.

    At opposite vectors, where sin θ is as small, the line is taken, too: weights stay finite.
    """
    [above, below, opposite] = slerp_weights(np.array([0.9996, 0.9994, -0.99999]), 0.8)
    length = math.sqrt(0.04 + 0.64 + 0.32 * 0.9996)
    assert above == pytest.approx([0.2 / length, 0.8 / length], rel=1e-12)
    angle = math.acos(0.9994)
    assert below == pytest.approx(
        [math.sin(0.2 * angle) / math.sin(angle), math.sin(0.8 * angle) / math.sin(angle)]
    )
    assert opposite == pytest.approx([0.2 / 0.6, 0.8 / 0.6], rel=1e-4)


@pytest.mark.parametrize("fusion", [one for one in ALL if one.is_linear], ids=lambda f: f.kind)
def test_linear_fusions_are_the_score_of_one_vector(fusion: Fusion) -> None:
    """The fused scores of two channels are those of the vectors' sum by the same weights."""
    rng = np.random.default_rng(0)
    a, b, x = (rng.standard_normal((n, 6)) for n in (4, 4, 9))
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (a, b))
    cosines = (a * b).sum(axis=1)
    weights = weights_of(fusion, 2, cosines)
    vector = weights[:, [0]] * a + weights[:, [1]] * b
    assert fused([a @ x.T, b @ x.T], fusion, cosines=cosines) == pytest.approx(vector @ x.T)


@pytest.mark.parametrize("fusion", BY_KIND)
def test_nothing_outside_of_the_lists_passes_the_bound(fusion: Fusion) -> None:
    """2,000 galleries: what is in none of both top N scores U at most; U is reached in places."""
    rng = np.random.default_rng(7)
    reached = 0.0
    for case in range(2000):
        size, n = int(rng.integers(12, 60)), int(rng.integers(1, 5))
        scores = rng.standard_normal((2, 1, size)) * rng.uniform(0.1, 2, (2, 1, 1))
        scores += rng.uniform(-1, 1, (2, 1, 1))
        if case % 2:  # one outside of the lists at the corner of the box, as nothing beats it
            scores[:, :, -1] = np.partition(scores, -n, axis=2)[:, :, -n] - 1e-9
        how = {"cosines": rng.uniform(-1, 1, 1), "moments": [moments_of(one) for one in scores]}
        order = np.argsort(-scores[:, 0], axis=1)
        outside = np.setdiff1d(np.arange(size), order[:, :n])
        highest = [float(scores[c, 0, order[c, n - 1]]) for c in (0, 1)]
        values = fused([*scores], fusion, **how)[0]
        above = bound(highest, fusion, **how) - values[outside].max()
        assert above >= 0, (case, above)
        reached += above < 1e-6
    assert reached > (100 if fusion.kind == "harris" else 500), "a bound that is never reached"


@given(*[st.floats(-1, 3)] * 2, st.floats(0.01, 0.249))
def test_the_bound_of_harris_is_its_maximum_on_the_box(i: float, j: float, value: float) -> None:
    """Against a grid: no point of the box is higher, and one is as high, as near as the grid is."""
    grid = np.append(0.97 ** np.arange(300), 0)  # as fine near 0 as elsewhere
    s, t = (max(0.0, top) * grid for top in (i, j))
    fusion = Fusion("harris", value=value)
    values = fused([np.repeat(s, 301)[None], np.tile(t, 301)[None]], fusion)
    most, found = bound([i, j], fusion), float(values.max())
    assert found - 1e-12 <= most <= found + 0.02 * abs(most) + 1e-9


def test_nothing_bounds_negative_weights() -> None:
    """A low score may then be worth any number."""
    assert bound([0.1, 0.1], Fusion("weights", (1.0, -1.0))) == math.inf


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"kind": "max"}, "unknown"),
        ({"kind": "sum", "value": 0.1}, "takes no value"),
        ({"kind": "sum", "weights": (1.0,)}, "weights"),
        ({"kind": "weights"}, "weights"),
        ({"kind": "weights", "weights": (math.nan,)}, "weights"),
        ({"kind": "slerp"}, "from 0 to 1"),
        ({"kind": "harris", "value": 0.25}, "to 0.249"),
        ({"kind": "harris", "value": 0.1, "divisor": "text"}, "divisor"),
    ],
)
def test_a_fusion_that_means_nothing_is_refused(arguments: dict[str, object], said: str) -> None:
    """Of Python as of a manifest."""
    with pytest.raises(ConfigError, match=said):
        Fusion(**arguments)  # type: ignore[arg-type]


def test_another_number_of_channels_is_refused() -> None:
    """Slerp, Harris and cdf are of two; weights of as many as there are weights."""
    one = np.zeros((1, 3))
    for fusion in (Fusion("slerp", value=0.5), Fusion("weights", (1.0, 1.0))):
        with pytest.raises(ConfigError, match="2 channels, not 3"):
            fused([one] * 3, fusion, cosines=np.zeros(1))
    with pytest.raises(ConfigError, match="cosines"):
        fused([one] * 2, Fusion("slerp", value=0.5))
    assert fused([one + 2] * 3, Fusion("product"))[0, 0] == 8
