"""A published query of a reference image and a text, and the task that such queries make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from zscr.data.draft import Draft
from zscr.data.records import Query, Term
from zscr.data.relevance import Truth
from zscr.data.rules import refuse
from zscr.data.task_files import TaskInfo, TaskRow
from zscr.errors import InputError

SPLIT = "unseen"  # published queries are there to be judged on

Files = dict[str, str | None]  # image id -> its file in the collection; None is missing


@dataclass(frozen=True)
class Triplet:
    """A reference image and a text that ask for other images.

    Attributes:
        id: the published one, as text.
        reference: the id of the reference image.
        texts: what is said about it; several are alternatives, of which the mean is asked.
        truth: the images that are right, and those that are left out of the ranking, by id.
        group: what intervals resample.
        gallery: the one that it searches, where the task has several.
    """

    id: str
    reference: str
    texts: tuple[str, ...]
    truth: Truth
    group: str
    gallery: str | None = None


def add_task(
    draft: Draft,
    info: TaskInfo,
    triplets: Iterable[Triplet],
    files: Files,
    references: Files | None = None,
) -> None:
    """Add a task of triplets, as far as their images are there; what is not, the task counts.

    Args:
        draft: of the collection.
        info: of the task, with the published galleries.
        triplets: the published queries.
        files: of the items.
        references: of the reference images, where these are no items.

    Raises:
        InputError: none can be asked, or one has no text or names an image that no list has.
    """
    asked, shown = [*triplets], files if references is None else references
    if mute := [one.id for one in asked if not all(text.strip() for text in one.texts)]:
        raise InputError(
            f"{len(mute)} queries of task '{info.name}' have no text, the first is {mute[0]}; "
            f"correct their captions"
        )
    _refuse_unlisted(info, asked, files, shown)
    rows = [row for row in (_row(one, info, files, shown) for one in asked) if row]
    if not rows:
        raise InputError(
            f"none of the {len(asked)} queries of task '{info.name}' has its images; fetch them"
        )
    galleries = {
        name: tuple(one for one in items if files[one]) for name, items in info.galleries.items()
    }
    lost = sum(len(items) - len(galleries[name]) for name, items in info.galleries.items())
    missing = info.missing + lost + len(asked) - len(rows)
    draft.add_task(replace(info, galleries=galleries, missing=missing), rows)


def _refuse_unlisted(
    info: TaskInfo, asked: Sequence[Triplet], files: Files, references: Files
) -> None:
    """Refuse queries that name an image which the data set does not list."""
    lost = [one.reference for one in asked if one.reference not in references]
    for truth in (one.truth for one in asked):
        named = (*truth.relevant, *truth.exclude, *truth.subset)
        lost += [name for name in named if name not in files]
    refuse(
        list(dict.fromkeys(lost)),
        f"images that queries of task '{info.name}' name are in no list of images; correct them",
    )


def _row(one: Triplet, info: TaskInfo, files: Files, references: Files) -> TaskRow | None:
    """Return the query of what is there; None without its reference image or any answer."""
    truth = Truth(
        {name: grade for name, grade in one.truth.relevant.items() if files[name]},
        tuple(name for name in one.truth.exclude if files[name]),
        tuple(name for name in one.truth.subset if files[name]),
    )
    reference = references[one.reference]
    if reference is None or not (truth.relevant or info.server):
        return None
    said = [Query(one.id, text, reference) for text in one.texts]
    query = said[0] if len(said) == 1 else Query(one.id, terms=tuple(map(Term, said)))
    return TaskRow(query, SPLIT, one.group, truth, gallery=one.gallery)
