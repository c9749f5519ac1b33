"""The contact sheet: one self-contained HTML page that shows what each query found.

Nothing in it refers to anything outside it. Every text is hostile until escaped, and the content
security policy forbids scripts and the network even if one slipped through.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from zscr.data.records import Query
from zscr.infer.answers.answer import Answer, Hit, describe, remarks
from zscr.infer.answers.markup import attribute, isolated
from zscr.infer.answers.shown import Shown
from zscr.infer.answers.thumbnails import Thumbnails

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>
:root {{ color-scheme: light dark; --paper: #fafaf8; --card: #fff; --ink: #1c1d1f; --soft: #5f6368;
  --line: #dddcd6; --field: #efeeea; --right: #14713d; --wrong: #b3261e; }}
@media (prefers-color-scheme: dark) {{ :root {{ --paper: #17181a; --card: #212326; --ink: #ececea;
  --soft: #a2a6ab; --line: #3a3d41; --field: #2b2d31; --right: #6fd39a; --wrong: #ff9a92; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; padding: 2rem clamp(1rem, 4vw, 2.5rem);
  background: var(--paper); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }}
h1 {{ margin: 0 0 .6rem; font-size: 1.6rem; line-height: 1.2; overflow-wrap: anywhere; }}
dl {{ display: flex; flex-wrap: wrap; gap: .3rem 1.6rem; margin: 0; color: var(--soft); }}
dl div {{ display: flex; gap: .45rem; }}
dd {{ margin: 0; color: var(--ink); overflow-wrap: anywhere; }}
section {{ margin-top: 1.6rem; padding-top: 1.2rem; border-top: 1px solid var(--line);
  content-visibility: auto; contain-intrinsic-size: auto 16rem; }}
h2 {{ margin: 0; font-size: 1.1rem; line-height: 1.35; text-align: left; overflow-wrap: anywhere; }}
p {{ margin: .15rem 0 0; color: var(--soft); font-size: .85rem; }}
ol {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(8.25rem, 1fr)); gap: .8rem;
  margin: .8rem 0 0; padding: 0; list-style: none; }}
li {{ position: relative; min-width: 0; border: 2px solid var(--line); border-radius: 10px;
  background: var(--card); font-size: .8rem; overflow: hidden; overflow-wrap: anywhere; }}
li.right {{ border-color: var(--right); }}
li.wrong {{ border: 2px dashed var(--wrong); }}
@media (min-width: 640px) {{ body {{ max-width: 960px; }}
  ol {{ grid-template-columns: repeat(5, 1fr); }} }}
@media (min-width: 1240px) {{ body {{ max-width: 1560px; }}
  ol {{ grid-template-columns: repeat(10, 1fr); gap: .6rem; }} }}
.pic {{ aspect-ratio: 1; background: var(--field) center / contain no-repeat;
  print-color-adjust: exact; }}
.asked {{ display: flex; flex-wrap: wrap; gap: .8rem; margin-top: .8rem; }}
.asked figure {{ margin: 0; width: 8.25rem; border: 2px solid var(--soft); border-radius: 10px;
  background: var(--card); overflow: hidden; }}
.asked figcaption {{ padding: .2rem .55rem .3rem; color: var(--soft); font-size: .8rem;
  font-weight: 400; }}
.asked blockquote {{ flex: 1 1 8rem; margin: 0; overflow-wrap: anywhere; font-weight: 600; }}
.asked blockquote p {{ font-weight: 400; }}
@media (min-width: 640px) {{ .beside {{ display: grid; gap: 1.6rem;
  grid-template-columns: 8.25rem 1fr; align-items: start; }} }}
.none {{ display: grid; place-content: safe center; padding: 1.8rem .5rem .5rem; overflow: auto;
  text-align: center; color: var(--soft); font-size: .7rem; line-height: 1.3; }}
.text {{ padding: .4rem .55rem .5rem; }}
.row {{ display: flex; justify-content: space-between; color: var(--soft); white-space: nowrap;
  font-variant-numeric: tabular-nums; }}
.mark {{ position: absolute; top: .35rem; left: .35rem; padding: .05rem .45rem; border-radius: 1rem;
  color: #fff; font-size: .72rem; font-weight: 600; }}
.right .mark {{ background: #14713d; }}
.wrong .mark {{ background: #b3261e; }}
.class {{ font-weight: 600; }}
.id {{ color: var(--soft); font-size: .72rem; line-height: 1.35; }}
footer {{ margin-top: 2rem; padding-top: 1rem; border-top: 1px solid var(--line);
  color: var(--soft); font-size: .85rem; }}
{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
{about}</header>
<main>
"""
_ABOVE = "of the queries unrelated to the index find nothing that scores as high"
_MARKS = {True: ("right", "✓ right"), False: ("wrong", "✗ wrong"), None: ("", "")}


@dataclass
class Sheet:
    """What has been shown so far: enough to embed each image once and to count.

    `shown` and `asked` say which images may be shown of those found and of those of queries.
    `refused` are the queries without an answer; `verdicts` are of the results of which it is known
    whether they are right; `ran` holds each way that queries were embedded, in the order of their
    first use.
    """

    shown: Shown = Shown()
    asked: Shown = Shown()
    images: Thumbnails = field(default_factory=Thumbnails)
    queries: int = 0
    hits: int = 0
    refused: int = 0
    verdicts: Counter[bool] = field(default_factory=Counter)
    ran: dict[str, None] = field(default_factory=dict)


