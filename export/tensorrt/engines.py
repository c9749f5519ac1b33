"""The engines of a bundle, built into the cache beside it unless they stand there already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zscr.artefact import Manifest, staged, verify
from zscr.errors import ArtefactError, ConfigError
from zscr.export.tensorrt.builder import build_engine
from zscr.export.tensorrt.library import choose_toolchain
from zscr.export.tensorrt.profile import BATCHES, LENGTHS, Shape
from zscr.infer.bundle import Bundle, graph_file
from zscr.infer.engines.cache import discard, engines_folder, superseded
from zscr.infer.engines.entry import BUILT, KIND, read_entry
from zscr.infer.engines.recipe import UNSUPPORTED, Recipe
from zscr.infer.engines.seal import key_name, seal_of, user_key
from zscr.infer.engines.toolchain import Toolchain
from zscr.lock import work_folder
from zscr.progress import say

_DIGITS = 16  # of a key, in the name of a folder


def build_engines(
    bundle: Path,
    *,
    targets: Sequence[str] = (),
    precisions: Sequence[str] = (),
    graphs: Sequence[str] = (),
    workspace: int | None = None,
) -> list[Path]:
    """Build the engines of a bundle's graphs; return their folders, `<bundle>.engines/<name>`.

    What stands there already, built by this user of the same graph with the same library for the
    same GPUs, is proven and kept. What was built before of something else stays; why it cannot be
    used is said.

    Args:
        bundle: its folder.
        targets: GPUs; see `choose_toolchain`.
        precisions: that graphs are built in, those that are there in it; `all` are those that the
            bundle has, none is its default one.
        graphs: by name; none is all of them.
        workspace: see `build_engine`.

    Raises:
        ArtefactError: the bundle is damaged, or TensorRT cannot build one of its graphs; what was
            built before it stays.
        ConfigError: as `build_engine`; or the bundle has no such graph, or none in a precision.
        MissingExtraError: as `build_engine`.
    """
    opened = Bundle.open(bundle)
    variants = list(_variants(opened.manifest, precisions, graphs))
    verify(opened.folder, opened.manifest, [graph_file(opened.manifest, *one) for one in variants])
    toolchain = choose_toolchain(targets)
    return [
        _built(opened, name, _recipe(opened.manifest, name, precision, toolchain, workspace))
        for name, precision in variants
    ]


def _variants(
    bundle: Manifest, precisions: Sequence[str], names: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield each graph and precision to build, by graph."""
    graphs, default = bundle.body["graphs"], str(bundle.body["default_precision"])
    if unknown := [name for name in names if name not in graphs]:
        raise ConfigError(f"the bundle has no graph '{unknown[0]}', only {', '.join(graphs)}")
    graphs = {name: graph for name, graph in graphs.items() if not names or name in names}
    there = {precision: None for graph in graphs.values() for precision in graph["variants"]}
    everything = "all" in precisions
    for precision in precisions:
        if precision not in (*there, "all"):
            raise ConfigError(
                f"the bundle has no graph in {precision}, only in {', '.join(there)}; choose one "
                f"of these or run 'zscr export' with --precision {precision}"
            )
    wanted = dict.fromkeys(there if everything else precisions or [default])
    for precision in (one for one in wanted if one in UNSUPPORTED):
        say(f"no engine is built in {precision}: TensorRT has no such operators")
    for name, graph in graphs.items():
        yield from ((name, p) for p in wanted if p in graph["variants"] and p not in UNSUPPORTED)


def _recipe(
    bundle: Manifest, name: str, precision: str, toolchain: Toolchain, workspace: int | None
) -> Recipe:
    """Return all that an engine's bytes depend on."""
    onnx = bundle.files[graph_file(bundle, name, precision)]["sha256"]
    lengths = _lengths(bundle.body["graphs"][name]["inputs"])
    return Recipe(str(onnx), precision, toolchain, BATCHES, lengths, workspace)


def _lengths(specs: Sequence[Mapping[str, Any]]) -> Shape:
    """Return smallest, usual and largest length of a graph's texts, as its inputs are cut."""
    longest = max((spec["max_length"] for spec in specs if "max_length" in spec), default=None)
    return LENGTHS if longest is None else (LENGTHS[0], min(LENGTHS[1], longest), longest)


def _built(bundle: Bundle, name: str, recipe: Recipe) -> Path:
    """Return the folder of an engine, built now unless it is there; another builder is waited for.

    The user's key is part of the name, so that users who share a folder have engines of their own.
    """
    key = user_key()
    ending = f"{recipe.key[:_DIGITS]}-{key_name(key)[:4]}"
    folder = engines_folder(bundle.folder) / f"{name}-{recipe.precision}-{ending}"
    if _is_sound(folder):
        say(f"the engine of '{name}' in {recipe.precision} is already built in {folder}")
        return folder
    with work_folder(folder.with_name(f".{folder.name}.making"), f"building {folder}"):
        if not _is_sound(folder):  # or another process has built it by now
            for why in superseded(bundle.folder, name, recipe.precision):
                say(f"the engine of '{name}' in {recipe.precision} is built again: {why}")
            discard(folder)
            _build(folder, bundle, name, recipe, key)
    return folder


def _is_sound(folder: Path) -> bool:
    """Prove the engine of a folder, if there is one; what is wrong with it is said."""
    if not folder.exists():
        return False
    try:
        read_entry(folder).read()
    except ArtefactError as error:
        say(str(error))
        return False
    return True


def _build(folder: Path, bundle: Bundle, name: str, recipe: Recipe, key: bytes) -> None:
    """Build an engine into its folder, which appears when it is whole and sealed."""
    with staged(folder, KIND) as stage:
        stage.sign = lambda sha256: seal_of(key, sha256)
        targets = recipe.toolchain.targets
        info = build_engine(
            bundle.folder / graph_file(bundle.manifest, name, recipe.precision),
            stage.folder / f"{name}-{recipe.precision}.engine",
            batches=recipe.batches,
            lengths=recipe.lengths,
            targets=targets,
            workspace=recipe.workspace,
        )
        stage.body |= {"graph": name, "file": f"{name}-{recipe.precision}.engine"}
        stage.body |= {"bundle": bundle.name, "status": BUILT, "sealed_by": key_name(key)}
        stage.body |= {"when": datetime.now(UTC).isoformat(timespec="seconds")}
        stage.body |= {"recipe": asdict(recipe), **asdict(info)}
    say(f"built the engine of '{name}' in {recipe.precision} in {info.seconds:.1f} s")
