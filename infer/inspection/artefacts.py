"""Folders with a manifest: what each kind is, by one `describe` function a kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zscr.artefact import MANIFEST, REMAKE, Manifest, read_manifest, verify
from zscr.data.collection import read_collection
from zscr.data.summary import summarise
from zscr.errors import ArtefactError, InputError
from zscr.infer.bundle import Bundle, index_of
from zscr.infer.inspection.inspected import SOUND, File, Graph, Inspected, graph_of
from zscr.infer.models.about import about_bundle


@dataclass(frozen=True)
class Described:
    """What is special of a kind: facts, lines, and commands that take it."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    about: tuple[str, ...] = ()
    next: tuple[str, ...] = ()


def inspect_artefact(folder: Path, kind: str, *, hashed: bool) -> Inspected:
    """Say what a folder with a manifest of that kind is.

    Args:
        folder: of the artefact; kind: that its manifest states.
        hashed: whether every file is hashed; one that is not sound is told, and no error.

    Raises:
        ArtefactError: the kind is unknown, or the manifest is damaged.
    """
    if kind not in DESCRIBE:
        known = ", ".join(DESCRIBE)
        raise ArtefactError(f"{folder} is of kind '{kind:.40}', not one of {known}; upgrade zscr")
    manifest = read_manifest(folder, kind)
    special = DESCRIBE[kind](folder, manifest)
    made = datetime.fromtimestamp((folder / MANIFEST).stat().st_mtime, UTC)
    common = {
        "made by": REMAKE[kind] if kind != "snapshot" else "a fetch from a hub",
        "zscr": _version(manifest.body),
        "manifest written": f"{made:%Y-%m-%d %H:%M} UTC, by its file's time",
        "sha256": manifest.sha256,
    }
    return Inspected(
        str(folder),
        kind,
        {name: said for name, said in {**common, **special.facts}.items() if said is not None},
        special.about,
        {name: _graph(folder / name) for name in manifest.files if name.endswith(".onnx")},
        tuple(_files(folder, manifest, hashed=hashed)),
        special.next,
    )


def _version(body: Mapping[str, Any]) -> str | None:
    """Return the version of zscr that made it, which runs and what is made of them know."""
    for told in (body, body.get("provenance")):
        versions = told.get("versions") if isinstance(told, Mapping) else None
        if isinstance(versions, Mapping) and "zscr" in versions:
            return str(versions["zscr"])
    return None


def _graph(path: Path) -> Graph | str:
    try:
        return graph_of(path)
    except (ValueError, OSError, InputError) as error:
        return f"cannot be read: {error}"


def _files(folder: Path, manifest: Manifest, *, hashed: bool) -> Iterator[File]:
    for name, entry in manifest.files.items():
        if not hashed:
            yield File(name, entry["bytes"])
            continue
        try:
            verify(folder, manifest, [name])
        except ArtefactError as error:
            yield File(name, entry["bytes"], str(error))
        else:
            yield File(name, entry["bytes"], SOUND)


