"""What expansion loses to candidates and to float16, on the folds of `gallery_folds.py`.

    python benchmarks/gallery_limits.py sketchy25-clip

The gallery holds a fold's images and all images of the classes that were trained on. Of the scores
again only the best by embedding are taken, as where HNSW finds them, and the top 10 compared with
those of all; then features are rounded to float16, as an index keeps them.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
from gallery_folds import FOLDS, Mapper, load, taken
from machine import describe

from zscr.infer.index.exact import Rows, Vectors, search_exact
from zscr.infer.index.expansion import Expansion, search_candidates, search_expanded

RESULTS = Path(__file__).parent / "results"
SHARES = (0.01, 0.03, 0.1, 0.3)
K = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collection")
    name = parser.parse_args().collection
    split, found = load(name), defaultdict(list)
    order = np.random.default_rng(100).permutation(len(split.groups))
    for held in np.array_split(order, FOLDS):
        rest = np.setdiff1d(order, held)
        mapper = Mapper(taken(split, rest))
        both = mapper.embed(taken(split, held)).with_gallery_of(mapper.embed(taken(split, rest)))
        assert both.features is not None
        answer = partial(top, both.gallery, both.queries)
        every = answer(both.features)
        halves = both.features.astype(np.float16)
        found["float16"].append(agreement(answer(halves.astype(np.float32)), every))
        for share in SHARES:
            few = answer(both.features, round(share * len(both.gallery)))
            found[f"best {share:.0%} by embedding"].append(agreement(few, every))
    result = {label: float(np.mean(values)) for label, values in found.items()}
    print(len(both.gallery), result)
    about = {"collection": name, "gallery": len(both.gallery), "top 10 as with all": result}
    about["machine"] = describe()
    (RESULTS / "gallery_limits.json").write_text(json.dumps(about, indent=1) + "\n")


def top(
    vectors: Vectors, queries: Vectors, features: Vectors, candidates: int | None = None
) -> Rows:
    """Return each query's ten best rows."""
    expansion = Expansion(5)
    if candidates is None:
        return search_expanded(vectors, features, queries, K, expansion).rows
    pool = search_exact(vectors, queries, candidates).rows
    return search_candidates(vectors, features, queries, K, expansion, pool).rows


def agreement(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return the share of the wanted rows that were found."""
    return float(np.mean([len(set(a) & set(b)) / K for a, b in zip(found, wanted, strict=True)]))


if __name__ == "__main__":
    main()
