"""A bundle as a model of the package mteb: its retrieval tasks of texts and images, without torch.

    import mteb
    from zscr.infer.mteb import BundleSearch

    tasks = [mteb.get_task("Flickr30kT2IRetrieval")]
    mteb.evaluate(BundleSearch("models/clip-vit-base-patch32"), tasks)

It is mteb's `SearchProtocol`: mteb gives a corpus and queries, and gets each query's best documents
back with their cosines. Every side is embedded by the graph that takes its fields, and queries of
an image and a text, where there is none, by the bundle's first composition that makes one vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zscr.data.records import Query
from zscr.errors import InputError
from zscr.extras import require_extras
from zscr.infer.bundle import SAME_IMAGE, Bundle, spoken
from zscr.infer.composed.embedding import Embedding
from zscr.infer.encoder import Encoder, Rows
from zscr.infer.evaluation.ranking import rank, scored_blocks

if TYPE_CHECKING:
    from mteb.models.model_meta import ModelMeta

BATCH = 32
TEXT = frozenset({"text"})
_BESIDE_TEXT = {"query": ("text", "instruction"), "document": ("title", "text")}


class Dataset(Protocol):
    """What is used of a `datasets.Dataset`."""

    column_names: list[str]

    def __len__(self) -> int:
        """Return the number of rows."""

    def iter(self, batch_size: int) -> Iterator[Mapping[str, list[Any]]]:
        """Yield some rows at a time, as a list a column."""


class BundleSearch:
    """Searches a corpus of images, or of texts, with a bundle's graphs.

    Attributes:
        bundle: an opened bundle, or its folder.
    """

    def __init__(self, bundle: Bundle | Path | str) -> None:
        self.bundle = bundle if isinstance(bundle, Bundle) else Bundle.open(Path(bundle))
        self._ids: list[str] = []
        self._rows: Rows | None = None

    @property
    def mteb_model_meta(self) -> ModelMeta:
        """What mteb says of the model; its revision is the hash of the bundle."""
        require_extras("a task of mteb's", "mteb")
        from mteb.models.model_meta import ModelMeta, ScoringFunction

        fields = {field for fields in self.bundle.takes for field in fields}
        modalities: list[Any] = sorted(fields & {"text", "image"})
        return ModelMeta(
            loader=None,
            name=f"zscr/{self.bundle.name}",
            revision=self.bundle.manifest.sha256[:12],
            release_date=None,
            languages=None,
            n_parameters=None,
            memory_usage_mb=None,
            max_tokens=None,
            embed_dim=self.bundle.dim,
            license=None,
            open_weights=None,
            public_training_code=None,
            public_training_data=None,
            framework=["ONNX"],
            similarity_fn_name=ScoringFunction.COSINE,
            use_instructions=False,
            training_datasets=None,
            modalities=modalities,
        )

    def index(
        self, corpus: Dataset, *, task_metadata: Any, encode_kwargs: Mapping[str, Any], **_: Any
    ) -> None:
        """Embed a corpus, which later searches are over.

        Args:
            corpus: with the columns `id` and, as the task says, `image`, or `text` and `title`.
            task_metadata: mteb's, which says what documents are made of.
            encode_kwargs: with `batch_size`, if any.

        Raises:
            InputError: the bundle cannot embed such documents, or one cannot be used.
        """
        fields = _fields(task_metadata, "document")
        encoder = self._document_encoder(fields, task_metadata.name)
        self._ids, self._rows = _embedded(corpus, "document", fields, encoder, encode_kwargs)

    def search(
        self,
        queries: Dataset,
        *,
        task_metadata: Any,
        top_k: int,
        encode_kwargs: Mapping[str, Any],
        top_ranked: Mapping[str, Sequence[str]] | None = None,
        **_: Any,
    ) -> dict[str, dict[str, float]]:
        """Return each query's best documents with their cosines, by ids.

        Args:
            queries: with the columns `id` and, as the task says, `text`, `image` or both.
            task_metadata: mteb's, which says what queries are made of.
            top_k: documents a query.
            encode_kwargs: with `batch_size`, if any.
            top_ranked: query id -> the ids of the documents that alone are ranked for it.

        Raises:
            InputError: the bundle does not take such queries, one cannot be used, or no corpus has
                been indexed.
        """
        if self._rows is None:
            raise InputError("no corpus has been indexed; call index before search")
        fields = _fields(task_metadata, "query")
        encoder = self._query_encoder(fields)
        ids, rows = _embedded(queries, "query", fields, encoder, encode_kwargs)
        found: dict[str, dict[str, float]] = {}
        places = {name: place for place, name in enumerate(self._ids)}
        for start, scores in scored_blocks(rows, self._rows):
            names = ids[start : start + len(scores)]
            if top_ranked is not None:
                scores = np.where(_asked(names, top_ranked, places), scores, -np.inf)
            for name, row, order in zip(names, scores, rank(scores)[:, :top_k], strict=True):
                best = order[np.isfinite(row[order])].tolist()
                found[name] = {self._ids[place]: float(row[place]) for place in best}
        return found

    def _query_encoder(self, fields: frozenset[str]) -> Encoder | Embedding:
        """Return the graph for queries, or what composes several of their fields to one vector."""
        if fields in self.bundle.composed and fields not in self.bundle.takes:
            return Embedding(self.bundle, fields)
        return self.bundle.route(fields)

    def _document_encoder(self, fields: frozenset[str], task: str) -> Encoder:
        """Return the graph for documents: the gallery's for images, the texts' own for texts."""
        if fields == SAME_IMAGE == self.bundle.gallery.fields:
            return self.bundle.gallery
        if fields == TEXT and TEXT in self.bundle.takes:
            return self.bundle.route(TEXT)
        raise InputError(
            f"'{self.bundle.name}' cannot embed documents of {spoken(fields)}, which the task "
            f"{task} has; choose one whose documents are images, or texts where it answers texts"
        )


def _fields(task_metadata: Any, side: str) -> frozenset[str]:
    """Return what a `query` or a `document` of a task is made of, such as `{"text"}`."""
    return frozenset(task_metadata.get_modalities(side))  # mteb's names of sides are strings


def _embedded(
    rows: Dataset,
    side: str,
    fields: frozenset[str],
    encoder: Encoder | Embedding,
    encode_kwargs: Mapping[str, Any],
) -> tuple[list[str], Rows]:
    """Return ids and unit rows (N, D)."""
    lacking = sorted({"id", *fields} - {*rows.column_names})
    if lacking or not len(rows):
        has = f"lack the column '{lacking[0]}'" if len(rows) else "are none"
        raise InputError(f"the task's rows of kind {side} {has}; correct the task")
    ids: list[str] = []
    blocks = []
    for batch in rows.iter(batch_size=int(encode_kwargs.get("batch_size", BATCH))):
        values = {field: batch[field] for field in fields}
        if "text" in fields:
            values["text"] = _texts(batch, side)
        queries = [
            Query(str(name), **{field: column[place] for field, column in values.items()})
            for place, name in enumerate(batch["id"])
        ]
        ids += [query.id for query in queries]
        blocks.append(encoder.encode(queries))
    return ids, np.concatenate(blocks)


def _texts(batch: Mapping[str, list[Any]], side: str) -> list[str]:
    """Join a document's title and text, or a query's text and instruction, as mteb does."""
    columns = [batch[name] for name in _BESIDE_TEXT[side] if name in batch]
    return [
        " ".join(part for part in parts if part).strip() for parts in zip(*columns, strict=True)
    ]


def _asked(
    names: Sequence[str], top_ranked: Mapping[str, Sequence[str]], places: Mapping[str, int]
) -> Any:
    """Return (B, G) which documents are ranked for each query."""
    asked = np.zeros((len(names), len(places)), np.bool_)
    for row, name in enumerate(names):
        asked[row, [places[document] for document in top_ranked[name]]] = True
    return asked
