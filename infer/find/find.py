"""One query over folders: their indexes are brought up to date, and asked as if they were one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.answers.answer import Answer
from zscr.infer.answers.tally import all_answered
from zscr.infer.bundle import Bundle
from zscr.infer.find.composed import composed_query, require_composable
from zscr.infer.find.update import Part, up_to_date
from zscr.infer.find.words import read_words
from zscr.infer.index.only import Only
from zscr.infer.index.roots import lies_in
from zscr.infer.models.installed import model_to_use
from zscr.infer.reading import read_batch
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher
from zscr.infer.sums import add_up
from zscr.progress import say


@dataclass(frozen=True)
class Found:
    """An answer, and what was searched for it."""

    answer: Answer
    parts: tuple[Part, ...]

    @property
    def count(self) -> int:
        """How many images were searched."""
        return sum(part.count for part in self.parts)


def find(
    asked: str | Path | Sequence[str | Path] = (),
    folders: str | Path | Sequence[str | Path] = ".",
    *,
    sketches: str | Path | Sequence[str | Path] = (),
    k: int = 10,
    min_score: float | None = None,
    model: str | None = None,
    compose: str | None = None,
    runtime: Runtime | None = None,
) -> Answer:
    """Find images in folders; see `zscr.find`."""
    within, drawn = [Path(folder) for folder in _listed(folders)], map(str, _listed(sketches))
    read = read_words(_listed(asked), folders=within, sketches=[*drawn])
    if not read.terms:
        raise InputError("nothing is asked for; give a text, or the path of an image or a sketch")
    if not read.folders:
        raise InputError("no folder is given; name one or several, '.' is the current one")
    for sentence in read.told if isinstance(asked, str) else ():  # the terms of a list are clear
        say(sentence)
    bundle = Bundle.open(model_to_use(model), runtime)
    query = read.query if compose is None else composed_query(read.terms, compose)
    return find_in(bundle, query, read.folders, k=k, min_score=min_score).answer


def _listed(given: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [given] if isinstance(given, str | Path) else [*given]


def find_in(
    bundle: Bundle,
    query: Query,
    folders: Sequence[Path],
    *,
    k: int = 10,
    min_score: float | None = None,
) -> Found:
    """Index what is new in folders, and return their k images that are nearest to a query.

    Args:
        bundle: the model, which is named in the answer's `ran`.
        query: of one field, or of several for a composition, or a sum of terms.
        folders: each once; one inside of another is searched with that.
        k: images.
        min_score: leave out images that score less.

    Raises:
        InputError: a folder does not exist or has no image, or the query cannot be answered.
        ArtefactError: an index is damaged, or cannot be written.
    """
    places = _outermost(folders)
    _require_answerable(bundle, query, len(places))  # before hours of indexing
    parts = [up_to_date(bundle, folder, shown) for folder, shown in places.items()]
    answers = [_answer(bundle, query, part, k, min_score) for part in parts]
    answer = answers[0] if len(answers) == 1 else _merged(answers, k)
    return Found(replace(answer, ran=f"{bundle.name}, {answer.ran}"), tuple(parts))


def _outermost(folders: Sequence[Path]) -> dict[Path, str]:
    """Return folders without links -> what they are called; those inside of others are left out."""
    named: dict[Path, str] = {}
    for folder in folders:
        if not folder.is_dir():
            what = "is no folder" if folder.exists() else "does not exist"
            raise InputError(f"{folder} {what}; name a folder of images")
        real = Path(os.path.realpath(folder))
        named.setdefault(real, str(real if folder == Path() else folder))
    return {
        folder: shown
        for folder, shown in named.items()
        if not any(other != folder and lies_in(str(folder), str(other)) for other in named)
    }


def _require_answerable(bundle: Bundle, query: Query, folders: int) -> None:
    if query.terms:
        add_up(bundle, query)
    elif len(query.fields) > 1:
        require_composable(bundle, query, folders)
    elif faults := read_batch(bundle.route(query.fields), [query]).faults:
        raise InputError(faults[0])


def _answer(bundle: Bundle, query: Query, part: Part, k: int, min_score: float | None) -> Answer:
    searcher = Searcher(bundle, part.index, refresh="never", queries=1)
    # Not re-ranked: scores of several folders are merged, and those of their rest are no cosines.
    found = searcher.answers([query], k, min_score=min_score, only=Only(part.within), rerank=0)
    [answer] = all_answered(found)
    return answer


def _merged(answers: Sequence[Answer], k: int) -> Answer:
    """Return one answer of several: scores of one space compare, calibrations of indexes do not."""
    hits = sorted((hit for answer in answers for hit in answer.hits), key=lambda hit: -hit.score)
    ranked = (replace(hit, rank=rank, above_unrelated=None) for rank, hit in enumerate(hits[:k], 1))
    notes = dict.fromkeys(note for answer in answers for note in answer.notes)
    return replace(answers[0], hits=tuple(ranked), notes=tuple(notes), nothing=False)
