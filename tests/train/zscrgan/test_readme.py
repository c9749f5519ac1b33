"""The page on the reference's algebra names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import zscr.train.methods.zscrgan.reference as reference

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "train/methods/zscrgan/reference/README.md"


def missing(text: str) -> list[str]:
    """Return the tests `file::name` that a text names and that are not there."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    return [f"{file}::{name}" for file, name in named if name not in functions(ROOT / file)]


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8")) if path.is_file() else ast.Module([], [])
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_proof_that_the_page_names_exists() -> None:
    """By file and name; there are about as many as there are fused parts."""
    text = PAGE.read_text("utf-8")
    assert missing(text) == []
    assert len(set(re.findall(r"::(\w+)`", text))) >= 15


def test_what_does_not_exist_is_found() -> None:
    """Another name, or another file, is told."""
    here = "`tests/train/zscrgan/test_readme.py::test_what_does_not_exist_is_found`"
    assert missing(here) == []
    assert missing(here.replace("_found", "_lost")) != []
    assert missing(here.replace("test_readme", "test_other")) != []


def test_what_the_page_names_of_the_code_exists() -> None:
    """Its modules and the names that stand in backquotes are somewhere in the package."""
    folder = Path(next(iter(reference.__path__)))
    code = "\n".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    names = set(re.findall(r"`([A-Za-z_.]+)(?:\([^`]*\))?`", PAGE.read_text("utf-8")))
    files = {name for name in names if name.endswith(".py")}
    assert {name for name in files if not (folder / name).is_file()} == set()
    words = {word for name in names - files for word in name.split(".")}
    assert {word for word in words if not re.search(rf"\b{word}\b", code)} == set()
