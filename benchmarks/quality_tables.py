"""The tables of `zscrgan_quality.py`'s results: one of all collections, and one of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markdown import head, row, with_interval, with_spread

Result = Mapping[str, Any]
# What each row of a collection's table has that the rows above it lack.
RESTS_ON = {
    "random ranking": "nothing",
    "ridge": "a linear map, features as they are",
    "ridge, preprocessed": "a linear map; rooted images of length 1, whitened texts",
    "ESZSL, preprocessed": "the same, penalised on both sides",
    "kernel ridge": "the same features, a Gaussian kernel",
    "linear dual encoder": "two linear maps, InfoNCE; either form of the features",
    "zscrgan before round 1": "the kernel, and an imagined image in the query where folds say so",
    "zscrgan without the critic": "EM whose generator has no critic",
    "zscrgan without the imagined part of a query": "EM, the query its latent alone",
    "zscrgan": "EM with generator, critic and mapper: the method",
    "kernel ridge, expanded": "the gallery's images: the kernel, asked again with the top 5",
    "zscrgan, expanded": "the gallery's images: asked again with the top 5",
    "kernel ridge, diffused": "the gallery's images: the kernel, diffused over neighbours",
    "zscrgan, diffused": "the gallery's images: embeddings diffused over neighbours",
    "class-mean oracle": "the images that are sought: a bound, no model",
}
README = ("zscrgan", "zscrgan, diffused", "kernel ridge", "ridge", "linear dual encoder")
README += ("random ranking",)


def overview(results: Sequence[Result], corner: str) -> str:
    """A row a collection: the method, with the gallery's help, and what it must beat."""
    lines = head(corner, README)
    for result in results:
        shown = [mean(result["rows"][name], "mAP") for name in README]
        lines.append(row(f"`{result['collection']}`", shown))
    return "\n".join(lines)


def full(result: Result) -> str:
    """Every row of one collection, what it rests on, and how far the method is ahead of it."""
    columns = ["mAP", "Prec@10", "zscrgan less it, mAP [95 %]", "generalised, harmonic", "rests on"]
    lines = head(f"`{result['collection']}`", columns)
    for name, words in RESTS_ON.items():
        found = result["rows"][name]
        generalised = found.get("generalised", {}).get("harmonic", {}).get("mAP")
        shown = [mean(found, "mAP"), mean(found, "Prec@10 macro"), ahead(found)]
        shown += ["" if generalised is None else f"{generalised:.3f}", words]
        lines.append(row(name, shown))
    seeds, rounds = result["seeds"], ", ".join(map(str, result["rounds"]))
    about = f"{result['queries']} queries, {result['gallery']} images, {result['groups']} classes; "
    about += f"{len(seeds)} seeds, whose validation classes chose rounds {rounds}."
    return "\n".join([*lines, "", about])


def mean(found: Mapping[str, Any], figure: str) -> str:
    """A figure, with its deviation over seeds where there are several."""
    return with_spread(found["figures"][figure], found["sd"].get(figure))


def ahead(found: Mapping[str, Any]) -> str:
    """The paired difference, on the same queries, of the method with as much of the gallery."""
    if "difference" not in found:
        return ""
    return with_interval(found["difference"]["mean"], *found["difference"]["interval"])
