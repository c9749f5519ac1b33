"""`zscr models`: what is here, sound or not, and what can be had by name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zscr.infer.models.installed import choose_model
from zscr.infer.models.known import KNOWN
from zscr.infer.models.listing import list_models


def test_the_users_models_the_folders_bundles_and_known_names_are_listed(
    home: Path, dual: Callable[..., Path], rows: Callable[..., Any]
) -> None:
    """With what their manifests say; what stands beside a bundle, and `latest`, are none."""
    dual(home / "models/small", licence="MIT", languages=["en", "de"], source="me/small")
    made = dual(Path("bundles/mine-001"), seed=2, texts=False)
    Path("bundles/latest").symlink_to("mine-001")
    shutil.copytree(made, "bundles/mine-001.index")
    for place in (home / "models/small", made):
        place.with_name(f"{place.name}.engines").mkdir()
    manifest = Path("bundles/mine-001.index/manifest.json")
    manifest.write_text(manifest.read_text().replace('"bundle"', '"index"'))
    choose_model("bundles/latest")
    found = rows()
    assert [*found] == ["small", "bundles/mine-001", *(one.name for one in KNOWN)]
    small, mine = found["small"], found["bundles/mine-001"]
    assert (small["kind"], small["dim"], small["licence"]) == ("installed", 3, "MIT")
    assert small["languages"] == ["en", "de"]
    assert (small["source"], small["takes"]) == ("me/small", ["image", "text"])
    files = sum(path.stat().st_size for path in (home / "models/small").glob("*.onnx"))
    assert small["mib"] == round(files / (1 << 20), 1)
    assert (mine["kind"], mine["takes"], mine["licence"]) == ("bundle", ["image"], None)
    assert [name for name, row in found.items() if row["chosen"]] == ["bundles/mine-001"]


def test_what_is_no_sound_bundle_is_listed_with_the_reason(
    home: Path, dual: Callable[..., Path], run: Callable[..., Any]
) -> None:
    """Damaged, of another kind, empty, a broken link: each in one row, and the others after it."""
    models = home / "models"
    sound, damaged = dual(models / "z-sound"), dual(models / "damaged")
    (damaged / "manifest.json").write_text((damaged / "manifest.json").read_text()[:-20])
    (models / "empty").mkdir()
    (models / "gone").symlink_to(home / "nowhere")
    (models / ".half.partial").mkdir()
    (models / "note.txt").write_text("a file is no model")
    shutil.copytree(sound, models / "run")
    text = (models / "run/manifest.json").read_text()
    (models / "run/manifest.json").write_text(text.replace('"kind": "bundle"', '"kind": "run"'))
    found = {row.name: row.fault or "" for row in list_models() if row.kind == "installed"}
    assert [*found] == ["damaged", "empty", "gone", "run", "z-sound"]
    assert "is damaged" in found["damaged"]
    assert "it has no manifest.json" in found["empty"]
    assert "there is no bundle" in found["gone"]
    assert "is of kind run, and no bundle" in found["run"]
    assert found["z-sound"] == ""
    (home / "model.json").write_text('{"model": "damaged"}')  # chosen while it was sound
    table = run("--format", "table")
    assert table.exit_code == 0
    assert f"  empty: {models / 'empty'} is no bundle" in table.stdout


def test_names_cannot_take_a_terminal_over(
    home: Path, dual: Callable[..., Path], run: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    """Neither a folder's name nor what a manifest says reaches it with its control characters."""
    dual(home / "models/a\x1b[2Jb", licence="MIT\x1b[31m")
    (home / "models/c\x1bd").mkdir()
    for style in ("table", "jsonl"):
        assert "\x1b" not in run("--format", style).stdout
    assert "a\\x1b[2Jb" in run("--format", "table").stdout
    assert rows()["a\x1b[2Jb"]["licence"] == "MIT\x1b[31m"


def test_a_choice_whose_bundle_is_gone_is_told_and_the_list_goes_on(
    home: Path, dual: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    dual(home / "models/small")
    shutil.move(dual(home / "models/big"), home / "elsewhere")
    choose_model(str(home / "elsewhere"))
    assert [row.name for row in list_models() if row.chosen] == [str(home / "elsewhere")]
    shutil.rmtree(home / "elsewhere")
    assert not any(row.chosen for row in list_models())
    assert "there is no model" in capsys.readouterr().err


def test_use_says_what_is_used_from_now_on(
    home: Path, dual: Callable[..., Path], run: Callable[..., Any]
) -> None:
    """And what becomes of indexes; a damaged one is not chosen."""
    dual(home / "models/small")
    done = run("use", "small")
    assert done.exit_code == 0
    assert "'zscr find' uses small from now on: queries of text or image" in done.stderr
    assert "indexes stay as they are, each of the model that made it" in done.stderr
    made = dual(Path("bundles/mine-001"), seed=2)
    Path("bundles/latest").symlink_to("mine-001")
    latest = run("use", "bundles/latest").stderr  # stays with what it is a link to
    assert f"uses {made.resolve()}, which is bundles/latest today, from now on" in latest
    (home / "models/linked").symlink_to(made.resolve())
    assert "uses linked from now on" in run("use", "linked").stderr
    run("use", "small")
    damaged = dual(home / "models/damaged") / "manifest.json"
    damaged.write_text(damaged.read_text().replace('"dim": 3', '"dim": 4'))
    refused = run("use", "damaged")
    assert (refused.exit_code, "checksum is wrong" in refused.stderr) == (1, True)
    assert [row.name for row in list_models() if row.chosen] == ["small"]
    assert run("use", "none").exit_code == 1


def test_info_says_where_a_model_is_from(
    home: Path, dual: Callable[..., Path], run: Callable[..., Any]
) -> None:
    score = "a cosine; e to the power of it times 100"
    dual(home / "models/small", licence="MIT", languages=["en"], source="me/small", score=score)
    said = run("info", "small").stdout.splitlines()
    assert said[0].endswith("small: method clip, 3 dimensions")
    assert "graph gallery: image, 1.0e-07 from its origin at most" in said
    assert f"score: {score}" in said
    assert "languages: en" in said


def test_the_list_needs_neither_torch_nor_onnxruntime(
    home: Path, dual: Callable[..., Path], run: Callable[..., Any]
) -> None:
    """Neither does choosing one; a list of models has to be quick."""
    dual(home / "models/small")
    script = (
        "import sys; from click.testing import CliRunner; from zscr.cli import main\n"
        "for args in (['models'], ['models', 'use', 'small'], ['models', 'info', 'small']):\n"
        "    assert CliRunner().invoke(main, args).exit_code == 0\n"
        "print(sorted({'torch', 'onnx', 'onnxruntime', 'transformers'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ}
    )
    assert done.stdout == "[]\n", done.stderr
