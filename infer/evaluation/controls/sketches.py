"""The controls of sketches that ask for photos of their class, on features of frozen encoders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from zscr.infer.evaluation.controls.codes import (
    KERNEL_GRID,
    PENALTIES,
    Fit,
    Fitting,
    Problem,
    Targets,
    class_codes,
    class_texts,
    half_whitened,
)
from zscr.infer.evaluation.controls.control import Control, Features, class_mean_oracle
from zscr.infer.evaluation.controls.domains import (
    DOMAINS,
    SKETCH,
    STOCK,
    Asked,
    by_both,
    cosine_controls,
    drawn_tables,
    of_second,
)
from zscr.infer.evaluation.controls.selected import Embed, Values, selected
from zscr.infer.evaluation.embedded import Vectors
from zscr.infer.features.table import joined

CODES = "ridge onto class codes"
NAMES, TEXTS = "text/names", "text"  # tables of the classes' names and of all their texts
SHARES = (0.5, *(tenth / 10 for tenth in (1, 2, 3, 4, 6, 7, 8, 9)))  # of the second encoder


def sketch_controls(
    seen: Features, val: Features, *, asked: Asked = STOCK, refit: bool = False
) -> Iterator[Control]:
    """Yield each control but chance, chosen on the validation classes.

    Args:
        seen: the classes that they are fitted on: the tables `sketch` and `image` of a frozen
            encoder, what other views of both the model beside them was trained on, `SECOND` ones
            of another encoder, and `NAMES` or `TEXTS`, as far as there are such.
        val: the classes that choose, with the same tables.
        asked: which tables are compared; more than one where the model averages views.
        refit: fit what was chosen on both, as the model's final weights are.
    """
    yield class_mean_oracle(seen, asks=SKETCH)
    yield from cosine_controls(joined(seen, val) if refit else seen, asked)
    tables = drawn_tables(seen)
    choice, plain = _Choice(seen, val, refit), Fitting(DOMAINS, asked=asked)
    fitting, also = replace(plain, tables=tables), ", views" if len(tables) > len(DOMAINS) else ""
    yield from choice.ridges(plain, {CODES: class_codes})
    codes = {f"{CODES}{also}": class_codes} if also else {}
    texts = {f"ridge onto {name}{also}": targets for name, targets in _texts(seen)}
    yield from choice.ridges(fitting, codes | texts)
    yield choice.of(f"kernel {CODES}{also}", KERNEL_GRID, fitting.kernel_ridge)
    if drawn_tables(seen, second=True):
        yield from _of_two(choice, fitting, also)


@dataclass(frozen=True)
class _Choice:
    """Chooses what is fitted on `seen` by `val`; with a refit, it is fitted on both then."""

    seen: Features
    val: Features
    refit: bool

    def of(self, name: str, grid: Mapping[str, Sequence[float]], fit: Fit) -> Control:
        return selected(name, self.seen, self.val, grid, fit, refit=self.refit, asks=SKETCH)

    def ridges(self, fitting: Fitting, onto: Mapping[str, Targets]) -> Iterator[Control]:
        """Yield the regression onto each of some targets, by name; they share their problem."""
        known: dict[tuple[str, ...], Problem] = {}

        def fit(targets: Targets, features: Features) -> Callable[[Values], Embed]:
            if features.groups not in known:
                known[features.groups] = fitting.ridge(features)
            return known[features.groups].onto(targets(features))

        for name, targets in onto.items():
            yield self.of(name, {"lambda": PENALTIES}, partial(fit, targets))

    def second(self) -> _Choice:
        return _Choice(of_second(self.seen), of_second(self.val), self.refit)


def _texts(features: Features) -> Iterator[tuple[str, Targets]]:
    for table, what in ((NAMES, "class names"), (TEXTS, "class texts")):
        if table in features.tables:
            texts = class_texts(table)
            yield what, texts
            yield f"{what}, half-whitened", half_whitened(texts)


def _of_two(choice: _Choice, fitting: Fitting, also: str) -> Iterator[Control]:
    """Yield what two encoders can: the second alone, features side by side, embeddings summed.

    Each is fitted to the views that there are of it, side by side they are to those of both.
    """
    others = choice.second()
    own = replace(fitting, tables=drawn_tables(others.seen))
    [first] = choice.ridges(fitting, {CODES: class_codes})
    [second] = others.ridges(own, {f"{CODES}, second encoder": class_codes})
    yield replace(second, embed=lambda split: second.embed(of_second(split)))
    common = [table for table in fitting.tables if table in own.tables]
    both = replace(fitting, tables=common, scale=by_both(fitting.scale))
    yield from choice.ridges(both, {f"{CODES}, features of both": class_codes})
    fit = _summed((fitting, own), (first.chosen, second.chosen))
    yield choice.of(f"{CODES}, sum of both{also}", {"share": SHARES}, fit)


def _summed(fittings: tuple[Fitting, Fitting], chosen: tuple[Values, Values]) -> Fit:
    """Return what fits both encoders' regressions by the numbers chosen for each.

    Unit embeddings u and v of a share s are [√(1 - s) u, √s v]: the cosine of two such is
    (1 - s) times that of their u, plus s times that of their v.
    """

    def fit(features: Features) -> Callable[[Values], Embed]:
        one, two = (
            fitting.ridge(own).onto(class_codes(own))(values)
            for fitting, own, values in zip(
                fittings, (features, of_second(features)), chosen, strict=True
            )
        )

        def made(values: Values) -> Embed:
            weights = np.sqrt([1 - values["share"], values["share"]]).astype(np.float32)

            def embed(split: Features) -> tuple[Vectors, Vectors]:
                sides = zip(one(split), two(of_second(split)), strict=True)
                queries, gallery = (np.hstack([weights[0] * u, weights[1] * v]) for u, v in sides)
                return queries, gallery

            return embed

        return made

    return fit
