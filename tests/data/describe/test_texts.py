"""What a method may read of classes: seen and validation ones, from any source, never unseen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zscr.artefact import read_manifest, write_manifest
from zscr.data.check import check_collection
from zscr.data.collection import Collection, read_collection
from zscr.data.describe.stored import read_descriptions, write_descriptions
from zscr.data.describe.texts import class_texts, texts_sha256
from zscr.data.summary import Described, summarise
from zscr.errors import ArtefactError, CollectionError, ConfigError, MismatchError

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
    assert "name an unseen class are left out: apple (door)\n" in capsys.readouterr().err


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


def test_info_and_check_tell_of_them(cars: Collection) -> None:
    write_descriptions(cars.folder, SAID, FIELDS)
    told = summarise(read_collection(cars.folder)).descriptions
    assert told == (Described(3, 4, "test", "2024-07-01"),)
    assert check_collection(cars.folder).faults == ()
    write_descriptions(cars.folder, {**SAID, "door": {"looks": "Flat."}}, FIELDS)
    assert "door" in check_collection(cars.folder).faults[0]
    (file,) = (cars.folder / "descriptions").glob("answers-*.json")
    file.write_bytes(file.read_bytes().replace(b"Flat", b"Wide"))
    assert "sha256" in check_collection(cars.folder).faults[0]


@pytest.mark.parametrize(
    "field",
    [
        {"answers": "../classes.json"},
        {"model": "m\x1b[2J"},
        {"date": 7},
        {"prompts": {"looks": ["What?"]}},
        {"seed": 0.5},
        {"refused": -1},
    ],
)
def test_a_strangers_descriptions_are_checked(cars: Collection, field: dict[str, Any]) -> None:
    """By a manifest whose hashes are right, as a forger's are."""
    folder = write_descriptions(cars.folder, SAID, FIELDS)
    manifest = read_manifest(folder, "descriptions")
    write_manifest(folder, "descriptions", manifest.files, {**manifest.body, **field})
    with pytest.raises(ArtefactError, match=f"{[*field][0]}"):
        read_descriptions(cars.folder)


@pytest.mark.parametrize(
    "said", [{"ape": {"looks": "x\x1b[2J"}}, {"ape": {"looks": "long " * 200}}, {"ape": "x"}, []]
)
def test_sentences_of_strangers_are_checked(cars: Collection, said: Any) -> None:
    write_descriptions(cars.folder, said, FIELDS)
    with pytest.raises(ArtefactError, match="damaged"):
        read_descriptions(cars.folder)
