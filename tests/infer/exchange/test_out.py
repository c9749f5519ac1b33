"""A place that exports go to has all of one or nothing; and what the commands say."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from galleries import SPACE, entry, names_in, unit

from zscr.cli import main
from zscr.errors import ArtefactError, InputError
from zscr.infer.exchange import commands
from zscr.infer.exchange.exports import FORMATS, export_index
from zscr.infer.exchange.imports import import_index
from zscr.infer.exchange.place import new_place
from zscr.infer.index.index import Index

# Exports; kills itself with -9 just before it calls the disk for the n-th time in one way.
KILLED = """
import os, signal, sys
from pathlib import Path
from zscr.infer.exchange.exports import export_index

folder, out, style, name, left = Path(sys.argv[1]), *sys.argv[2:5], int(sys.argv[5])
call = getattr(os, name)

def dying(*args, **kwargs):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return call(*args, **kwargs)

setattr(os, name, dying)
export_index(folder, out, style)
"""


@pytest.mark.parametrize("style", FORMATS)
def test_a_killed_export_leaves_nothing_under_the_name(
    index: Index, tmp_path: Path, need: Any, style: str
) -> None:
    """Killed while it syncs or before it is named; the next export removes what was left."""
    need(style)
    out = tmp_path / "new/out"
    for call, number in (("fsync", 2), ("rename", 1)):
        command = [sys.executable, "-c", KILLED, index.folder, out, style, call, number]
        done = subprocess.run([str(word) for word in command], capture_output=True, timeout=120)
        assert done.returncode == -signal.SIGKILL, done.stderr
        [left] = names_in(out.parent)
        assert left.endswith(".partial")
    export_index(index.folder, str(out), style)
    assert names_in(out.parent) == ["out"]
    assert import_index(str(out), tmp_path / "i").index.count == 500


@pytest.mark.parametrize("style", FORMATS)
def test_what_is_there_is_never_written_over(
    index: Index, tmp_path: Path, need: Any, style: str
) -> None:
    """Neither a file nor a folder."""
    need(style)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    for name in ("file", "folder"):
        with pytest.raises(ArtefactError, match=f"{name} exists already"):
            export_index(index.folder, str(tmp_path / name), style)
    assert names_in(tmp_path) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("style", [one for one in FORMATS if one != "qdrant"])
def test_a_full_disk_is_a_sentence(small_disk: Path, tmp_path: Path, need: Any, style: str) -> None:
    """2 MB on a disk of 1 MB: no format's library may overlook it, and nothing is left."""
    need(style)
    rows = unit(np.random.default_rng(2).normal(size=(8000, 64)))
    entries = [entry(number) for number in range(8000)]
    about = {"space": SPACE, "bundle_name": "birds", "search": "exact"}
    Index.create(tmp_path / "i", entries=entries, vectors=rows, **about)
    with pytest.raises(ArtefactError) as told:
        export_index(tmp_path / "i", str(small_disk / "out"), style)
    assert "free some space on that disk" in str(told.value)
    assert "\n" not in str(told.value)
    assert names_in(small_disk) == []


def test_a_graph_that_came_out_short_is_seen(index: Index, tmp_path: Path, need: Any) -> None:
    """hnswlib overlooks that its file may not be so large; all others are smaller."""
    need("hnswlib")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (110_000, hard))
    try:
        with pytest.raises(ArtefactError, match=r"only \d+ of \d+ bytes of index\.bin"):
            export_index(index.folder, str(tmp_path / "out"), "hnswlib")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names_in(tmp_path) == []


def test_what_comes_to_be_there_meanwhile_stays(tmp_path: Path) -> None:
    """A file that somebody makes while an export is written is not replaced."""

    def export() -> None:
        with new_place(tmp_path / "out") as made:
            made.write_text("theirs")
            (tmp_path / "out").write_text("mine")

    with pytest.raises(ArtefactError, match="exists already"):
        export()
    assert names_in(tmp_path) == ["out"]
    assert (tmp_path / "out").read_text() == "mine"


def test_options_that_mean_nothing_are_refused(index: Index, tmp_path: Path) -> None:
    """Before anything is read or asked."""
    out, url = str(tmp_path / "out"), "http://localhost:1"
    for args, how, said in (
        ((out, "pickle"), {}, "there is no format pickle; name one of faiss, hnswlib"),
        ((out, "npy"), {"hnsw": True}, "--hnsw is for faiss"),
        ((out, "npy"), {"collection": "x"}, "is no server"),
        ((out, "qdrant"), {"features": True}, "one vector"),
        ((url, "npy"), {"collection": "x"}, "takes the format qdrant alone"),
        ((url, "qdrant"), {}, "needs a collection"),
    ):
        with pytest.raises(InputError, match=said):
            export_index(index.folder, *args, **how)
    assert not Path(out).exists()


def test_from_the_shell(index: Index, tmp_path: Path) -> None:
    """Out and back, and a source that does not say its model."""
    assert commands.FORMATS == FORMATS

    def run(*args: object) -> Any:
        return CliRunner().invoke(main, ["index", *map(str, args)])

    out = run("export", index.folder, tmp_path / "out", "--format", "npy", "--features")
    assert (out.exit_code, out.stdout) == (0, "")
    assert f"500 images of 32 dimensions are in {tmp_path / 'out'}" in out.stderr
    back = run("import", tmp_path / "out", tmp_path / "i")
    assert (back.exit_code, back.stdout) == (0, "")
    assert f"{tmp_path / 'i'} holds 500 images of 32 dimensions" in back.stderr
    assert run("verify", tmp_path / "i", "--no-images").exit_code == 0
    (tmp_path / "out/manifest.json").unlink()
    lost = run("import", tmp_path / "out", tmp_path / "j")
    assert lost.exit_code == 1
    assert "does not say which model made its vectors" in lost.stderr
