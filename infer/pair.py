"""What a bundle re-ranks with: its graph of role `pair`, and the graphs whose tokens it takes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.artefact import verify
from zscr.data.records import Query
from zscr.errors import ArtefactError, InputError
from zscr.infer.bundle import GALLERY, Bundle
from zscr.infer.bundle_manifest import fields_of, graph_file, pair_name
from zscr.infer.encoder import Encoder, Rows
from zscr.infer.reranking import BLOCK, Logits, Tokens, halved


def encode_tokens(encoder: Encoder, queries: Sequence[Query], batch_size: int = 32) -> Tokens:
    """Return the tokens (N, L, W) of queries, a batch at a time: whole numbers take twice as much.

    Raises:
        InputError: a query cannot be prepared.
    """
    starts = range(0, len(queries), batch_size)
    blocks = [halved(encoder.encode(queries[start : start + batch_size])) for start in starts]
    return np.concatenate([np.empty((0, *encoder.row_shape), np.float16), *blocks])


class Pair:
    """Compares a query with images, token by token.

    Attributes:
        name: of the graph of role `pair`; bundle: that has it.
        query: what gives a query's embedding and tokens, (B, dim + L W); see `split`.
        asked: what gives its tokens alone, (B, L, W); gallery: an image's, (B, M, W).

    Raises:
        InputError: the bundle has none; says why, where that is known.
        ArtefactError: a file of it is missing or damaged, or the graph gives something else than
            its entry says.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle, self.name = bundle, require_pair(bundle)
        entry, file = bundle.graphs[self.name], graph_file(bundle.manifest, self.name)
        verify(bundle.folder, bundle.manifest, [file])
        self.path = bundle.folder / file
        self._names = [str(spec["names"][0]) for spec in entry["inputs"]]
        self._output = str(entry["output"])
        self.runner = bundle.runner(self.name)
        if self._output not in self.runner.outputs:
            raise ArtefactError(f"{self.path} has no output '{self._output}'; make it again")
        self.gallery = bundle.encoder(GALLERY, "tokens")
        self._query = str(entry["inputs"][0]["graph"])

    @cached_property
    def query(self) -> Encoder:
        """See the attributes."""
        return self.bundle.encoder(self._query, "output", "tokens")

    @cached_property
    def asked(self) -> Encoder:
        """See the attributes."""
        return self.bundle.encoder(self._query, "tokens")

    @property
    def fields(self) -> frozenset[str]:
        """The fields of the queries that it compares."""
        return fields_of(self.bundle.graphs[self._query])

    def split(self, rows: Rows) -> tuple[Rows, Tokens]:
        """Return the embeddings (B, dim) and the tokens (B, L, W) of rows of `query`."""
        dim = self.bundle.dim
        return rows[:, :dim], halved(rows[:, dim:]).reshape(len(rows), *self.query.shapes[1])

    def logits(self, asked: Tokens, found: Tokens) -> Logits:
        """Compare a query's tokens (L, W) with those of images (N, M, W) -> logits (N,).

        Raises:
            ArtefactError: the graph does not take such tokens, or gives something else.
        """
        starts = range(0, len(found), BLOCK)
        blocks = [self._run(asked[None], found[start : start + BLOCK]) for start in starts]
        return np.concatenate([np.empty(0), *blocks])

    def _run(self, asked: Tokens, found: Tokens) -> Logits:
        feeds = {
            name: tokens.astype(np.float32)
            for name, tokens in zip(self._names, (asked, found), strict=True)
        }
        logits: npt.NDArray[Any] = self.runner.run(feeds)[self._output]
        if logits.shape != (len(found),) or not np.isfinite(logits).all():
            raise ArtefactError(
                f"{self.path} gives '{self._output}' of shape {logits.shape} for {len(found)} "
                f"images, or no finite numbers; make it again"
            )
        return logits.astype(np.float64)


def require_pair(bundle: Bundle) -> str:
    """Return the name of the graph that re-ranks.

    Raises:
        InputError: there is none; says why, where that is known.
    """
    if name := pair_name(bundle.manifest):
        return name
    told = bundle.manifest.body.get("reranking") or {}
    why = f": on the validation classes it changed mAP by {told['gain']:+.3f}" if told else ""
    why = f": {told['why']}" if "why" in told else why  # there it was not tried
    raise InputError(
        f"the bundle {bundle.name} has no graph that re-ranks{why}; leave --rerank out, or use a "
        f"bundle that has one"
    )
