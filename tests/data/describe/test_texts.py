"""What a method may read of classes: seen and validation ones, from any source, never unseen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zscr.data.collection import Collection, read_collection
from zscr.data.describe.stored import read_descriptions, write_descriptions
from zscr.data.describe.texts import class_texts, texts_sha256
from zscr.errors import CollectionError, ConfigError, MismatchError

FIELDS = {"source": "test", "prompts": {}, "date": "2024-07-01", "cut": 0, "refused": 0}
SAID = {"car_(sedan)": {"looks": "It has four wheels."}, "ape": {"looks": "It has long arms."}}
SAID["apple"] = {"looks": "It is round.", "parts": "A stalk, and a leaf."}


def write(path: Path, content: Any) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def test_names_and_templates_are_plain_words(cars: Collection) -> None:
    assert class_texts(cars, "names", "seen") == {
        "car_(sedan)": ("sedan car",),
        "apple": ("apple",),
    }
    assert class_texts(cars, "templates", "seen", 2)["car_(sedan)"] == (
        "a photo of a sedan car",
        "a sketch of a sedan car",
    )
    assert class_texts(cars, "templates", "val", 1) == {"ape": ("a photo of an ape",)}
    assert class_texts(cars, "collection", "val") == {"ape": ("an ape",)}


@pytest.mark.parametrize("source", ["names", "templates", "collection", "descriptions"])
def test_unseen_classes_are_never_handed_out(cars: Collection, source: str) -> None:
    """Also where the collection itself describes them, since they are what its queries ask."""
    with pytest.raises(ConfigError, match="never unseen"):
        class_texts(cars, source, "unseen")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"door": {"looks": "Flat."}}, "nothing: door; take"),
        ({"dor": {"looks": "Flat."}}, "has not: dor; correct"),
        ({"ape": {}}, "nothing of these classes of split 'val' of .*: ape; describe"),
    ],
)
@pytest.mark.parametrize("kind", ["file", "stored"])
def test_wrong_classes_are_named(
    cars: Collection, tmp_path: Path, change: Any, told: str, kind: str
) -> None:
    said = {**SAID, **change}
    source = "descriptions"
    if kind == "stored":
        write_descriptions(cars.folder, said, FIELDS)
    else:
        source = write(tmp_path / "said.json", said)
    with pytest.raises(CollectionError, match=told):
        class_texts(cars, source, "val")


def test_a_file_is_read_as_prompts_or_lists(cars: Collection, tmp_path: Path, capsys: Any) -> None:
    listed = {name: [*sentences.values()] for name, sentences in SAID.items()}
    listed["apple"].insert(0, "It may lie\x1b[2J behind a   door.")
    path = write(tmp_path / "listed.json", listed)
    assert class_texts(cars, path, "seen") == {
        "car_(sedan)": ("It has four wheels.",),
        "apple": ("It is round.", "A stalk, and a leaf."),
    }
    assert (
        "1 sentences (apple (door)) name an unseen class and are left out"
        in capsys.readouterr().err
    )


def test_a_run_remembers_its_texts(cars: Collection) -> None:
    """Any changed sentence of a seen or validation class is another hash, and refused."""
    sha256 = cars.manifest.sha256
    write_descriptions(cars.folder, SAID, FIELDS)
    known = texts_sha256(cars, "descriptions")
    assert texts_sha256(cars, "descriptions", known=known) == known
    write_descriptions(cars.folder, {**SAID, "ape": {"looks": "It has no tail."}}, FIELDS)
    with pytest.raises(MismatchError, match="not those that were trained with"):
        texts_sha256(cars, "descriptions", known=known)
    assert read_descriptions(cars.folder).answers["ape"] == {"looks": "It has no tail."}
    assert len([*(cars.folder / "descriptions").iterdir()]) == 2
    assert read_collection(cars.folder).manifest.sha256 == sha256
