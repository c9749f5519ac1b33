"""Captions and images that ask for each other: figures of another implementation, intervals."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zscr.data.records import Query
from zscr.data.relevance import ByItem, Truth
from zscr.infer.evaluation.bootstrap import resampled_medians
from zscr.infer.evaluation.captions import caption_figures, mean_captions, reversed_captions
from zscr.infer.evaluation.gallery_use import gallery_use
from zscr.infer.evaluation.generalised import evaluate

FIGURES = ("R@1", "R@5", "R@10", "median rank")


@pytest.fixture(scope="session")
def captioned(embedded_of):
    """Return a function that embeds captions of images: `owners` says which image each is of.

    Rows have few values, so many scores tie.
    """

    def make(owners, images, seed, values=2):
        rng = np.random.default_rng(seed)
        sides = [rng.integers(1, 1 + values, (n, 3)) for n in (len(owners), images)]
        sides = [side / np.linalg.norm(side, axis=1)[:, None] for side in sides]
        names = [f"i{n}" for n in range(images)]
        truths = [Truth({names[owner]: 1.0}) for owner in owners]
        changes = {"gallery": tuple(names), "relevance": ByItem(truths, names)}
        changes |= {"groups": tuple(names[owner] for owner in owners)}
        changes |= {"queries": tuple(Query(f"c{n}", text="a") for n in range(len(owners)))}
        return embedded_of(*sides, [""] * len(owners), names, **changes)

    return make


def by_loops(scores, right):
    """Return R@1, R@5, R@10 and the median rank in per cent, as Karpathy's code has them.

    `scores[q][g]` are sorted stably, so of equal ones the first in the gallery stands first.
    """
    ranks = []
    for row, own in zip(scores, right, strict=True):
        order = sorted(range(len(row)), key=lambda place: -round(row[place], 9))
        ranks.append(min(order.index(place) for place in own))
    recalls = [100.0 * len([r for r in ranks if r < k]) / len(ranks) for k in (1, 5, 10)]
    ordered, middle = sorted(ranks), len(ranks) // 2
    median = (ordered[middle] + ordered[-middle - 1]) / 2
    return [*recalls, math.floor(median) + 1]


@given(st.integers(0, 10**6), st.integers(1, 14), st.data())
@settings(max_examples=60)
def test_equals_loops_over_sorted_scores(captioned, seed, images, data):
    """Both ways and their sum, with ties, uneven numbers of captions and small galleries."""
    more = data.draw(st.lists(st.integers(0, images - 1), max_size=12))
    owners = data.draw(st.permutations([*range(images), *more]))
    embedded = captioned(owners, images, seed)
    scores = np.float64(embedded.queries) @ np.float64(embedded.gallery).T
    own = [[place for place, owner in enumerate(owners) if owner == n] for n in range(images)]
    wanted = {
        "text to image": by_loops(scores.tolist(), [[owner] for owner in owners]),
        "image to text": by_loops(scores.T.tolist(), own),
    }
    found = caption_figures(embedded)
    for name, direction in found.directions.items():
        shown = [direction.metrics[key] * (1 if key == "median rank" else 100) for key in FIGURES]
        assert shown == pytest.approx(wanted[name])
    assert found.rsum[0] == pytest.approx(sum(sum(one[:3]) for one in wanted.values()))


def first_ranks(embedded):
    """Return the rank of each query's first relevant item."""
    scores = np.round(np.float64(embedded.queries) @ np.float64(embedded.gallery).T, 9)
    order = np.argsort(-scores, axis=1, kind="stable")
    return (embedded.task.relevance.grades(slice(None), order) > 0).argmax(axis=1) + 1


