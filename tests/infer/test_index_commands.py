"""`zscr index` as people use it: what was done, skipped and damaged is said."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from zscr.cli import main
from zscr.infer.index.index import Index


def test_index_from_the_shell(deployed, tmp_path, images):
    """Add, look, verify, ask: what was skipped is said, and one's own images are found."""
    folder, runner = tmp_path / "own.index", CliRunner()
    images(4, "own")[1].write_text("text")
    add = ["index", "add", tmp_path / "own", "--bundle", deployed.bundle, "--index", folder]
    added = runner.invoke(main, list(map(str, add)))
    assert (added.exit_code, added.stdout) == (0, "")
    assert "3 added, 0 replaced, 0 unchanged, 1 skipped" in added.stderr
    assert "01.png is not a JPEG" in added.stderr
    again = runner.invoke(main, list(map(str, add)))
    assert "0 added, 0 replaced, 3 unchanged, 1 skipped" in again.stderr
    info = runner.invoke(main, ["index", "info", str(folder)])
    assert "3 images of 16 dimensions, exact" in info.stdout
    opened = Index.open(folder)
    about = f"generation {opened.generation}, made by the bundle {deployed.bundle.name}"
    assert f"{about} in the space {opened.space[:12]}\n" in info.stdout
    assert "1 images were skipped" in info.stdout
    mixed = r"calibrated by 128 mixes of the examples' words: the best images of these score 0\.\d+"
    assert re.search(mixed, info.stdout)
    exported = runner.invoke(main, ["index", "info", str(deployed.index)]).stdout
    kinds = re.findall(r"^calibrated by (\d+) (\w+), each without", exported, re.MULTILINE)
    assert kinds == [("4", "examples"), ("8", "images")]
    verified = runner.invoke(main, ["index", "verify", str(folder)])
    assert "is sound: 3 images" in verified.stdout
    assert "100.00% of 3" in verified.stdout
    asked = ["query", "--text", "red", "--bundle", str(deployed.bundle), "--index", str(folder)]
    row = json.loads(runner.invoke(main, asked).stdout)
    assert {hit["id"] for hit in row["hits"]} == {"own/00.png", "own/02.png", "own/03.png"}


def test_diffusing_from_the_shell(deployed, tmp_path, images):
    """It is said when made, grown and looked at; an index that was made without says what to do."""
    folder, runner = tmp_path / "own.index", CliRunner()
    images(4, "own")
    about = ["--bundle", deployed.bundle, "--index"]
    named = ["index", "add", *images(4, "own"), *about]
    made = runner.invoke(main, list(map(str, [*named, folder, "--diffuse"])))
    said = "embeddings are diffused over 10 neighbours with alpha 0.9 in 10 steps"
    assert made.exit_code == 0
    assert said in made.stderr
    more = ["index", "add", *images(6, "own")[4:], *about, folder]
    assert said in runner.invoke(main, list(map(str, more))).stderr
    info = runner.invoke(main, ["index", "info", str(folder)]).stdout
    assert "image features of 16, embeddings diffused over 10 neighbours" in info
    plain = tmp_path / "plain.index"
    assert runner.invoke(main, list(map(str, [*named, plain]))).exit_code == 0
    refused = runner.invoke(main, list(map(str, [*named, plain, "--diffuse"])))
    assert refused.exit_code == 1
    assert re.fullmatch(
        "Error: the index .*plain.index was made without --diffuse; leave --diffuse out, or make "
        "another of the same images with --index\n",
        refused.stderr,
    )
    info = runner.invoke(main, ["index", "info", str(plain)]).stdout
    assert "image features of 16, embeddings not diffused" in info


def test_a_damaged_index_is_one_sentence(deployed, tmp_path):
    """From the shell, too."""
    folder = Path(shutil.copytree(deployed.index, tmp_path / "index"))
    vectors = folder / f"vectors.{Index.open(folder).generation}.npy"
    vectors.write_bytes(vectors.read_bytes()[:-1] + b"\0")
    result = CliRunner().invoke(main, ["index", "verify", str(folder)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch("Error: .*vectors.* is damaged: .*\n", result.stderr)


def test_an_interrupted_add_says_how_to_go_on(deployed, tmp_path, images):
    """What was embedded is kept, as the kill tests prove; Ctrl-C says so."""
    images(3)
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys\n"
        "from zscr.cli import main\n"
        "replace = os.replace\n"
        "def interrupted(*args):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    replace(*args)\n"
        "os.replace = interrupted\n"
        "main(sys.argv[1:])\n"
    )
    args = ["index", "add", tmp_path / "images", "--bundle", deployed.bundle]
    args += ["--index", tmp_path / "index"]
    command = [sys.executable, script, *args]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 130
    assert "the same command goes on from there\ninterrupted\n" in done.stderr
    assert "Traceback" not in done.stderr
