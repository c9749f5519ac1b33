"""What `adapt_quality.py` judges: trained methods with classes that they never saw, in halves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zscr.data.collection import read_collection
from zscr.data.registry import find_collection
from zscr.infer.evaluation.controls.control import unit
from zscr.infer.evaluation.controls.kernel import gaussian, kernel_ridge
from zscr.infer.features.split import load_split
from zscr.infer.features.table import Split, Table, joined, starts_of
from zscr.train.adaptation.adapt import load_fitted
from zscr.train.fit import Request, fit, load_recipe, resume
from zscr.train.methods.registry import load_method
from zscr.train.methods.settings import make_config
from zscr.train.sources import choose_encoders, load_sources
from zscr.train.tables import group_means, to_device

NAME = "zscrgan"
FOLDS = 5
SPLITS = ("seen", "val", "unseen")
Values = np.ndarray
Embed = Callable[[Split[Any]], tuple[Values, Values]]  # a split -> queries and gallery


@dataclass(frozen=True)
class Case:
    """A trained method, what it was fitted on, and classes that it never saw in two halves.

    Attributes:
        kernel: the control, kernel ridge regression fitted to the same classes.
    """

    method: Any
    fitted: Split[Any]
    kernel: Embed
    a: Split[Any]
    b: Split[Any]


def unseen_cases(name: str, seed: int, settings: Mapping[str, Any]) -> Iterator[Case]:
    """Yield the run of a seed, trained now or earlier, with the halved unseen classes."""
    folder = find_collection(name)
    out = Path("runs/adapt") / f"{folder.name}-{seed}"
    settings = {"seed": seed, **settings}
    if out.exists():
        run = resume(out, settings=settings)
    else:
        run = fit(Request(NAME, folder, out, settings, device="cpu"))
    collection, encoders = load_sources(run)
    seen, val, unseen = (load_split(collection, one, run.needs, encoders) for one in SPLITS)
    kernel = kernel_ridge(seen, val, refit=run.refitted).embed
    fitted = load_fitted(run, collection, encoders)
    yield Case(run.load_model(), fitted, kernel, *halved(unseen, seed))


def fold_cases(name: str, seed: int, settings: Mapping[str, Any]) -> Iterator[Case]:
    """Yield a method for each fold of the seen and validation classes, trained on the others."""
    collection = read_collection(find_collection(name))
    recipe = load_recipe(NAME, collection.name)
    # The defaults, for what chooses others are classes that are held out here.
    chosen = {"text_shrink": 0.3, "csem_penalty": 5e-3, "seed": seed}
    config = make_config(NAME, recipe.get("settings", {}) | chosen | dict(settings))
    module = load_method(NAME)
    needs = module.needs(config)
    encoders = choose_encoders(collection, needs, {}, recipe.get("encoders", {}))
    both = joined(*(load_split(collection, one, needs, encoders) for one in ("seen", "val")))
    order = np.random.default_rng(seed).permutation(len(both.groups))
    for held in np.array_split(order, min(FOLDS, len(order) // 2)):
        fitted = only(both, np.setdiff1d(order, held))
        shapes = {table: fitted[table].rows.shape[1:] for table in fitted.tables}
        most = min(config.batch_size, len(fitted.groups))
        method = module.Method(replace(config, batch_size=most), shapes, "cpu")
        tables = to_device(fitted, "cpu")
        method.bind(tables, None)
        method.start()
        for _ in range(config.rounds):
            method.train_round()
        halves = halved(only(both, np.sort(held)), seed)
        yield Case(method, fitted, own_kernel_ridge(method, fitted), *halves)


def only(split: Split[Any], groups: Values) -> Split[Any]:
    """Return some of a split's groups, by number."""
    tables = {}
    for name, one in split.tables.items():
        spans = [np.arange(one.starts[g], one.starts[g + 1]) for g in groups]
        places = np.concatenate(spans)
        ids = tuple(one.ids[place] for place in places)
        tables[name] = Table(ids, one.rows[places], starts_of([len(span) for span in spans]))
    return Split(tuple(split.groups[g] for g in groups), tables)


def halved(split: Split[Any], seed: int) -> tuple[Split[Any], Split[Any]]:
    """Halve each class's images at random; the texts stay."""
    rng, images = np.random.default_rng(seed), split["image"]
    spans = zip(images.starts[:-1], images.starts[1:], strict=True)
    drawn = [rng.permutation(np.arange(start, end)) for start, end in spans]
    halves = []
    for part in (lambda one: one[: -(-len(one) // 2)], lambda one: one[-(-len(one) // 2) :]):
        places = [np.sort(part(one)) for one in drawn]
        chosen = np.concatenate(places)
        ids = tuple(images.ids[place] for place in chosen)
        found = Table(ids, images.rows[chosen], starts_of([len(one) for one in places]))
        halves.append(Split(split.groups, {**split.tables, "image": found}))
    return halves[0], halves[1]


def own_kernel_ridge(method: Any, fitted: Split[Any]) -> Embed:
    """Fit exact kernel ridge regression by a method's own scalings and penalty: nothing chosen."""
    with torch.no_grad():
        tables = to_device(fitted, "cpu")
        images = method.image_scaling(tables["image"].rows).double().numpy()
        texts = replace(tables["text"], rows=method.text_scaling(tables["text"].rows))
        targets = unit(group_means(texts).numpy()).repeat(np.diff(fitted["image"].starts), 0)
    left = gaussian(images, images) + method.penalty.item() * np.eye(len(images))
    weights = np.linalg.solve(left, targets)

    def embed(split: Split[Any]) -> tuple[Values, Values]:
        with torch.no_grad():
            one = to_device(split, "cpu")
            asked = method.text_scaling(one["text"].rows).numpy()
            seen = method.image_scaling(one["image"].rows).double().numpy()
        return unit(asked), unit(gaussian(seen, images) @ weights)

    return embed
