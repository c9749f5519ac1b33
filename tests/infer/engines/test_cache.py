"""Which engine a graph runs as, and what is said where it runs as none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.infer.engines.conftest import A10, L4, RTX, TRT, here_of
from zscr.errors import ArtefactError
from zscr.infer.bundle import Bundle
from zscr.infer.engines.cache import Rebuild, engine_for, judged_engines
from zscr.infer.engines.entry import Entry, read_entry
from zscr.infer.engines.state import State
from zscr.infer.engines.toolchain import Here, Toolchain

Save = Callable[..., Path]
NEXT = replace(TRT, version="10.9")


def test_the_newest_usable_engine_is_taken(bundle: Bundle, save_engine: Save) -> None:
    """Of this graph in this precision; another's is none, whatever its folder is called."""
    save_engine()
    newest = save_engine(when="2026-02-01T00:00:00+00:00", workspace=1 << 30)
    save_engine(toolchain=TRT, when="2026-03-01T00:00:00+00:00")
    found = engine_for(bundle.folder, bundle.manifest, "text", "fp32", here_of(RTX))
    assert isinstance(found, Entry)
    assert found.folder == newest
    assert found.read() == bytes(range(256))
    for graph, precision in (("gallery", "fp32"), ("text", "fp16")):
        shutil.copytree(
            newest, newest.with_name(newest.name.replace("text-fp32", f"{graph}-{precision}"))
        )
        found = engine_for(bundle.folder, bundle.manifest, graph, precision, here_of(RTX))
        assert isinstance(found, Rebuild)
        assert found.onnx.name == bundle.graphs[graph]["variants"][precision]["file"]
        assert f"no engine of '{graph}' in {precision} has been built" in found.why


@pytest.mark.parametrize(
    ("built", "here", "state", "why"),
    [
        (TRT, here_of(TRT), State.USABLE, "for NVIDIA A10 (sm86), by tensorrt 10.3"),
        (
            TRT,
            here_of(NEXT, L4),
            State.STALE,
            "built for tensorrt 10.3, NVIDIA A10 (sm86), driver 550.1; "
            "here tensorrt 10.9, NVIDIA L4 (sm89), driver 580.2",
        ),
        (
            TRT,
            here_of(TRT, replace(A10, driver="580.2")),
            State.STALE,
            "built for driver 550.1; here driver 580.2",
        ),
        (
            TRT,
            here_of(TRT, replace(A10, name="NVIDIA A40")),
            State.ELSEWHERE,
            "built for NVIDIA A10 (sm86); here NVIDIA A40 (sm86)",
        ),
        (TRT, here_of(replace(TRT, cuda="13")), State.STALE, "built for CUDA 12; here CUDA 13"),
        (RTX, here_of(RTX, L4), State.ELSEWHERE, "built for sm86, sm120; here sm89"),
        (RTX, here_of(RTX, None), State.ELSEWHERE, "built for sm86, sm120; here no GPU"),
        (RTX, here_of(RTX, replace(A10, driver="999")), State.USABLE, "for sm86, sm120"),
        (
            replace(RTX, targets=()),
            here_of(RTX, L4),
            State.USABLE,
            "for sm80, sm86, sm89, sm120, sm121",
        ),
        (
            replace(RTX, targets=()),
            here_of(RTX, replace(A10, capability="SM75")),
            State.ELSEWHERE,
            "built for sm80, sm86, sm89, sm120, sm121; here sm75",
        ),
        (RTX, None, State.ELSEWHERE, "tensorrt_rtx, which built it, is not installed here"),
    ],
)
def test_what_differs_from_this_machine_is_one_sentence(
    bundle: Bundle, save_engine: Save, built: Toolchain, here: Here | None, state: State, why: str
) -> None:
    """It names both sides of what changed; an engine for another GPU is not stale."""
    save_engine(toolchain=built)
    look = here or here_of(replace(TRT, library="another"))
    found = engine_for(bundle.folder, bundle.manifest, "text", "fp32", look)
    assert isinstance(found, Entry if state is State.USABLE else Rebuild)
    if here:
        [judged] = judged_engines(bundle.folder, look=here)
        assert judged.state is state
        assert judged.why.startswith(why)
    if isinstance(found, Rebuild):
        assert found.why == why


def test_an_engine_of_another_graph_is_stale(bundle: Bundle, save_engine: Save) -> None:
    """Also where the two are of one structure: the hash is of the weights, too."""
    save_engine(onnx="0" * 64)
    found = engine_for(bundle.folder, bundle.manifest, "text", "fp32", here_of(RTX))
    assert isinstance(found, Rebuild)
    assert found.why == "text.onnx is another graph than the one it was built of"


@pytest.mark.parametrize("when", ["2026-99-01T00:00:00+00:00", "2026-01-01", "soon"])
def test_a_time_that_is_none_is_damage(save_engine: Save, when: str) -> None:
    """Of a stranger's engine, which is only listed."""
    with pytest.raises(ArtefactError, match="is no engine's"):
        read_entry(save_engine(when=when))


def test_what_is_wrong_with_an_engine_is_told_apart(bundle: Bundle, save_engine: Save) -> None:
    """Of a bundle that is gone, cut, of an older zscr, without a manifest."""
    cut, old, empty = save_engine(), save_engine(precision="fp16"), save_engine("gallery")
    (cut / "x.engine").write_bytes(b"")
    (old / "manifest.json").write_text('{"kind": "engines", "schema": 4, "files": {}}')
    (empty / "manifest.json").unlink()
    states = {one.folder: (one.state, one.why) for one in judged_engines(bundle.folder)}
    assert states[cut] == (State.DAMAGED, "it has 0 bytes and was built with 256")
    assert states[old] == (State.STALE, "an older zscr made it, which sealed nothing")
    assert states[empty][0] is State.DAMAGED
    kept = save_engine("gallery", "fp16")
    shutil.rmtree(bundle.folder)
    judged = {one.folder: one for one in judged_engines(bundle.folder, look=here_of(RTX))}[kept]
    assert (judged.state, judged.why) == (State.STALE, "its bundle birds is gone")
