"""Engines of several bundles: which are removed, and which are found faulty."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.infer.engines.conftest import RTX
from zscr.cli import main
from zscr.infer.bundle import Bundle

Save = Callable[..., Path]
OLD = {"onnx": "0" * 64}  # of a graph that is gone
ELSEWHERE = {"toolchain": replace(RTX, library="tensorrt_of_nobody")}  # installed nowhere


def zscr(*args: object) -> Result:
    return CliRunner().invoke(main, ["engine", *map(str, args)])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where the bundle is one of `bundles/`."""
    (tmp_path / "work/bundles").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")


def test_prune_removes_what_can_never_be_used(bundle: Bundle, save_engine: Save) -> None:
    """Nothing at --dry-run; engines for other GPUs stay, whole."""
    kept, stale, cut = save_engine(**ELSEWHERE), save_engine(**OLD), save_engine("gallery")
    (cut / "x.engine").write_bytes(b"")
    would = zscr("prune", bundle.folder, "--dry-run")
    assert would.exit_code == 0
    assert {line.split(": ")[0] for line in would.stdout.splitlines()} == {str(stale), str(cut)}
    assert stale.exists()
    done = zscr("prune", bundle.folder)
    assert done.stdout == would.stdout
    assert "removed 2 engines of 0.0 MB" in done.stderr
    assert [*kept.parent.iterdir()] == [kept]
    assert zscr("verify", bundle.folder).exit_code == 0


def test_prune_of_old_ones_keeps_the_young(bundle: Bundle, save_engine: Save) -> None:
    """By the day on which they were built, which is sealed."""
    ages = {days: datetime.now(UTC) - timedelta(days=days) for days in (1, 40)}
    made = {
        days: save_engine(when=when.isoformat(timespec="seconds"), workspace=days, **OLD)
        for days, when in ages.items()
    }
    assert zscr("prune", bundle.folder, "--older-than", "5w").exit_code == 0
    assert made[1].exists()
    assert not made[40].exists()
    refused = zscr("prune", bundle.folder, "--older-than", "soon")
    assert refused.exit_code == 2
    assert "write such as 12h, 30d or 4w" in refused.stderr


def test_verify_fails_on_any_fault(bundle: Bundle, save_engine: Save) -> None:
    """Of each engine a line; the bytes are read, which a list does not do."""
    sound, flipped = save_engine(), save_engine("gallery")
    assert zscr("verify", bundle.folder).stdout == f"{flipped} is sound\n{sound} is sound\n"
    content = bytearray((flipped / "x.engine").read_bytes())
    content[77] ^= 1
    (flipped / "x.engine").write_bytes(content)
    done = zscr("verify", bundle.folder)
    assert done.exit_code == 1
    assert f"{flipped} is refused\n{sound} is sound\n" == done.stdout
    assert "1 of 2 engines may not be loaded" in done.stderr


def test_explain_says_of_every_graph_what_runs_it(bundle: Bundle, save_engine: Save) -> None:
    """In every precision; what is of no graph any more stands below."""
    save_engine(precision="fp16", **ELSEWHERE)
    broken = save_engine("gallery")
    (broken / "manifest.json").unlink()
    lines = zscr("explain", bundle.folder).stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        *("text in fp32", "text in fp16", "gallery in fp32", "gallery in fp16"),
        broken.name,
    ]
    assert lines[0] == "text in fp32: none has been built"
    assert lines[1].startswith("text in fp16: elsewhere: ")


def test_list_finds_the_engines_of_this_folder(bundle: Bundle, save_engine: Save) -> None:
    """Also where their bundle is gone; a name that is none is an error."""
    folder = save_engine()
    shutil.move(folder.parent, "bundles/birds.engines")
    table = zscr("list", "--format", "table").stdout.splitlines()
    assert table[0].split() == "bundle graph precision for MB age state".split()
    assert table[1].startswith("birds   text   fp32       sm86, sm120  0.0  ")
    assert table[-1] == "stale: its bundle birds is gone"
    assert '"by": "tensorrt_rtx 1.7"' in zscr("list").stdout
    shutil.rmtree("bundles/birds.engines")
    empty = zscr("list")
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert "there are no engines" in empty.stderr
    assert "there is no bundle nowhere" in zscr("list", "nowhere").stderr
