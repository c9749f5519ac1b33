"""Percentiles are stated where enough queries prove them, and then as the right rank."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from zscr.infer.bench.percentile import allowed, needed, upper_bound


@pytest.mark.parametrize(
    ("share", "over", "queries"),
    [
        (0.9, 1, 64),
        (0.95, 1, 130),
        (0.99, 1, 662),
        (0.999, 1, 6636),
        (0.5, 0, 7),
        (0.9, 0, 44),
        (0.99, 0, 459),
    ],
)
def test_the_known_numbers_of_queries(share: float, over: int, queries: int) -> None:
    """MLPerf's at one slow query, and the smallest n with share^n <= 0.01 at none."""
    assert needed(share, over) == queries


@pytest.mark.parametrize(
    ("share", "queries", "discarded"),
    [
        (0.9, 2048, 172),
        (0.9, 2116, 178),
        (0.9, 7469, 685),
        (0.99, 1179125, 11539),
        (0.99, 2091550, 20579),
    ],
)
def test_loadgen_discards_one_fewer(share: float, queries: int, discarded: int) -> None:
    """Published logs of MLPerf runs say how many of the slowest are above what they report."""
    assert allowed(share, queries) == discarded + 1


@given(st.sampled_from([Fraction(1, 2), Fraction(9, 10), Fraction(99, 100)]), st.integers(0, 6))
def test_exact_sums_of_fractions_agree(share: Fraction, over: int) -> None:
    """The number is the first at which the binomial tail, summed without rounding, is 1/100."""

    def tail(n: int) -> Fraction:
        terms = range(over + 1)
        return sum(
            (math.comb(n, i) * (1 - share) ** i * share ** (n - i) for i in terms), Fraction()
        )

    found = needed(float(share), over)
    assert tail(found) <= Fraction(1, 100) < tail(found - 1)


@given(st.sampled_from([0.5, 0.9, 0.95, 0.99]), st.integers(1, 20_000))
def test_scipy_allows_as_many(share: float, count: int) -> None:
    """Of any number of queries, as many may be slow as scipy's distribution says."""
    tails = binom.cdf(np.arange(count + 1), count, 1 - share)
    most = int(np.flatnonzero(tails <= 0.01)[-1]) if tails[0] <= 0.01 else None
    assert allowed(share, count) == most


def test_the_bound_is_a_rank_of_the_slowest() -> None:
    """Of 1 to 64 ms, p90 is bound by the second slowest, of 44 by the slowest; of 43 by none."""
    shuffled = [float(value) for value in np.random.default_rng(7).permutation(64) + 1]
    assert upper_bound(shuffled, 0.9) == 63
    assert upper_bound([value for value in shuffled if value <= 44], 0.9) == 44
    assert upper_bound([value for value in shuffled if value <= 43], 0.9) is None


def test_queries_without_an_answer_are_the_slowest() -> None:
    """One of 64 takes the place that may be slow; with two the bound is without end."""
    answered = [float(value) for value in range(1, 64)]
    assert upper_bound(answered, 0.9, unserved=1) == 63
    assert upper_bound(answered[:62], 0.9, unserved=2) == math.inf


def test_the_bound_covers_the_percentile_as_often_as_it_says() -> None:
    """Of 4,000 runs of 500 exponential latencies, p90's bound is too low in at most 1 %."""
    runs = np.random.default_rng(7).exponential(size=(4000, 500))
    bounds = [upper_bound(run, 0.9) for run in runs]
    missed = sum(bound < math.log(10) for bound in bounds) / len(runs)
    assert 0.002 < missed <= 0.0125  # 0.0098 by the binomial tail, 0.0016 of standard error
