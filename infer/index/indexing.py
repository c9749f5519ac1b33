"""Carrying a survey out: what an index lacks is embedded, once a content, and committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from zscr.data.hashes import Hashes
from zscr.data.listing import Skipped
from zscr.data.records import Query
from zscr.disk import require_space
from zscr.errors import InputError, NoneLeftError
from zscr.infer.bundle import SAME_IMAGE, Bundle, spoken
from zscr.infer.features.store import SHARD, Features, compute_features
from zscr.infer.index.change import Change
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.entry import Entry
from zscr.infer.index.exact import Vectors
from zscr.infer.index.index import Index
from zscr.infer.index.known import Known
from zscr.infer.index.report import ChangeReport
from zscr.infer.index.survey import Survey
from zscr.infer.index.unrelated import TEXT, unrelated_texts
from zscr.lock import clear, is_busy, work_folder, writer_lock
from zscr.progress import say


@dataclass(frozen=True)
class Added:
    """What became of the images that were to be indexed.

    Attributes:
        index: as it is now.
        report: how many were added, replaced, moved, removed and left as they were.
        skipped: those that could not be used.
        passed: kind of what was passed over in folders -> how many.
        twins: images whose content another place has, too, less one of each content.
    """

    index: Index
    report: ChangeReport
    skipped: tuple[Skipped, ...]
    passed: Mapping[str, int] = field(default_factory=dict)
    twins: int = 0


def alone(folder: Path) -> AbstractContextManager[None]:
    """Hold the index's own folder of embeddings; another that adds to the index is waited for.

    So the index that is read then is the one that is added to, and who may not write beside it is
    told before the images are hashed.
    """
    return work_folder(_store(folder.resolve()), f"adding to {folder}")


def _store(folder: Path) -> Path:
    """Return where the embeddings of a killed run wait, until a rerun commits them."""
    return folder.with_name(f".{folder.name}.features")


def was_killed(folder: Path) -> bool:
    """Say whether what a killed run has embedded for an index waits to be taken over or removed."""
    store = _store(folder.resolve())
    return store.exists() and not is_busy(store)


def open_for(bundle: Bundle, folder: Path, diffusion: Diffusion | None = None) -> Index | None:
    """Return the index that a bundle is to add to, None where there is none yet.

    Raises:
        InputError: the bundle's gallery is not of images, or has not what `diffusion` needs, or
            the index was made with another.
        MismatchError: the index holds vectors of another space.
    """
    _require_images(bundle)
    if diffusion and not bundle.has_feature:
        _ = bundle.gallery_and_feature  # says why not
    folder = folder.resolve()
    if not folder.exists():
        return None
    index = Index.open(folder, bundle.space)
    if diffusion and index.diffusion != diffusion:
        made = index.diffusion or "made without --diffuse"
        raise InputError(
            f"the index {folder} was {made}; leave --diffuse out, or make another of the same "
            f"images with --index"
        )
    return index


def _require_images(bundle: Bundle) -> None:
    if bundle.gallery_fields != SAME_IMAGE:
        raise InputError(
            f"the gallery of the bundle {bundle.name} is embedded from "
            f"{spoken(bundle.gallery_fields)}, not from images; use a bundle that was trained "
            f"with an image encoder"
        )


def carry_out(
    bundle: Bundle,
    folder: Path,
    index: Index | None,
    survey: Survey,
    *,
    diffusion: Diffusion | None = None,
    shard: int = SHARD,
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
        lenders: other indexes of the same space: what they hold is not embedded again.
        hashes: what is known of the images' files; None reads them again before they are embedded.

    Raises:
        InputError: none of the first images can be used, or none would be left.
    """
    folder, plan = folder.resolve(), survey.plan
    if index:
        with writer_lock(folder):  # who may not is told now, and not when all is embedded
            pass
    known = Known(index, plan.upserts, bundle, lenders)
    require_space(folder, 8 * known.encoder.row_shape[0] * (known.count + len(plan.upserts)))
    found = compute_features(
        _store(folder), known.encoder, known.sources, shard=shard, hashes=hashes
    )
    usable = [entry for entry in plan.upserts if entry.sha256 not in found.failed]
    skipped = (*survey.skipped, *_failed(plan.upserts, found))
    spoilt = _spoilt(survey, index, found)
    if spoilt:
        _tell_spoilt(spoilt, skipped[0]["reason"], survey, bool(usable or plan.unchanged))
    vectors, features = known.rows(usable, found)
    held = () if index is None else index.entries
    unrelated = unrelated_texts(bundle, [*held, *usable], index.unrelated if index else None)
    change = Change(
        usable,
        vectors,
        errors=skipped,
        features=features,
        removals=[*plan.removals, *spoilt],
        mended=survey.looked_at - {row["image"] for row in skipped},
        roots=survey.roots,
        linked=survey.linked,
        unrelated=unrelated,
    )
    if index is None:
        index = _create(bundle, folder, change, diffusion)
        report = ChangeReport(len(usable), 0, 0, index.generation)
    else:
        report = index.apply(change, threads=bundle.runtime.thread_count)
        report = replace(report, unchanged=plan.unchanged)
    clear(_store(folder))
    return Added(index, report, skipped, twins=plan.twins)


def _spoilt(survey: Survey, index: Index | None, found: Features) -> list[str]:
    """Return the ids of images whose new content cannot be used, if those are to go."""
    held = {entry.id for entry in index.entries} if index and survey.prune else set()
    return [e.id for e in survey.plan.upserts if e.sha256 in found.failed and e.id in held]


def _tell_spoilt(spoilt: Sequence[str], reason: str, survey: Survey, others_left: bool) -> None:
    """Say how many images will go, before they do; refuse what looks like a failing disk."""
    if not others_left and not survey.all_may_go:
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
