"""The files of a result: JSON with everything, a Markdown table, a page."""

from __future__ import annotations

from pathlib import Path

from zscr.artefact import dump_json, staged
from zscr.infer.bench.page import render_page
from zscr.infer.bench.result import JSON, Result
from zscr.infer.bench.table import markdown

DEFAULT = Path("results/bench")  # and a number
TABLE, PAGE = "table.md", "page.html"


def write_result(result: Result, out: Path | None) -> Path:
    """Write a result into a folder that is there whole or not at all; return it.

    Args:
        result: to write.
        out: the folder, which must be new; None takes the next number of DEFAULT.

    Raises:
        ArtefactError: it is there already, or the disk is full, failing or read-only.
    """
    with staged(out or DEFAULT, "bench", numbered=out is None) as stage:
        (stage.folder / JSON).write_bytes(dump_json(result.to_json()))
        (stage.folder / TABLE).write_text(markdown(result), "utf-8")
        (stage.folder / PAGE).write_text(render_page(result), "utf-8")
    return stage.path
