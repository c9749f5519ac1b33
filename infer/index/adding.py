"""Carrying a survey out: what an index lacks is embedded, once a content, and committed.

A part is committed before the next one is embedded, so that memory holds the embeddings of one, and
a kill leaves an index of the parts before. It is searched as it was until then, and new rows
exactly. What concerns all of it waits for the last part: removals, images that have moved, the
calibration and the choice of the search.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from zscr.data.hashes import Hashes
from zscr.data.listing import Skipped
from zscr.data.records import Query
from zscr.disk import require_space
from zscr.errors import InputError, NoneLeftError
from zscr.infer.bundle import Bundle
from zscr.infer.features.store import SHARD, Features, compute_features
from zscr.infer.index.change import Change
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.entries import NO_ENTRIES
from zscr.infer.index.entry import Entry
from zscr.infer.index.exact import Vectors
from zscr.infer.index.index import Index
from zscr.infer.index.indexing import Added, store_of
from zscr.infer.index.known import Known
from zscr.infer.index.plan import Plan
from zscr.infer.index.report import ChangeReport, sum_of
from zscr.infer.index.survey import Survey
from zscr.infer.index.unrelated import TEXT, unrelated_texts
from zscr.lock import clear, writer_lock
from zscr.progress import say

PART = 8192  # images: 16 MiB of 512 numbers each, and seconds of embedding to one commit


def carry_out(
    bundle: Bundle,
    folder: Path,
    index: Index | None,
    survey: Survey,
    *,
    diffusion: Diffusion | None = None,
    shard: int = SHARD,
    part: int = PART,
    lenders: Sequence[Index] = (),
    hashes: Hashes | None = None,
) -> Added:
    """Embed what the index lacks, and commit it with all else that the survey found.

    Only who holds the index `alone` may call it.

    Args:
        bundle: whose gallery graph embeds.
        folder: of the index, which is made where `index` is None.
        index: as `open_for` returned it.
        survey: of the images.
        diffusion: of a new index.
        shard: how many are embedded between two saves; what a kill costs at most.
        part: how many are embedded between two commits. Where embeddings are diffused, all are: one
            that comes may change all others.
        lenders: other indexes of the same space: what they hold is not embedded again.
        hashes: what is known of the images' files; None reads them again before they are embedded.

    Raises:
        InputError: none of the images can be used, or none would be left.
    """
    folder, plan = folder.resolve(), survey.plan
    if index:
        with writer_lock(folder):  # who may not is told now, and not when all is embedded
            pass
    known = Known(index, plan.upserts, bundle, lenders)
    require_space(folder, 8 * known.encoder.row_shape[0] * (known.count + len(plan.upserts)))
    adding = _Adding(bundle, folder, index, survey, known, diffusion, shard, hashes)
    diffused = diffusion or (index and index.diffusion)
    *early, last = [plan.upserts] if diffused else _parts(index, plan, part)
    for entries in early:
        adding.commit(entries)
        say(f"{sum(report.added for report in adding.reports)} of {len(plan.upserts)} are added")
    return adding.finish(last)


def _parts(index: Index | None, plan: Plan, size: int) -> list[Sequence[Entry]]:
    """Split what arrives; the last part has those that have moved, which the removals go with."""
    if len(plan.upserts) <= size:
        return [plan.upserts]
    gone = set(plan.removals)
    moving = {entry.sha256 for entry in index.entries if entry.id in gone} if index else set()
    early = [entry for entry in plan.upserts if entry.sha256 not in moving]
    parts = [early[start : start + size] for start in range(0, len(early), size)] or [[]]
    return [*parts[:-1], [*parts[-1], *(e for e in plan.upserts if e.sha256 in moving)]]


class _Adding:
    """An index to which images are being added, a part of them after the other.

    Attributes:
        index: as it is by now, None as long as nothing could be used.
        reports: of the commits so far.
    """

    def __init__(
        self,
        bundle: Bundle,
        folder: Path,
        index: Index | None,
        survey: Survey,
        known: Known,
        diffusion: Diffusion | None,
        shard: int,
        hashes: Hashes | None,
    ) -> None:
        self.index, self.reports = index, list[ChangeReport]()
        self._bundle, self._folder, self._survey, self._known = bundle, folder, survey, known
        self._diffusion, self._shard, self._hashes = diffusion, shard, hashes
        self._unchanged = survey.plan.unchanged if index else 0
        self._pruned = {e.id for e in index.entries} if index and survey.prune else set[str]()
        self._skipped, self._spoilt = [*survey.skipped], list[str]()
        self._listed = 0  # of the skipped ones, which the index lists by now

    def commit(self, entries: Sequence[Entry]) -> None:
        """Embed a part, and commit it if any of it can be used."""
        usable, vectors, features = self._embedded(entries)
        if not usable:
            return
        self._apply(
            Change(
                usable,
                vectors,
                errors=self._skipped[self._listed :],
                features=features,
                roots=self._survey.roots,
                linked=self._survey.linked,
                more=True,
            )
        )
        assert self.index is not None, "the change made it"
        self._known.learn_twins(self.index.now, usable)

    def finish(self, entries: Sequence[Entry]) -> Added:
        """Embed the last part, and commit it with all else that the survey found."""
        usable, vectors, features = self._embedded(entries)
        survey, plan = self._survey, self._survey.plan
        if self._spoilt:
            others = bool(usable or self.reports or plan.unchanged)
            _tell_spoilt(self._spoilt, self._skipped[0]["reason"], survey, others=others)
        held, asked = NO_ENTRIES, None
        if self.index:
            held, asked = self.index.entries, self.index.unrelated
        self._apply(
            Change(
                usable,
                vectors,
                errors=self._skipped[self._listed :],
                features=features,
                removals=[*plan.removals, *self._spoilt],
                mended=survey.looked_at - {row["image"] for row in self._skipped},
                roots=survey.roots,
                linked=survey.linked,
                unrelated=unrelated_texts(self._bundle, chain(held.each(), usable), asked),
            )
        )
        assert self.index is not None, "the change made it"
        report = sum_of(self.reports, unchanged=self._unchanged)
        return Added(self.index, report, tuple(self._skipped), twins=plan.twins)

    def _embedded(self, entries: Sequence[Entry]) -> tuple[list[Entry], Vectors, Vectors | None]:
        """Return the entries that can be used, their embeddings and their features."""
        found = compute_features(
            store_of(self._folder),
            self._known.encoder,
            self._known.sources(entries),
            shard=self._shard,
            hashes=self._hashes,
        )
        failed = [entry for entry in entries if entry.sha256 in found.failed]
        self._skipped += _failed(failed, found)
        self._spoilt += [entry.id for entry in failed if entry.id in self._pruned]
        usable = [entry for entry in entries if entry.sha256 not in found.failed]
        return usable, *self._known.rows(usable, found)

    def _apply(self, change: Change) -> None:
        if self.index is None:
            self.index = _create(self._bundle, self._folder, change, self._diffusion)
            self.reports.append(ChangeReport(len(change.upserts), 0, 0, self.index.generation))
        else:
            threads = self._bundle.runtime.thread_count
            self.reports.append(self.index.apply(change, threads=threads))
        self._listed = len(self._skipped)
        clear(store_of(self._folder))


def _tell_spoilt(spoilt: Sequence[str], reason: str, survey: Survey, *, others: bool) -> None:
    """Say how many images will go, before they do; refuse what looks like a failing disk."""
    if not others and not survey.all_may_go:
        raise NoneLeftError(
            f"none of the {len(spoilt)} images can be used any more, first: {reason}; mend the "
            f"files, or let 'zscr index sync --yes' remove them"
        )
    say(f"{len(spoilt)} images cannot be used any more and will be removed")


def _create(bundle: Bundle, folder: Path, first: Change, diffusion: Diffusion | None) -> Index:
    if not first.upserts and first.errors:
        reason = first.errors[0]["reason"]
        raise InputError(f"none of the {len(first.errors)} images can be used, first: {reason}")
    assert first.vectors is not None, "every image of it is embedded"
    return Index.create(
        folder,
        space=bundle.space,
        bundle_name=bundle.name,
        entries=first.upserts,
        vectors=first.vectors,
        queries=_example_embeddings(bundle),
        errors=first.errors,
        threads=bundle.runtime.thread_count,
        features=first.features,
        diffusion=diffusion,
        roots=first.roots or (),
        linked=bool(first.linked),
        unrelated=first.unrelated,
        precision=bundle.gallery_precision,
        more=first.more,
    )


def _failed(entries: Sequence[Entry], features: Features) -> list[Skipped]:
    looked_at = {entry.sha256: str(entry.image) for entry in entries}  # of equal ones the last
    failed = list[Skipped]()
    for entry in entries:
        if reason := features.failed.get(entry.sha256):
            if str(entry.image) != looked_at[entry.sha256]:  # which the reason names
                reason = f"{entry.image} has the content of {looked_at[entry.sha256]}: {reason}"
            failed.append({"image": str(entry.image), "reason": reason})
    return failed


def _example_embeddings(bundle: Bundle) -> Vectors | None:
    """Embed the bundle's examples: recall is to be measured on queries, not on images."""
    if not bundle.examples or TEXT not in bundle.takes:
        return None
    return bundle.route(TEXT).encode(Query.of("text", bundle.examples))
