"""Writing an index: made, changed by one commit, written anew. The caller holds the lock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from zscr.infer.index.change import Change
from zscr.infer.index.choice import Search, start
from zscr.infer.index.committing import commit, grow_hnsw, make_current, tidy
from zscr.infer.index.current import Current
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.following import merge, next_generation
from zscr.infer.index.generation import Generation, Stored
from zscr.infer.index.hnsw_of import build_hnsw
from zscr.infer.index.report import ChangeReport, report_of
from zscr.infer.index.stack import Stack


def empty(
    space: str,
    bundle_name: str,
    *,
    search: Search | None,
    diffusion: Diffusion | None,
    stored: Stored,
    precision: str,
) -> Generation:
    """Return what an index is before its first images; see `Index.create`."""
    choice = start(search)
    made = Generation(0, space, bundle_name, Stack(), choice, diffusion=diffusion, stored=stored)
    return replace(made, precision=precision)


def make(folder: Path, before: Generation, first: Change, *, threads: int) -> Current:
    """Make the folder of an index with its first images; raises as `Index.create`."""
    merged = merge(before, first, threads=threads)
    build = partial(build_hnsw, threads=threads)
    return make_current(folder, next_generation(before, merged, build))


def apply(current: Current, change: Change, *, threads: int) -> tuple[Current, ChangeReport]:
    """Commit a change, if anything is other by it, and report it; raises as `Index.apply`."""
    before = current.generation
    merged = merge(before, change, threads=threads)
    if not merged.differs(before):
        tidy(current)
        return current, report_of(merged.placed, before.number)
    grow = partial(grow_hnsw, current, threads=threads)
    following = next_generation(before, merged, grow)
    after = commit(current, following, lost=len(merged.placed.dropped) - merged.placed.added)
    after.generation.hide_gone()
    return after, report_of(merged.placed, following.number)


def rewrite(current: Current, written: Callable[[Generation], Generation]) -> Current:
    """Commit what is written of a generation; `current` itself, if it is that very one."""
    following = written(current.generation)
    if following is current.generation:
        tidy(current)
        return current
    return commit(current, following, lost=0)