def write_sheet(
    answers: Iterable[Answer],
    out: TextIO,
    *,
    title: str,
    about: Mapping[str, object],
    shown: Shown | None = None,
) -> None:
    """Write the page answer by answer; each distinct image is embedded once, at its first use.

    An image that is missing, damaged or not to be shown becomes a placeholder with the reason, and
    is counted in the page's footer. Memory grows with the number of distinct images' paths, not
    with answers.
    """
    sheet = Sheet(shown=shown or Shown())
    out.write(page_head(title, about))
    for answer in answers:
        out.write(answer_section(answer, sheet, [f"query {answer.query.id}"]))
    out.write(page_foot(summary(sheet)))


def page_head(title: str, about: Mapping[str, object], *, style: str = "") -> str:
    """Return the page up to its first section; `style` is added to the style of contact sheets."""
    return _HEAD.format(
        name=attribute(title), title=isolated(title), about=_about(about), style=style
    )


def page_foot(text: str) -> str:
    """Return the page's end, with a text in its footer."""
    return f"</main>\n<footer>{isolated(text)}</footer>\n</body>\n</html>\n"


def _about(about: Mapping[str, object]) -> str:
    facts = "".join(
        f"<div><dt>{isolated(name)}</dt><dd>{isolated(value)}</dd></div>\n"
        for name, value in about.items()
    )
    return f"<dl>\n{facts}</dl>\n" if facts else ""


def answer_section(
    answer: Answer, sheet: Sheet, facts: Sequence[str], *, heading: str = "h2"
) -> str:
    """Return one query, with its own images, and the images that it found, under `facts`."""
    sheet.queries += 1
    sheet.hits += len(answer.hits)
    sheet.refused += answer.error is not None
    sheet.verdicts.update(hit.correct for hit in answer.hits if hit.correct is not None)
    if answer.ran:
        sheet.ran[answer.ran] = None
    shown = [*facts, *_verdict(answer.hits), *remarks(answer)]
    cards = "".join(_card(hit, sheet) for hit in answer.hits)
    none = f"not answered: {answer.error}" if answer.error else "nothing found"
    found = f'<ol role="list">\n{cards}</ol>\n' if cards else f"<p>{isolated(none)}</p>\n"
    asked = _asked(answer, sheet)
    return (
        f'<section>\n<{heading} dir="auto">{isolated(describe(answer.query))}</{heading}>\n'
        f"<p>{' · '.join(map(isolated, shown))}</p>\n"
        + (f'<div class="beside">\n{asked}{found}</div>\n' if asked else found)
        + "</section>\n"
    )


def _verdict(hits: Sequence[Hit]) -> list[str]:
    """Sum up how many hits are right, if that is known of any."""
    judged = [hit.correct for hit in hits if hit.correct is not None]
    return [f"{sum(judged)} of {len(judged)} right"] if judged else []


def _asked(answer: Answer, sheet: Sheet) -> str:
    """Show the images that a query is made of, and what is to be different about them."""
    query = answer.query
    given = {
        "image": (query.image, "asked with this image"),
        "sketch": (query.sketch, "asked with this sketch"),
        "prepared sketch": (answer.seen, "as the model saw it"),
    }
    figures = "".join(
        f"<figure>{sheet.images.show_checked(image, f'{name} of query {query.id}', sheet.asked)}"
        f"<figcaption>{caption}</figcaption></figure>"
        for name, (image, caption) in given.items()
        if image is not None
    )
    return f'<div class="asked">{figures}{_said(query)}</div>\n' if figures else ""


def _said(query: Query) -> str:
    """Return the text beside a query's images, and what it replaces there."""
    if query.text is None:
        return ""
    instead = f"<p>instead of {isolated(query.instead_of)}</p>" if query.instead_of else ""
    return f'<blockquote dir="auto">{isolated(query.text)}{instead}</blockquote>'


def _card(hit: Hit, sheet: Sheet) -> str:
    verdict, mark = _MARKS[hit.correct]
    badge = f'<span class="mark">{mark}</span>' if mark else ""
    named = f'<div class="class">{isolated(hit.class_id)}</div>' if hit.class_id else ""
    label = f"image {hit.id}" + (f", {hit.class_id}" if hit.class_id else "")
    image = sheet.images.show_checked(hit.image, label, sheet.shown, hit.sha256)
    known = hit.above_unrelated is not None
    above = f'<span title="{_ABOVE}">{hit.above_unrelated:.0%}</span>' if known else ""
    return (
        f'<li class="{verdict}">{image}{badge}<div class="text">'
        f'<div class="row"><span>#{hit.rank}</span><span>{hit.score:.4f}</span>{above}</div>'
        f'{named}<div class="id">{isolated(hit.id)}</div></div></li>\n'
    )


def summary(sheet: Sheet) -> str:
    """Count what was shown, and what could not be, and say what ran."""
    images, failed = len(sheet.images.styles), len(sheet.images.failures)
    counts = [(sheet.queries, "query", "queries"), (sheet.hits, "result", "results")]
    counts.append((images, "image", "images"))
    shown = ", ".join(f"{n:,} {one if n == 1 else many}" for n, one, many in counts)
    shown += f"; {failed:,} could not be shown" if failed else ""
    shown += f"; {sheet.refused:,} not answered" if sheet.refused else ""
    judged = sheet.verdicts.total()
    right = [f"{sheet.verdicts[True]:,} of {judged:,} right"] if judged else []
    return "; ".join([shown, *right, *sheet.ran])
