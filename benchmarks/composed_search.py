"""What fused search costs over an index, and that it is exact: against scoring every image.

    python benchmarks/composed_search.py --images 10000 100000
    python benchmarks/composed_search.py --images 20000 --search hnsw --dim 128

Two synthetic galleries. `random` rows are all around, the hardest case: nothing is near anything.
Rows `of things` are of a thing in a style, about 25 things times 8 styles each, with an offset
between texts and images, as dual encoders have it; a query is an image of a thing in one style, and
a text that names another. Each query is answered by one vector (average) and by every fusion, in
turns; times are medians of the processor's. What fused search finds is compared with what scoring
every image finds, row by row: `exact` is the share of queries with the same ten images in the same
order, 1 but where HNSW misses a candidate.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe

from zscr.infer.composed.gallery import IndexGallery
from zscr.infer.composition.affine import Affine, affine
from zscr.infer.composition.basic import HARRIS, divisors
from zscr.infer.composition.candidates import START, Found, search_fused
from zscr.infer.composition.composition import Fusion
from zscr.infer.composition.fusion import Moments
from zscr.infer.composition.statistics import Statistics
from zscr.infer.index.entry import Entry
from zscr.infer.index.index import Index

RESULTS = Path(__file__).parent / "results" / "composed_search.json"
THINGS, STYLES, K, WARM = 500, 8, 10, 3
FUSIONS = {"product": Fusion("product"), "weicom": Fusion("cdf", value=0.5), "basic": HARRIS}
Arrays = tuple[Any, Any, Any]  # gallery (N, D), images and texts of queries (Q, D): unit rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--search", choices=["exact", "hnsw"], default="exact")
    parser.add_argument("--start", type=int, default=START, help="candidates a list at first")
    arguments = parser.parse_args()
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for count in arguments.images:
        for kind, make in (("random", random_rows), ("of things", rows_of_things)):
            made = make(count, arguments.dim, arguments.queries)
            found = measured(made, arguments.search, arguments.start)
            name = f"{count} {kind}, {arguments.dim} numbers, {arguments.search}"
            print(name, json.dumps(found, indent=1), flush=True)
            result[name] = {"start": arguments.start, **found, "machine": describe()}
            RESULTS.write_text(json.dumps(result, indent=1) + "\n")


def unit(rows: Any) -> Any:
    """Return rows divided by their lengths."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def random_rows(count: int, dim: int, queries: int) -> Arrays:
    """Return rows in random directions."""
    rng = np.random.default_rng(0)
    sizes = (count, queries, queries)
    gallery, images, texts = (unit(rng.standard_normal((n, dim), np.float32)) for n in sizes)
    return gallery, images, texts


def rows_of_things(count: int, dim: int, queries: int) -> Arrays:
    """Return images of things in styles, and queries of an image and the name of another style."""
    rng = np.random.default_rng(1)
    things, styles = (rng.standard_normal((n, dim), np.float32) for n in (THINGS, STYLES))
    gap = rng.standard_normal(dim).astype(np.float32)

    def images(thing: Any, style: Any) -> Any:
        noise = rng.standard_normal((len(thing), dim), np.float32)
        return unit(things[thing] + 0.7 * styles[style] + noise + gap)

    gallery = images(rng.integers(THINGS, size=count), rng.integers(STYLES, size=count))
    asked = rng.integers(STYLES, size=queries)
    texts = styles[(asked + 1) % STYLES] + 0.5 * rng.standard_normal((queries, dim)) + 0.3 * gap
    return gallery, images(rng.integers(THINGS, size=queries), asked), unit(texts)


def measured(made: Arrays, search: str, start: int) -> dict[str, Any]:
    """Index a gallery and ask it."""
    gallery, images, texts = made
    with tempfile.TemporaryDirectory() as folder:
        index = Index.create(
            Path(folder) / "index",
            space="s",
            bundle_name="synthetic",
            entries=[Entry(str(number), "0") for number in range(len(gallery))],
            vectors=gallery,
            search=search,  # type: ignore[arg-type]
        )
        held = IndexGallery(index.now, exact_up_to=0 if search == "hnsw" else len(gallery))
        known = Statistics(np.asarray(index.now.vectors))
        ways = {name: [*channels_of(name, images, texts, known)] for name in FUSIONS}
        return {"search": index.how, **asked(index, held, images + texts, ways, start)}


def channels_of(
    name: str, images: Any, texts: Any, known: Statistics
) -> Iterator[tuple[Affine, Moments | None]]:
    """Yield each channel of a fusion, with its moments where that asks for them."""
    if name != "basic":
        for rows in (images, texts):
            channel = affine(rows)
            moments = channel.moments(known.mean, known.covariance)
            yield channel, moments if name == "weicom" else None
        return
    centred = images - known.mean, texts - texts.mean(axis=0)
    minima = known.least(), known.least(centred[1])
    for rows, low, size in zip(centred, minima, divisors(minima, "first"), strict=True):
        yield affine(rows, known.mean).normalised(low, size), None


def asked(
    index: Index, held: IndexGallery, sums: Any, ways: dict[str, Any], start: int
) -> dict[str, Any]:
    """Ask each query in every way, in turns; return what it took, and whether it was exact."""
    vectors, found = unit(sums), {name: list[tuple[Found, float]]() for name in ways}
    plain, same = list[float](), {name: list[bool]() for name in ways}
    for query in range(len(vectors)):
        begun = time.process_time()
        index.search(vectors[query : query + 1], K)
        plain.append(time.process_time() - begun)
        for name, pairs in ways.items():
            own = [one.of(query) for one, _ in pairs]
            rows = slice(query, query + 1)
            moments = [(m[0][rows], m[1][rows]) for _, m in pairs if m is not None] or None
            how: dict[str, Any] = {"moments": moments}
            begun = time.process_time()
            one = search_fused(held, own, FUSIONS[name], K, start=start, **how)
            found[name].append((one, time.process_time() - begun))
            true = search_fused(held, own, FUSIONS[name], K, whole=1 << 62, **how)
            same[name].append(one.rows.tolist() == true.rows.tolist())
    one_vector = 1e3 * float(np.median(plain[WARM:]))
    about = {name: summary(found[name], same[name], one_vector) for name in ways}
    return {"one vector ms": round(one_vector, 3), **about}


def summary(found: list[tuple[Found, float]], same: list[bool], plain: float) -> dict[str, Any]:
    """Return medians of one way, and the share that is exact."""
    spent = 1e3 * float(np.median([seconds for _, seconds in found[WARM:]]))
    listed = [one.listed for one, _ in found if one.listed]
    return {
        "ms": round(spent, 3),
        "times one vector": round(spent / plain, 1),
        "exact": float(np.mean(same)),
        "list": {"median": float(np.median(listed)), "max": max(listed)} if listed else None,
        "images read": float(np.median([one.read for one, _ in found])),
        "read whole": sum(one.whole for one, _ in found),
    }


if __name__ == "__main__":
    main()
