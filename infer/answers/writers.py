"""Answers written for people, programs and spreadsheets, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TextIO

from zscr.infer.answers.answer import Answer, Hit, describe, remarks, shown_fields
from zscr.infer.answers.shown import Shown
from zscr.printable import printable, printable_json, shown_on

Format = Literal["table", "jsonl", "csv", "html", "paths"]
Place = Callable[[Hit], str]  # what the path of an image is written as

SCORE_DECIMALS = 6  # what float32 carries
SHARE_DECIMALS = 4
_QUERY_FIELDS = ("query_id", "query_text", "query_image", "query_sketch")
_HIT_FIELDS = ("rank", "id", "score", "class", "image", "correct")
_ANSWER_FIELDS = ("notes", "ran", "above_unrelated", "nothing", "error")
_COMPOSED_FIELDS = ("query_instead_of", "composition")
CSV_FIELDS = (*_QUERY_FIELDS, *_HIT_FIELDS, *_ANSWER_FIELDS, *_COMPOSED_FIELDS)
_IN_CSV = {"terms": "text"}  # a sum stands there as it is written
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_ID_WIDTH, _CLASS_WIDTH = 45, 24  # with all that is beside them a row has 100 columns at most


def write_answers(
    answers: Iterable[Answer],
    format: Format,
    out: TextIO,
    *,
    title: str = "Query results",
    about: Mapping[str, object] | None = None,
    shown: Shown | None = None,
    place: Place | None = None,
    end: str = "\n",
) -> None:
    """Write each answer as it comes, holding none, so that any number of them fits in memory.

    Args:
        answers: consumed lazily; an answer is written before the next is asked for.
        format: `jsonl`, one object a query. `csv`, one row a hit, and one row with empty hit
            fields for a query that found nothing or was not answered; a text that a spreadsheet
            would take for a formula (it starts with = + - @ tab CR LF) gets a leading apostrophe,
            and where `out` is a terminal, what could take it over is escaped.
            `table`, plain text for a terminal, without `ran`. `html`, one self-contained page with
            the images. `paths`, those of the images alone, best first, raw but on a terminal.
        out: where to write.
        title: the heading of the html page.
        about: facts for the head of the html page, such as `{"images": 10, "k": 5}`.
        shown: which images of the index the html page shows.
        place: how `paths` and the table write where an image is; None: as it is, and the table
            calls images by their ids.
        end: of a path, "\\0" for `xargs -0`.
    """
    if format == "jsonl":
        _write_jsonl(answers, out)
    elif format == "csv":
        _write_csv(answers, out)
    elif format == "table":
        _write_table(answers, out, place)
    elif format == "paths":
        _write_paths(answers, out, place or _place, end)
    else:
        from zscr.infer.answers.sheet import write_sheet  # the one format that others do without

        write_sheet(answers, out, title=title, about=about or {}, shown=shown)


def _write_jsonl(answers: Iterable[Answer], out: TextIO) -> None:
    for answer in answers:
        row: dict[str, Any] = {"id": answer.query.id, **shown_fields(answer.query)}
        row["hits"] = [_hit_row(hit) for hit in answer.hits]
        if answer.nothing:
            row["nothing"] = True
        if answer.composition:
            row["composition"] = answer.composition
        if answer.notes:
            row["notes"] = list(answer.notes)
        if answer.ran:
            row["ran"] = answer.ran
        if answer.error:
            row["error"] = answer.error
        out.write(printable_json(row) + "\n")


def _hit_row(hit: Hit) -> dict[str, Any]:
    row: dict[str, Any] = {
        "rank": hit.rank,
        "id": hit.id,
        "score": round(hit.score, SCORE_DECIMALS),
    }
    if hit.above_unrelated is not None:
        row["above_unrelated"] = round(hit.above_unrelated, SHARE_DECIMALS)
    known = {"class": hit.class_id, "image": hit.image, "correct": hit.correct}
    return row | {key: value for key, value in known.items() if value is not None}


def _write_csv(answers: Iterable[Answer], out: TextIO) -> None:
    # Every text is quoted: left to itself the module lets a bare CR through, which ends a row.
    import csv

    writer = csv.DictWriter(out, CSV_FIELDS, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    shown = shown_on(out)
    writer.writeheader()
    for answer in answers:
        head = {"query_id": answer.query.id, "notes": "; ".join(answer.notes), "ran": answer.ran}
        head |= {"error": answer.error or "", "nothing": "true" if answer.nothing else ""}
        head["composition"] = answer.composition or ""
        asked = shown_fields(answer.query)
        head |= {f"query_{_IN_CSV.get(name, name)}": value for name, value in asked.items()}
        for hit in map(_hit_row, answer.hits) if answer.hits else [{}]:
            writer.writerow({key: _cell(value, shown) for key, value in (head | hit).items()})


def _cell(value: object, shown: Callable[[str], str]) -> object:
    """Return what a spreadsheet shows as it is; numbers may start with a minus, texts may not."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    return shown("'" + value if value.startswith(_FORMULA_STARTS) else value)


def _write_paths(answers: Iterable[Answer], out: TextIO, place: Place, end: str) -> None:
    shown = shown_on(out)
    for answer in answers:
        out.writelines(shown(place(hit)) + end for hit in answer.hits if hit.image)


def _place(hit: Hit) -> str:
    return str(hit.image)


def _write_table(answers: Iterable[Answer], out: TextIO, place: Place | None) -> None:
    for number, answer in enumerate(answers):
        told = remarks(answer)
        notes = f"  ({'; '.join(told)})" if told else ""
        gap = "\n" if number else ""
        head = printable(f"{answer.query.id}: {describe(answer.query)}{notes}")
        out.write(f"{gap}{head}\n")
        nothing = f"    not answered: {printable(answer.error)}" if answer.error else ""
        rows = _table_rows(answer.hits) if place is None else _place_rows(answer.hits, place)
        for row in rows or [nothing or "    nothing found"]:
            out.write(row.rstrip() + "\n")


def _table_rows(hits: tuple[Hit, ...]) -> list[str]:
    """Align the columns of one answer; the answers to come cannot be known."""
    ids = [_fit(hit.id, _ID_WIDTH) for hit in hits]
    classes = [_fit(hit.class_id or "", _CLASS_WIDTH) for hit in hits]
    id_width, class_width = max(map(len, ids), default=0), max(map(len, classes), default=0)
    verdict = {True: "right", False: "wrong", None: ""}
    return [
        f"{hit.rank:5}  {hit.score:7.4f}  {id_:{id_width}}  {class_id:{class_width}}{_above(hit)}  "
        f"{verdict[hit.correct]}"
        for hit, id_, class_id in zip(hits, ids, classes, strict=True)
    ]


def _place_rows(hits: tuple[Hit, ...], place: Place) -> list[str]:
    """Put paths at the end of their lines, whole: they are copied, or clicked on."""
    scores = (f"{hit.rank:5}  {hit.score:7.4f}{_above(hit)}" for hit in hits)
    return [f"{score}  {place(hit)}" for score, hit in zip(scores, hits, strict=True)]


def _above(hit: Hit) -> str:
    """Return the share of unrelated queries that a hit is above, if it is known."""
    return "" if hit.above_unrelated is None else f"  {hit.above_unrelated:4.0%}"


def _fit(text: str, width: int) -> str:
    """Shorten in the middle: the ends of ids and paths tell them apart."""
    text = printable(text)
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[-tail:]}"