def test_intervals_resample_images(captioned):
    """Each draw takes images with all of their captions; rsum draws both ways alike."""
    owners = [n for n in range(30) for _ in range(1 + n % 4)]
    embedded = captioned(owners, 30, 3, values=6)
    found = caption_figures(embedded)
    sides = {"text to image": embedded, "image to text": reversed_captions(embedded)}
    ranks = {name: first_ranks(side) for name, side in sides.items()}
    draws, images = {name: [] for name in sides}, sorted({*embedded.task.groups})
    for picked in np.random.default_rng(7).integers(30, size=(2000, 30)):
        count = Counter(images[n] for n in picked)
        for name, side in sides.items():
            repeats = [count[group] for group in side.task.groups]
            laid = np.repeat(ranks[name], repeats)
            recalls = [np.mean(laid <= k) for k in (1, 5, 10)]
            draws[name].append([*recalls, np.floor(np.median(laid))])
    for name, direction in found.directions.items():
        wanted = np.quantile(draws[name], [0.025, 0.975], axis=0).T
        assert [direction.intervals[key] for key in FIGURES] == pytest.approx(wanted)
    sums = 100 * sum(np.array(draws[name])[:, :3].sum(axis=1) for name in found.directions)
    assert found.rsum[1] == pytest.approx(np.quantile(sums, [0.025, 0.975]))


def test_medians_of_draws_are_those_of_the_queries_laid_out():
    """Of an even number the mean of the middle two, rounded down."""
    values, groups = np.array([9.0, 1, 4, 5]), np.array([0, 1, 1, 2])
    counts = np.array([[1.0, 1, 1], [2, 0, 1], [0, 1, 0], [1, 0, 1]])
    assert resampled_medians(values, groups, counts).tolist() == [4, 9, 2, 7]


def test_chance_is_the_share_of_all_choices(captioned):
    """Of 7 items 2 are relevant to one query and 1 to the others: every choice of k counted."""
    embedded = captioned([0, 1, 2, 3, 4, 5, 6], 7, 1)
    truths = [Truth({"i0": 1.0, "i1": 1.0}), *embedded.task.relevance.truths[1:]]
    relevance = replace(embedded.task.relevance, truths=truths)
    embedded = replace(embedded, task=replace(embedded.task, relevance=relevance))
    chance = caption_figures(embedded).directions["text to image"].chance
    choices = [*combinations(range(7), 5)]
    two, one = (sum(bool(own & {*c}) for c in choices) / len(choices) for own in ({0, 1}, {0}))
    assert chance["R@5"] == pytest.approx((two + 6 * one) / 7)
    assert chance["R@10"] == pytest.approx(1)


def test_images_that_nobody_captions_do_not_ask(captioned):
    """Then there is one direction alone, and no sum; so it is where a gallery helps its queries."""
    embedded = captioned([0, 0, 1], 3, 1)
    found = evaluate(embedded).to_json()["captions"]
    assert [*found] == ["text to image"]
    whole = captioned([0, 1, 2], 3, 1)
    assert [*evaluate(whole).to_json()["captions"]] == ["text to image", "image to text", "rsum"]
    alike = replace(whole, features=whole.gallery)
    helped = evaluate(alike, use=gallery_use(2, diffuse=False)).to_json()["captions"]
    assert [*helped] == ["text to image"]


def test_the_mean_over_runs_has_deviations_and_the_draws_mean(captioned):
    """A run with itself is itself, without any deviation; two have the mean of their figures."""
    one, other = (caption_figures(captioned([0, 1, 2, 3, 3], 4, seed)) for seed in (1, 5))
    assert mean_captions([one]) is one
    same, both = mean_captions([one, one]), mean_captions([one, other])
    name = "text to image"
    assert same.directions[name].intervals == one.directions[name].intervals
    assert {*same.directions[name].sd.values()} == {0.0}
    for key in FIGURES:
        values = [run.directions[name].metrics[key] for run in (one, other)]
        assert both.directions[name].metrics[key] == pytest.approx(np.mean(values))
        assert both.directions[name].sd[key] == pytest.approx(np.std(values, ddof=1))
    assert one.directions[name].metrics != other.directions[name].metrics
    assert both.rsum[0] == pytest.approx((one.rsum[0] + other.rsum[0]) / 2)
