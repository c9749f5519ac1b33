"""What the wrong-class term makes of a class: how many entries of an image feature it drives where.

The regulariser's expected gradient in an entry is 2(F_own(f) - F_others(f)), the shares of the own
and of the other classes' images below f (train/methods/zscrgan/reference/README.md): wherever f
starts, the term moves it until the two are equal, often beyond all images on one side.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from zscr.infer.features.table import Array, Table
from zscr.train.fit import load_training
from zscr.train.run import open_run
from zscr.train.sources import load_sources

Floats = npt.NDArray[np.floating[Any]]


def shares(rows: Floats, images: Floats) -> dict[str, float]:
    """Count rows' entries (N, I) that are 0 or at the extremes of what the images (M, I) have.

    Lengths are means over the rows, and over the images.
    """
    figures = {
        "at 0": np.mean(rows == 0),
        "at or below the least": np.mean(rows <= images.min(0)),
        "at or above 99 %": np.mean(rows >= np.quantile(images, 0.99, axis=0)),
        "at or above the most": np.mean(rows >= images.max(0)),
        "images at 0": np.mean(images == 0),
        "length": np.linalg.norm(rows, axis=1).mean(),
        "length of images": np.linalg.norm(images, axis=1).mean(),
    }
    return {name: round(float(value), 4) for name, value in figures.items()}


def imagined(folder: Path) -> dict[str, float]:
    """Return the shares of what a run imagines of its seen classes' texts (eps = z = 0)."""
    run = open_run(folder)
    seen, _ = load_training(*_sources(run))
    method, texts = run.load_model(), torch.tensor(seen["text"].rows)
    with torch.no_grad():
        mu, _ = method.text_encoder(texts)
        features = method.generator(mu, mu.new_zeros(len(mu), method.config.z_dim))
    return shares(features.numpy(), seen["image"].rows)


def minimisers(folder: Path) -> dict[str, float]:
    """Return the shares of the classes' own minimisers on the images that a run was trained on."""
    run = open_run(folder)
    images = load_training(*_sources(run))[0]["image"]
    return shares(least_points(images), images.rows)


def least_points(images: Table[Array]) -> Floats:
    """Return (C, I) where E|f - x| - E|f - x_w| is least, x_w of any other class alike.

    The expectation is linear between neighbouring images of an entry, so it is least at one of
    them: its slopes are summed up over the gaps of the sorted images.
    """
    rows, starts = images.rows, images.starts
    order = rows.argsort(0)
    values = np.take_along_axis(rows, order, 0)
    sizes = np.diff(starts)
    group = np.repeat(np.arange(len(sizes)), sizes)[order]
    found = []
    for own in range(len(sizes)):
        weight = np.where(group == own, 1 / sizes[own], -1 / (len(sizes) - 1) / sizes[group])
        height = (2 * weight.cumsum(0)[:-1] * np.diff(values, axis=0)).cumsum(0)
        height = np.concatenate([np.zeros_like(height[:1]), height])
        found.append(np.take_along_axis(values, height.argmin(0)[None], 0)[0])
    return np.stack(found)


def _sources(run: Any) -> tuple[Any, Any, Any]:
    collection, encoders = load_sources(run)
    return collection, run.needs, encoders
