"""How controls are chosen: every value of a grid on the validation classes, then a refit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product

from zscr.infer.evaluation.controls.control import Control, Features
from zscr.infer.evaluation.embedded import Embedded, Vectors, split_task
from zscr.infer.features.table import joined

Embed = Callable[[Features], tuple[Vectors, Vectors]]
Values = Mapping[str, float]
Fit = Callable[[Features], Callable[[Values], Embed]]


def selected(
    name: str,
    seen: Features,
    val: Features,
    grid: Mapping[str, Sequence[float]],
    fit: Fit,
    *,
    refit: bool = False,
    margin: float = 0.0,
    figure: str = "mAP",
    asks: str = "text",
) -> Control:
    """Return the control whose hyper-parameters do best on the validation classes.

    Args:
        name: of the control.
        seen: the classes it is fitted on; val: those that choose.
        grid: hyper-parameter -> the values to try, the default first.
        fit: takes classes to fit on and returns what makes an embedding of hyper-parameters.
        refit: fit the chosen values on both, as a method's final weights are.
        margin: of the figure, by which the first values of the grid must be beaten.
        figure: that they are judged by, of a report.
        asks: the table whose rows are the queries.

    Returns:
        The control; `chosen` holds the figure on the validation classes before any refit, such as
        `val_mAP`, the values, and for each whether it is at the edge of its grid, beyond which a
        better one may lie.
    """
    make, task = fit(seen), split_task(val, "val", queries=asks)

    def judge(values: Values) -> float:
        return Embedded(task, *make(values)(val)).figure(figure)

    best, chosen = best_of(grid, judge, margin=margin, figure=figure)
    final = fit(joined(seen, val)) if refit else make
    return Control(name, final(best), chosen, asks)


def best_of(
    grid: Mapping[str, Sequence[float]],
    judge: Callable[[Values], float],
    *,
    margin: float = 0.0,
    figure: str = "mAP",
) -> tuple[Values, dict[str, float | bool]]:
    """Return the values of a grid that do best, and what a report says of the choice.

    Args:
        grid: hyper-parameter -> the values to try, the default first.
        judge: returns the figure of values on what chooses.
        margin: of the figure, by which the first values of the grid must be beaten.
        figure: its name.

    Returns:
        The values; and `val_<figure>`, the values again, and for each whether it is at the edge of
        its grid.
    """
    tried = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    quality = [judge(values) for values in tried]
    best = max(range(len(tried)), key=quality.__getitem__)
    if quality[best] < quality[0] + margin:
        best = 0
    chosen: dict[str, float | bool] = {f"val_{figure}": quality[best]}
    for key, value in tried[best].items():
        chosen |= {key: value, f"{key}_at_edge": at_edge(value, grid[key])}
    return tried[best], chosen


def at_edge(value: float, grid: Sequence[float]) -> bool:
    """Say whether a chosen value is the least or the greatest that could be chosen."""
    return len(grid) > 1 and value in (min(grid), max(grid))
