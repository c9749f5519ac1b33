"""Terms and folders, told apart; what may be meant otherwise is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zscr.errors import InputError
from zscr.infer.answers.answer import describe
from zscr.infer.find.words import read_words


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Stand in a folder with two folders, images' files and one that only looks like text."""
    for name in ("photos", "dog"):
        (tmp_path / name).mkdir()
    for name in ("cat.jpg", "my cat.jpg", "grass"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "asked", "folders"),
    [
        (["a dog"], "a dog", []),
        (["dog", "-", "leash", "0.5:grass"], "dog - leash + 0.5:grass", []),
        (["a dog", "photos", "dog/"], "a dog", ["photos", "dog"]),
        (["photos/", "dog", "+", "dog"], "dog + dog", ["photos"]),
        (["photos/", "dog"], "dog", ["photos"]),
        (["-", "dog", "."], "- dog", ["."]),
        (["2:dog"], "dog", []),
        (["cat.jpg", "-", "1.5:dog"], "image cat.jpg - 1.5:dog", []),
        (["2:./cat.jpg", "-0.5:photos"], "2:image cat.jpg - 0.5:photos", []),
        (["1:3:00 o'clock"], "3:00 o'clock", []),
        (["a photo of cat.jpg"], "a photo of cat.jpg", []),
        (["my cat.jpg", "-", "0.5:my cat.jpg"], "image my cat.jpg - 0.5:image my cat.jpg", []),
        (["dog", " -0.5:grass"], "dog - 0.5:grass", []),
        (
            ["-", Path("my cat.jpg"), "owl", Path("cat.jpg")],
            "- image my cat.jpg + owl + image cat.jpg",
            [],
        ),
        (["black/white"], "black/white", []),
        (["  a \n dog "], "a dog", []),
    ],
)
def test_words_are_terms_or_folders(words, asked, folders):
    """As the help says; a weight alone is none, since only the direction of a query matters."""
    found = read_words(words)
    assert describe(found.query) == asked
    assert found.folders == [Path(folder) for folder in folders]


def test_images_and_folders_by_options():
    """Where a folder is given, plain words are terms even if there are folders called so."""
    found = read_words(["dog", "photos"], ["0.5:cat.jpg"], [Path("photos")])
    assert describe(found.query) == "dog + photos + 0.5:image cat.jpg"
    assert found.folders == [Path("photos")]
    assert [term.query.fields for term in found.terms] == [{"text"}, {"text"}, {"image"}]
    beside_an_image = read_words(["photos"], ["cat.jpg"])
    assert describe(beside_an_image.query) == "image cat.jpg"
    assert beside_an_image.folders == [Path("photos")]
    assert read_words(["fotos"], ["cat.jpg"]).told == [
        "'fotos' is searched for with the image, as it is no folder"
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["dog"], "'dog' is searched for; the folder of that name is ./dog"),
        (["a", "red car", "."], "'a' and 'red car' are two terms.*quote it: \"a red car\""),
        (["grass", "+", "car"], None),
        (["0.5:grass", "car"], None),
        (["cat", "photos"], None),
        (["10:30 on a clock"], "is '30 on a clock' with the weight 10; .*'1:10:30 on a clock'"),
        (["owl", "-", "4:3"], "'4:3' is '3' with the weight 4"),
        (["1:3:00 o'clock"], None),
        (["0,5:grass"], "'0,5:grass' is searched for as it stands; a weight has a point"),
    ],
)
def test_what_may_be_meant_otherwise_is_told(words, told):
    """One sentence, and only where there is something to tell."""
    found = read_words(words).told
    assert len(found) == (told is not None)
    if told:
        assert re.search(told, found[0]), found


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dog", "-"], "'-' has no term behind it"),
        (["dog", "-", "+", "cat"], "'- \\+' has no term between"),
        (["dog", "./fotos"], "./fotos does not exist.*'1:./fotos'"),
        (["dog", "fotos/"], "fotos/ does not exist"),
        (["dog", "no.jpg"], "no.jpg, which does not exist"),
        (["dog", " "], "a term is empty"),
        (["cat", "fotos"], 'fotos is no folder; for one text, quote it: "cat fotos"'),
        (["a", "red", "car"], 'car is no folder; .* "red car", for two terms write \\+'),
        (["cat", "-", "leash", "fotos"], "fotos is no folder"),
        (["0.5: "], "a term is empty"),
    ],
)
def test_words_that_ask_for_nothing_are_refused(words, message):
    """One sentence with what to do."""
    with pytest.raises(InputError, match=message):
        read_words(words)
