"""A bundle and an index together: queries in, images out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from zscr.data.records import Query, Refused
from zscr.disk import reading_faults
from zscr.errors import ArtefactError, ConfigError
from zscr.infer.answers.answer import Answer, refusal
from zscr.infer.batches import batches
from zscr.infer.bundle import Bundle
from zscr.infer.columns import Wanted, make_queries
from zscr.infer.found import Found, answer_of
from zscr.infer.index.follower import Follower
from zscr.infer.index.index import Index
from zscr.infer.index.only import ALL, Only, Where
from zscr.infer.lookup import Lookup
from zscr.infer.nearest import Nearest
from zscr.infer.runners.runner import Runtime

if TYPE_CHECKING:
    from PIL import Image

    from zscr.infer.index.on_device.search import DeviceSearch

BATCH = 32
Refresh = Literal["auto", "never"]


class Searcher:
    """Answers queries over one index: texts, images, sketches, or several of them at once.

    Attributes:
        bundle: the model, which decides what a query may be made of.
        index: the images that are found; nearest: what searches for them.
    """

    def __init__(
        self,
        bundle: Bundle,
        index: Index,
        refresh: Refresh = "auto",
        *,
        queries: int | None = None,
        device: DeviceSearch | None = None,
    ) -> None:
        """Answer over an index that is open.

        Args:
            bundle: the model; index: its images; refresh, queries: see `open`.
            device: what searches; None is a GPU where the bundle's graphs run on one, else the CPU.
        """
        if refresh not in ("auto", "never"):
            raise ConfigError(f"refresh '{refresh}' is unknown; use auto or never")
        self.bundle, self.index = bundle, index
        self.nearest = Nearest(index, bundle.runtime, queries, device)
        follower = Follower(index) if refresh == "auto" else None
        self._lookup = Lookup(bundle, index, follower, self.nearest)

    @classmethod
    def open(
        cls,
        bundle: Path,
        index: Path | None = None,
        runtime: Runtime | None = None,
        refresh: Refresh = "auto",
        *,
        queries: int | None = None,
    ) -> Searcher:
        """Open a bundle and an index (default: the one that stands beside the bundle).

        Args:
            bundle: its folder; index: its folder.
            runtime: how graphs are run.
            refresh: `auto` looks, before each batch, whether another process has changed the index,
                and answers from the new generation. If that cannot be used, the one in memory goes
                on, and a note of each answer says so. `never` stays with what was opened.
            queries: how many will be asked in all, if that is known. Where they are few, exact
                search answers them, which takes less time than loading HNSW.

        Raises:
            ArtefactError: one of them is absent or damaged.
            MismatchError: the index holds the embeddings of another gallery graph.
            ConfigError: another `refresh`.
        """
        return cls.of(Bundle.open(bundle, runtime), index, refresh, queries=queries)

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        index: Path | None = None,
        refresh: Refresh = "auto",
        *,
        queries: int | None = None,
    ) -> Searcher:
        """Open an index for a bundle that is open already; see `open`."""
        folder = index or bundle.index_folder
        with reading_faults(folder):
            there = folder.exists()
        if not there:
            raise ArtefactError(f"there is no index {folder}; make it with 'zscr index add'")
        return cls(bundle, Index.open(folder, space=bundle.space), refresh, queries=queries)

    @property
    def how(self) -> str:
        """One sentence: how the index is searched, and why."""
        return self.nearest.how

    def search(
        self,
        texts: str | Sequence[str] | None = None,
        *,
        images: str | Path | Image.Image | Sequence[str | Path | Image.Image] | None = None,
        sketches: str | Path | Image.Image | Sequence[str | Path | Image.Image] | None = None,
        instead_of: str | Sequence[str | None] | None = None,
        compose: str | Sequence[str | None] | None = None,
        k: int = 10,
        expand: int | None = None,
        min_score: float | None = None,
        exclude_self: bool = False,
        rerank: int | None = None,
        where: Where | None = None,
    ) -> list[Answer]:
        """Answer B queries, numbered from 1, with their k nearest images each, best first.

        What is given together makes one query a row: `search(["in red"], images=["shoe.jpg"])`
        asks by a text and an image at once, for which the bundle has one or several compositions.
        A single text or image is one query, and its answer a list of one.

        A query that cannot be read, such as a text without any word that the model knows or an
        image that cannot be decoded, costs the others nothing: its answer has an `error`.

        Args:
            texts: (B,) captions, or what is to be different about the images.
            images: (B,) files, or images that are open already.
            sketches: (B,) likewise.
            instead_of: (B,) what the texts replace on the images, which is then subtracted; None in
                a row, or for all, where it is not said.
            compose: the composition's name, one for all or (B,); None leaves it to the bundle.
            k: how many images to find, fewer if the index holds fewer.
            expand: ask again with the mean image feature of so many of the best images (see
                `Expansion`); scores are then means of two cosines.
            min_score: leave out images that score less.
            exclude_self: an image may find itself; this leaves out what has the content of a file
                that the query is made of (of an image that is open already it is not known).
            rerank: re-rank so many of the best images by comparing tokens, 0 for none; None does
                what the bundle says. Scores are then the re-ranking's (see `Reranking`).
            where: attribute -> values: only images that have one of these are looked at.

        Raises:
            InputError: nothing is given or not as many of each, a value is no text or image or is
                empty, the bundle does not take or compose such queries, k, expand, rerank or
                min_score is no such number, the index cannot expand queries so, or the bundle
                cannot re-rank.
        """
        columns = {"text": texts, "image": images, "sketch": sketches, "instead_of": instead_of}
        queries = make_queries(columns, compose)
        found = self.answers(
            queries,
            k,
            expand=expand,
            min_score=min_score,
            exclude_self=exclude_self,
            rerank=rerank,
            only=Only(where=where or {}),
        )
        for query in queries:
            self._lookup.require(query)
        return list(found)

    def answers(
        self,
        queries: Iterable[Query | Refused],
        k: int = 10,
        *,
        expand: int | None = None,
        min_score: float | None = None,
        only: Only = ALL,
        exclude_self: bool = False,
        rerank: int | None = None,
    ) -> Iterator[Answer]:
        """Answer queries in their order, one batch at a time, so any number fits in memory.

        A batch holds neighbours that are answered alike, so sorted queries are faster. Each query
        has its answer, which has an `error` if the query cannot be used.

        Args:
            queries: of any fields; those with terms are sums (see `zscr.infer.sums`).
            k, expand, min_score, exclude_self, rerank: see `search`.
            only: which images of the index are looked at.

        Raises:
            InputError: k, expand, rerank or min_score is no such number, the index cannot expand
                so, or the bundle cannot re-rank.
        """
        wanted = Wanted(k, expand, min_score, only, exclude_self, rerank)
        if rerank:
            from zscr.infer.pair import require_pair

            require_pair(self.bundle)
        return (
            answer for batch in batches(queries, BATCH) for answer in self._answer(batch, wanted)
        )

    def _answer(self, batch: Sequence[Query | Refused], wanted: Wanted) -> Iterator[Answer]:
        """Answer a batch of one kind: all refused, or queries that are answered alike."""
        queries = [one for one in batch if isinstance(one, Query)]
        if not queries:
            yield from (refusal(one.query, one.error) for one in batch if isinstance(one, Refused))
            return
        look_up = self._others if wanted.exclude_self else self._lookup.found
        for query, one in zip(queries, look_up(queries, wanted), strict=True):
            yield answer_of(query, one, wanted, self.bundle, self.index)

    def _others(self, queries: Sequence[Query], wanted: Wanted) -> Iterator[Found]:
        """Return what is found beside the queries' own images: so many more are searched for."""
        from zscr.infer.own_image import most_held, own_contents, without_own

        own = [own_contents(query) for query in queries]
        more = replace(wanted, k=wanted.k + most_held(self.index, own))
        for one, contents in zip(self._lookup.found(queries, more), own, strict=True):
            yield without_own(one, contents, wanted.k)
