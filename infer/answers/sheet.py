"""The contact sheet: one self-contained HTML page that shows what each caption found.

Nothing in it refers to anything outside it. Every text is hostile until escaped, and the content
security policy forbids scripts and the network even if one slipped through.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from zscr.errors import InputError

if TYPE_CHECKING:
    from zscr.infer.answers.answer import Answer, Hit

SIDE = 160  # pixels of a thumbnail's longer side, which the page shows at 112 to 170
_QUALITY = 78

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
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
_MARKS = {True: ("right", "✓ right"), False: ("wrong", "✗ wrong"), None: ("", "")}


@dataclass
class Sheet:
    """What has been shown so far: enough to embed each image once and to count."""

    styles: dict[str, str] = field(default_factory=dict)  # image path -> its CSS class
    failures: dict[str, str] = field(default_factory=dict)  # image path -> why it cannot be shown
    captions: int = 0
    hits: int = 0


def write_sheet(
    answers: Iterable[Answer], out: TextIO, *, title: str, about: Mapping[str, object]
) -> None:
    """Write the page answer by answer; each distinct image is embedded once, at its first use.

    An image that is missing or damaged becomes a placeholder with the reason, and is counted in
    the page's footer. Memory grows with the number of distinct images' paths, not with answers.
    """
    sheet = Sheet()
    out.write(page_head(title, about))
    for answer in answers:
        out.write(answer_section(answer, sheet, [f"line {answer.line}"]))
    out.write(page_foot(summary(sheet)))


def page_head(title: str, about: Mapping[str, object], *, style: str = "") -> str:
    """Return the page up to its first section; `style` is added to the style of contact sheets."""
    return _HEAD.format(title=escape(title), about=_about(about), style=style)


def page_foot(text: str) -> str:
    """Return the page's end, with a text in its footer."""
    return f"</main>\n<footer>{escape(text)}</footer>\n</body>\n</html>\n"


def _about(about: Mapping[str, object]) -> str:
    facts = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>\n"
        for name, value in about.items()
    )
    return f"<dl>\n{facts}</dl>\n" if facts else ""


def answer_section(
    answer: Answer, sheet: Sheet, facts: Sequence[str], *, heading: str = "h2"
) -> str:
    """Return one query with the images that it found, under `facts` about it."""
    sheet.captions += 1
    sheet.hits += len(answer.hits)
    shown = [escape(fact) for fact in facts]
    judged = [hit.correct for hit in answer.hits if hit.correct is not None]
    if judged:
        shown.append(f"{sum(judged)} of {len(judged)} right")
    if answer.note:
        shown.append(escape(answer.note))
    cards = "".join(_card(hit, sheet) for hit in answer.hits)
    return (
        f'<section>\n<{heading} dir="auto">{escape(answer.query)}</{heading}>\n'
        f"<p>{' · '.join(shown)}</p>\n"
        + (f'<ol role="list">\n{cards}</ol>\n' if cards else "<p>nothing found</p>\n")
        + "</section>\n"
    )


def _card(hit: Hit, sheet: Sheet) -> str:
    verdict, mark = _MARKS[hit.correct]
    badge = f'<span class="mark">{mark}</span>' if mark else ""
    named = f'<div class="class">{escape(hit.class_id)}</div>' if hit.class_id else ""
    return (
        f'<li class="{verdict}">{_image(hit, sheet)}{badge}<div class="text">'
        f'<div class="row"><span>#{hit.rank}</span><span>{hit.score:.4f}</span></div>'
        f'{named}<div class="id">{escape(hit.id)}</div></div></li>\n'
    )


def _image(hit: Hit, sheet: Sheet) -> str:
    if hit.image is None:
        return '<div class="pic none">no image</div>'
    embedded = ""
    if hit.image not in sheet.styles and hit.image not in sheet.failures:
        embedded = _embed(hit.image, sheet)
    if hit.image in sheet.failures:
        return f'<div class="pic none">{escape(sheet.failures[hit.image])}</div>'
    label = escape(f"image {hit.id}" + (f", {hit.class_id}" if hit.class_id else ""))
    return (
        f'{embedded}<div class="pic {sheet.styles[hit.image]}" role="img" aria-label="{label}">'
        f"</div>"
    )


def _embed(image: str, sheet: Sheet) -> str:
    """Return the style rule that holds an image; remember it, or why there is none."""
    try:
        jpeg = _thumbnail(Path(image))
    except InputError as error:
        sheet.failures[image] = str(error)
        return ""
    name = f"t{len(sheet.styles)}"
    sheet.styles[image] = name
    data = base64.b64encode(jpeg).decode("ascii")
    return f"<style>.{name}{{background-image:url(data:image/jpeg;base64,{data})}}</style>"


def _thumbnail(path: Path) -> bytes:
    # Pillow stays out of `import zscr.infer`: only this format needs it.
    from zscr.data.images import open_image

    image = open_image(path)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()


def summary(sheet: Sheet) -> str:
    """Count what was shown, and what could not be."""
    counts = {"caption": sheet.captions, "result": sheet.hits, "image": len(sheet.styles)}
    shown = ", ".join(f"{n:,} {word}{'' if n == 1 else 's'}" for word, n in counts.items())
    return shown + (f"; {len(sheet.failures):,} could not be shown" if sheet.failures else "")
