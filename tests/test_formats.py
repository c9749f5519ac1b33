"""docs/formats.md names whatever an artefact holds, in its own section, so others can read it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zscr.artefact import read_manifest
from zscr.data.collection import ClassInfo, Item, new_collection
from zscr.data.records import Query
from zscr.data.relevance import Truth
from zscr.data.task_files import TaskInfo, TaskRow
from zscr.infer.answers.answer import Answer, Hit
from zscr.infer.answers.writers import CSV_FIELDS, write_answers

PAGE = (Path(__file__).parents[1] / "docs/formats.md").read_text("utf-8")
PROSE = re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)
SECTIONS = dict(re.findall(r"^##+ ([^\n]+)\n(.*?)(?=^##|\Z)", PROSE, re.MULTILINE | re.DOTALL))

# What these hold belongs to a method, a collection or a library, and is described as a whole.
WHOLE = {"config", "provenance", "parity", "figures", "versions", "tolerance", "measured"}
WHOLE |= {"chosen", "feature_parity", "head_settings", "settings", "shapes", "top10_overlap", "val"}
NAMED = {"graphs", "variants", "sources", "attributes", "relevant", "files"}  # keys are anyone's


def names_of(section: str) -> set[str]:
    """Return the names in backquotes, which stand for fields and files."""
    quoted = re.findall(r"`([^`]+)`", SECTIONS[section])
    return {*quoted, *(name for text in quoted for name in re.split(r"[^\w]+", text))}


def fields_of(content: Any, free: bool = False) -> Iterator[str]:
    """Yield the keys at every depth; those of a mapping from names are not fields."""
    if isinstance(content, list):
        for part in content:
            yield from fields_of(part)
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from () if free else [key]
            if key not in WHOLE or free:
                yield from fields_of(value, key in NAMED and not free)


def contents_of(path: Path) -> list[Any]:
    """Return what a file of JSON or JSON Lines holds."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [json.loads(path.read_bytes())]


@pytest.fixture
def full_collection(tmp_path: Path) -> Path:
    """Make a collection in which nothing optional is absent."""
    path, colour = tmp_path / "full", {"colour": "red"}
    with new_collection(path, name="n", protocol="p", provenance={"seed": 1}) as draft:
        Image.new("RGB", (4, 4)).save(draft.folder / "1.png")
        draft.add_class(ClassInfo("a", "A", ("text",), colour, (0, 1)), "seen")
        for name in "xyz":
            draft.add_item(Item(name, "seen", "a", "1.png", "1.png", ("text",), colour))
        query, truth = Query("q", "text", "1.png", "1.png"), Truth({"x": 1}, ("y",), ("x", "z"))
        draft.add_task(TaskInfo("items", protocol="p"), [TaskRow(query, "seen", "g", truth)])
        by_class = TaskInfo("classes", by="class", attribute="colour")
        draft.add_task(by_class, [TaskRow(query, "seen", "g", class_id="a", value="red")])
        for field, count in (("image", 3), ("text", 1)):
            draft.save_vectors(field, np.zeros((count, 2), np.float32))
        draft.skip("bad.png", "truncated")
    return path


def known_files(section: str) -> str:
    """Return a pattern of the files that a section names, its placeholders standing for any."""
    quoted = re.findall(r"`([^`\s]*\.[^`\s]*)`", SECTIONS[section])
    parts = [re.sub(r"<[^>]+>|(?<=\\\.)N(?=\\\.)", r"[\\w-]+", re.escape(name)) for name in quoted]
    return "|".join(parts)


@pytest.fixture
def adapted(vectors: Path, tmp_path: Path) -> Path:
    """Adapt a run that is hardly trained, with names."""
    from zscr.train.adaptation.adapt import Adaptation, adapt
    from zscr.train.fit import Request, fit

    settings = {"gf_dim": 8, "df_dim": 8, "batch_size": 4, "landmarks": 16, "rounds": 0}
    run = fit(Request("zscrgan", vectors, tmp_path / "run", settings, device="cpu")).folder
    (tmp_path / "names.txt").write_text("c8\n")
    asked = Adaptation(run, vectors, tmp_path / "names.txt", out=tmp_path / "adapted", device="cpu")
    return adapt(asked).folder


KINDS = ("collection", "full", "encoder", "run", "adapted", "bundle", "index")


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_and_file_is_described(
    kind: str, deployed, shapes: Path, tiny_text: Path, full_collection: Path, adapted: Path
) -> None:
    """Fields of manifests and tables at every depth, and files, by names in the kind's section."""
    folders = {"collection": shapes, "full": full_collection, "encoder": tiny_text}
    folders |= {"run": deployed.run, "bundle": deployed.bundle, "index": deployed.index}
    folders |= {"adapted": adapted}
    folder, kind = folders[kind], {"full": "collection", "adapted": "run"}.get(kind, kind)
    manifest, section = read_manifest(folder, kind), kind.capitalize()
    known = names_of(section)
    if kind in ("encoder", "bundle"):
        known |= names_of("Inputs")
    if kind == "encoder":
        known |= {"source", "max_abs_difference_to_torch"}  # where it comes from
    assert set(fields_of(dict(manifest.body))) - known == set()
    trained = folder == deployed.run
    listed = {*manifest.files} | ({"metrics.jsonl"} if trained else set())
    tables = [name for name in listed if Path(name).suffix in (".json", ".jsonl")]
    for name in set(tables) - {"tokenizer.json", "config.json"}:
        fields = set(fields_of(contents_of(folder / name)))
        assert {field for field in fields if "/" not in field} - known == set(), name
    files = {name for name in listed if not name.endswith(".png")}
    assert {name for name in files if not re.fullmatch(known_files(section), name)} == set()


def test_files_that_a_manifest_does_not_list_are_told(deployed, shapes: Path) -> None:
    """Each is named as an exception in the manifest's section."""
    for folder, kind in ((shapes, "collection"), (deployed.run, "run"), (deployed.index, "index")):
        there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        unlisted = there - {*read_manifest(folder, kind).files} - {"manifest.json"}
        names = {f"{name.split('/')[0]}/" if "/" in name else name for name in unlisted}
        assert names - names_of("Manifest") == set()


def test_answers_are_described() -> None:
    """Every field of a line and every column."""
    hit = Hit(1, "x", 0.5, "a", "1.png", True)
    answer = Answer(Query("1", "t", "1.png", "1.png"), (hit,), ("note",), "onnxruntime")
    out = io.StringIO()
    write_answers([answer], "jsonl", out)
    known = names_of("Queries and answers")
    assert {*fields_of(json.loads(out.getvalue())), *CSV_FIELDS} - known == set()
