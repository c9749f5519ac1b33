"""Ridge regression between the two sides of pairs, against least squares by numpy's own solver."""

from __future__ import annotations

import numpy as np

from zscr.infer.evaluation.controls.pairs import pair_ridge
from zscr.infer.features.table import Array, Split, Table, joined, starts_of

COUNTS = [1, 3, 2] * 10  # texts of each item


def items(seed: int) -> Split[Array]:
    """Make thirty items of one image and one to three texts."""
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((len(COUNTS), 4))
    texts = np.repeat(images, COUNTS, axis=0) @ np.arange(12).reshape(4, 3) / 9
    texts += rng.standard_normal(texts.shape)
    names = tuple(f"{n:03d}" for n in range(len(texts)))
    tables = {
        "image": Table(names[: len(COUNTS)], images, starts_of([1] * len(COUNTS))),
        "text": Table(names, texts, starts_of(COUNTS)),
    }
    return Split(names[: len(COUNTS)], tables)


def least_squares(fitted: Split[Array], penalty: float, asked: Split[Array]) -> Array:
    """Return the cosines of texts and images, each text being a row of the problem."""

    def scaled(split: Split[Array]) -> tuple[Array, Array]:
        images = split["image"].rows
        rooted = np.sign(images) * np.sqrt(np.abs(images))
        return rooted / np.linalg.norm(rooted, axis=1, keepdims=True), split["text"].rows

    centred = []
    for mine, theirs in zip(scaled(fitted), scaled(asked), strict=True):
        mean = mine.mean(0)
        length = np.linalg.norm(mine - mean, axis=1).mean()
        centred.append([(rows - mean) / length for rows in (mine, theirs)])
    (images, gallery), (texts, queries) = centred
    rows = np.repeat(images, np.diff(fitted["text"].starts), axis=0)
    ends = np.sqrt(penalty * len(texts)) * np.eye(4), np.zeros((4, 3))
    weights = np.linalg.lstsq(np.vstack([rows, ends[0]]), np.vstack([texts, ends[1]]))[0]
    found = gallery @ weights
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return queries / np.linalg.norm(queries, axis=1, keepdims=True) @ found.T


def test_it_is_least_squares_of_each_text_on_its_image() -> None:
    """With the penalty that validation items choose, before a refit and after it."""
    seen, val, unseen = items(1), items(2), items(3)
    for refit, fitted in ((False, seen), (True, joined(seen, val))):
        control = pair_ridge(seen, val, figure="Recall@1", refit=refit)
        queries, gallery = control.embed(unseen)
        wanted = least_squares(fitted, control.chosen["lambda"], unseen)
        np.testing.assert_allclose(queries @ gallery.T, wanted, atol=1e-5)
        assert 0 < control.chosen["val_Recall@1"] < 1