def _some(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return those fields of a manifest that are there, each that holds others as their number."""
    told = {name: body[name] for name in names if body.get(name) is not None}
    return {name: len(one) if isinstance(one, dict | list) else one for name, one in told.items()}


def _collection(folder: Path, manifest: Manifest) -> Described:
    found = summarise(read_collection(folder))
    lines = [
        f"{part.split}: {part.classes} classes, {part.items} items, {part.images} images, "
        f"{part.sketches} sketches, {part.texts} texts"
        for part in found.splits
    ]
    lines += [
        f"task {one.task}: {one.asks} asks for {one.retrieves}; queries: {one.seen} seen, "
        f"{one.val} val, {one.unseen} unseen"
        for one in found.tasks
    ]
    facts = {"name": found.name, "protocol": found.protocol}
    return Described(
        facts,
        tuple(lines),
        (
            f"zscr data info {folder}",
            f"zscr data check {folder}",
            f"zscr train --collection {folder}",
        ),
    )


def _encoder(folder: Path, manifest: Manifest) -> Described:
    body = manifest.body
    fields = [str(one.get("field")) for one in body.get("inputs", ())]
    facts = _some(body, "name", "source", "output", "dtype", "licence", "cut")
    facts |= {"takes": " and ".join(fields)}
    facts |= _some(body, "max_abs_difference_to_torch")
    return Described(facts, next=("zscr train uses it from the cache by itself",))


def _run(folder: Path, manifest: Manifest) -> Described:
    body = manifest.body
    facts = _some(body, "method", "step", "done", "selection", "refit")
    best = body.get("best")
    if isinstance(best, Mapping):
        facts["best"] = f"{best.get('value')} at step {best.get('step')}"
    sources = body.get("sources") or {}
    lines = [f"{what}: {one['path']}" for what, one in sources.items() if one]
    lines += [f"adapted from {body['adapted']['base']['path']}"] if "adapted" in body else []
    return Described(
        facts,
        tuple(lines),
        (f"zscr export {folder}", f"zscr evaluate {folder}"),
    )


def _bundle(folder: Path, manifest: Manifest) -> Described:
    bundle = Bundle.open(folder)
    beside = index_of(folder)
    lines = (*about_bundle(bundle),)
    ask = f"zscr query --bundle {folder} --text '…'"
    found = (ask,) if beside.is_dir() else (f"zscr index add IMAGES --bundle {folder}", ask)
    facts = {"precision": manifest.body["default_precision"], "examples": len(bundle.examples)}
    return Described(facts, lines, (*found, f"zscr doctor {folder}"))


def _index(folder: Path, manifest: Manifest) -> Described:
    names = ("count", "dim", "metric", "search", "how", "ef", "generation", "bundle_name", "space")
    facts = _some(manifest.body, *names, "duplicates", "feature_dim", "segments", "roots")
    facts |= _some(manifest.body, "calibrations")
    return Described(
        facts,
        next=(
            f"zscr index info {folder}",
            f"zscr index verify {folder}",
            f"zscr query --index {folder} --text '…'",
        ),
    )


def _engine(folder: Path, manifest: Manifest) -> Described:
    bundle = folder.parent.with_suffix("")  # beside which it stands
    return Described(_plain(manifest), next=(f"zscr engine explain {bundle}",))


def _snapshot(folder: Path, manifest: Manifest) -> Described:
    return Described(_plain(manifest), next=(f"zscr export clip:{folder}",))


def _descriptions(folder: Path, manifest: Manifest) -> Described:
    names = ("answers", "source", "model", "base_url", "date", "prompts", "cut", "refused", "named")
    return Described(_some(manifest.body, *names), next=(f"zscr data info {folder.parent}",))


def _bench(folder: Path, manifest: Manifest) -> Described:
    compared = f"zscr bench compare {folder} OTHER"
    return Described(_plain(manifest), next=(compared,))


def _graph_kept(folder: Path, manifest: Manifest) -> Described:
    return Described(_plain(manifest), ("a graph as it was optimised for this processor",))


def _exchange(folder: Path, manifest: Manifest) -> Described:
    return Described(_plain(manifest), next=(f"zscr index import {folder} INDEX",))


def _plain(manifest: Manifest) -> dict[str, Any]:
    """Return the fields that are words or numbers."""
    return {n: one for n, one in manifest.body.items() if isinstance(one, str | int | float)}


DESCRIBE: dict[str, Callable[[Path, Manifest], Described]] = {
    "collection": _collection,
    "encoder": _encoder,
    "run": _run,
    "bundle": _bundle,
    "index": _index,
    "engine": _engine,
    "snapshot": _snapshot,
    "descriptions": _descriptions,
    "bench": _bench,
    "graph": _graph_kept,
    "exchange": _exchange,
}
