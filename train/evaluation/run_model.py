"""A run as a model that is judged: frozen encoders by onnxruntime, the trained heads by torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zscr.data.collection import Collection
from zscr.data.records import Query
from zscr.errors import InputError
from zscr.extras import require_extras
from zscr.infer.bundle import GALLERY, spoken, with_gallery
from zscr.infer.evaluation.reranked import Reranked
from zscr.infer.features.encoded import Encoded, encode_tables
from zscr.infer.features.listing import Encoders, encoder_of, is_encoded
from zscr.infer.features.split import load_split
from zscr.infer.features.table_names import field_of
from zscr.infer.reranking import Reranking, Tokens, halved
from zscr.train.evaluation.model import Features, Model
from zscr.train.evaluation.reranking import (
    TOPS,
    Pairing,
    choose_reranking,
    choosing_task,
)
from zscr.train.evaluation.sketches import drawn_below

if TYPE_CHECKING:
    from zscr.train.methods.contract import Head
    from zscr.train.run import Run


def open_run_model(
    folder: Path,
    collection: Path | None,
    settings: Mapping[str, Any],
    split: str,
    first: Model | None = None,
) -> Model:
    """Open a run with its final weights, or with those before the refit for validation classes.

    Args:
        folder: the run.
        collection: another one than it was trained on.
        settings: of its heads, such as `{"noise_samples": 8}`.
        split: that it is judged on: a refit has been fitted to the validation classes.
        first: a run opened before, whose features are shared if they are the same.
    """
    require_extras("judging a run", "train", "cpu")
    from zscr.train.methods.settings import make_head_settings
    from zscr.train.run import open_run
    from zscr.train.sources import load_sources

    run = open_run(folder.resolve())
    method = run.load_selected() if split == "val" else run.load_model()
    chosen = make_head_settings(run.method, method, settings)
    about = _about(run, chosen, refitted=run.refitted and split != "val")
    found, encoders = load_sources(run, collection)
    shared = first and first.about["sources"] == about["sources"] and first.features
    features = shared or _class_features(found, encoders)
    embedder = _Embedder(run, method.heads(**chosen), encoders, found)
    return Model(
        run.folder,
        about,
        found,
        [*embedder.takes],
        embedder.holds,
        embedder.encode,
        embedder.encode_gallery,
        features,
        partial(drawn_below, run, found, encoders, embedder.ports, refit=about["refitted"]),
        embedder.encode_feature if embedder.feature else None,
        pairing=cache(lambda: embedder.pairing(lambda: choose_of_run(run.folder, settings))),
    )


def choose_of_run(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Choose how a run re-ranks, with the weights from before any refit; see `choose_reranking`.

    Where there are no queries to choose by, `kept` is false and `why` says so.

    Raises:
        InputError: the method has no head that re-ranks.
        ArtefactError: the run was adapted from a refitted one, which has seen these classes.
    """
    model = open_run_model(folder, None, settings, "val")
    assert model.pairing is not None
    pairing = model.pairing()
    task = choosing_task(model.collection, pairing.fields)
    if task is None:
        why = f"{model.collection.folder} has no validation queries of {spoken(pairing.fields)}"
        return {"graph": pairing.name, "kept": False, "top": 1, "mix": 1.0, "gain": 0.0, "why": why}
    ranked = model.rank(task, reranking=Reranking(max(TOPS)))
    assert isinstance(ranked, Reranked), "it is what was asked for"
    return choose_reranking(pairing.name, ranked)


def _class_features(collection: Collection, encoders: Encoders) -> Features | None:
    """Return what loads a split's images and texts by class, whatever the method itself needs.

    None where the run has no encoder of one of them, nor published vectors.
    """
    from zscr.train.methods.contract import Need

    needs = (Need("image"), Need("text"))
    if not all(is_encoded(need.table, encoders) for need in needs):
        return None
    return cache(lambda split: load_split(collection, split, needs, encoders))


def _about(run: Run, head_settings: Mapping[str, Any], *, refitted: bool) -> dict[str, Any]:
    """Return what reports say of a run."""
    from zscr.train.methods.settings import as_dict, selection
    from zscr.train.run import versions

    about = {"kind": "run", "method": run.method, "seed": run.config.seed}
    final = refitted or run.adapted
    about |= {"selection": run.selection if final else selection(run.config)}
    about |= {"refitted": refitted, "last": run.last, "best": run.best}
    about |= {"versions": versions(), "sources": dict(run.sources), "config": as_dict(run.config)}
    about |= {"weights": {"run_sha256": run.read_from, "step": run.best and run.best["step"]}}
    return about | {"head_settings": dict(head_settings)}


class _Embedder:
    """Runs a run's heads on queries, whose features are cached beside the collection."""

    def __init__(
        self, run: Run, heads: Mapping[str, Head], encoders: Encoders, collection: Collection
    ) -> None:
        from zscr.train.heads import feature_of

        self.run, self.encoders, self.collection = run, encoders, collection
        self.heads, self.gallery = heads, heads[GALLERY]
        self.feature = feature_of(self.gallery)
        self.holds = self._fields(self.gallery)
        queries = [head for head in heads.values() if head.role == "query"]
        own = {self._fields(head): head for head in queries}
        self.takes = with_gallery(own, self.holds, self.gallery)
        self.ports = [port.name for head in (*queries, self.gallery) for port in head.ports]

    def _fields(self, head: Head) -> frozenset[str]:
        return frozenset(self._field(port.name) for port in head.ports)

    def _field(self, table: str) -> str:
        """Return the field of a query that a table's rows are made of."""
        return field_of(table) if encoder_of(table, self.encoders) else "vector"

    def encode(self, queries: Sequence[Query]) -> Encoded:
        """Embed queries that fill the same fields, which `takes` holds."""
        return self._embed(self.takes[queries[0].fields], queries)

    def encode_gallery(self, queries: Sequence[Query]) -> Encoded:
        """Embed gallery items."""
        return self._embed(self.gallery, queries)

    def encode_feature(self, queries: Sequence[Query]) -> Encoded:
        """Return the image features of gallery items, where the gallery has such."""
        assert self.feature is not None
        return self._embed(self.feature, queries)

    def pairing(self, chosen: Callable[[], Mapping[str, Any]]) -> Pairing:
        """Return what re-ranks; `chosen` is asked for its mix.

        Raises:
            InputError: the method has no such head.
        """
        from zscr.train.heads import tokens_of
        from zscr.train.pairs import pair_of, run_pair

        if (found := pair_of(self.heads)) is None:
            raise InputError(f"{self.run.folder} has no head that re-ranks; leave --rerank out")
        name, head = found
        query, gallery = (self.heads[port.name] for port in head.ports)

        def tokens(of: Head, queries: Sequence[Query]) -> Tokens:
            giving = tokens_of(of)
            assert giving is not None, "check_pair has let it pass"
            return halved(self._embed(giving, queries).rows)

        asked, images = partial(tokens, query), partial(tokens, gallery)
        fields = self._fields(query)
        return Pairing(name, fields, asked, images, partial(run_pair, head), cache(chosen))

    def _embed(self, head: Head, queries: Sequence[Query]) -> Encoded:
        from zscr.train.heads import run_head
        from zscr.train.soundness import check_shapes

        names = [port.name for port in head.ports]
        found, places = encode_tables(names, queries, self.encoders, self.collection)
        shapes = {name: rows.shape[1:] for name, rows in found.items()}
        check_shapes(self.run.folder, self.run.shapes, shapes)
        return replace(places, rows=run_head(head, [*found.values()], "cpu"))
