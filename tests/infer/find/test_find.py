"""`zscr find` as people use it: what is asked, where, with which model, and how it is answered."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zscr
from zscr.errors import InputError
from zscr.infer.index.index import Index

ZSCR = [sys.executable, "-m", "zscr.cli", "find", "--threads", "1"]


def answer(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_examples_of_the_help_work_as_they_stand(find, images):
    """A text, folders, terms with weights and a minus, an image, `--in`; the model is named."""
    images(3, "photos"), images(2, "folder2", seed=8)
    found = answer(find("dog", "photos", "folder2"))
    assert (found["text"], len(found["hits"])) == ("dog", 5)
    assert found["ran"].startswith("birds, onnxruntime")
    assert all(Path(hit["image"]).is_file() for hit in found["hits"])
    summed = answer(find("dog", "-", "leash", "0.5:grass", "--in", "photos"))
    assert summed["terms"] == "dog - leash + 0.5:grass"
    assert (summed["notes"], len(summed["hits"])) == (["a sum of 3 terms"], 3)
    assert answer(find("dog", "-", "leash", "-0.5:grass"))["terms"] == "dog - leash - 0.5:grass"
    alike = answer(find("--image", "photos/01.png", "photos", "-k", 1))
    assert [hit["id"] for hit in alike["hits"]] == ["photos/01.png"]
    less = answer(find("owl", "--image", "-0.5:photos/01.png", "photos"))
    assert less["terms"] == "owl - 0.5:image photos/01.png"
    assert answer(find("-", "owl", "photos"))["notes"] == ["what is least like it comes first"]
    mixed = answer(find("owl", "+", "2:photos/01.png", "-k", 2))
    assert mixed["terms"] == "owl + 2:image photos/01.png"


def test_an_image_and_a_text_are_composed_where_it_is_asked(find, images):
    """In the place of their sum; what is taken away is what the text replaces."""
    first = images(4, "photos")[0]
    summed = answer(find(first, "+", "owl", "photos"))
    average = answer(find(first, "+", "owl", "photos", "--compose", "average"))
    assert (average["composition"], average["text"]) == ("average", "owl")
    assert [hit["id"] for hit in average["hits"]] == [hit["id"] for hit in summed["hits"]]
    told = answer(find(first, "+", "red", "-", "a wren", "photos", "--compose", "arithmetic"))
    assert (told["text"], told["instead_of"]) == ("red", "a wren")
    less = answer(find(first, "+", "red", "-", "a wren", "photos"))
    assert [hit["id"] for hit in less["hits"]] == [hit["id"] for hit in told["hits"]]
    api = zscr.find([first, "red", "-", "a wren"], "photos", compose="arithmetic")
    assert [hit.id for hit in api.hits] == [hit["id"] for hit in told["hits"]]
    for words, message in (
        (["owl"], "composes one image with one text"),
        ([first, "0.5:owl"], "each of weight 1"),
        ([first, "-", "owl"], "composes one image with one text"),
        ([first, "+", "owl", "+", "wren"], "composes one image with one text"),
    ):
        refused = find(*words, "photos", "--compose", "product")
        assert refused.exit_code == 1
        assert message in refused.stderr
    images(2, "others", seed=9)
    both = find(first, "+", "owl", "photos", "others", "--compose", "product")
    assert len(answer(both)["hits"]) == 6
    apart = find(first, "+", "owl", "photos", "others", "--compose", "weicom")
    assert "'weicom' measures scores by the images of one index" in apart.stderr
    unknown = find(first, "+", "owl", "photos", "--compose", "mean")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "not by 'mean'" in unknown.stderr
    place = find(first, "+", "a sketch of *", "photos", "--compose", "average")
    assert "'average' puts none into a text" in place.stderr


def test_the_weights_decide_by_the_scores_of_the_terms(find, images, tmp_path):
    """The score of a sum is the weighted sum of its terms' scores, over the length of the sum."""
    images(5, "photos")

    def scores(*words):
        hits = answer(find(*words, "--in", "photos"))["hits"]
        return np.array([hit["score"] for hit in sorted(hits, key=lambda hit: hit["id"])])

    robin, owl, both = scores("a robin"), scores("owl"), scores("2:a robin", "-", "owl")
    length = (2 * robin - owl) @ both / (both @ both)
    np.testing.assert_allclose(2 * robin - owl, length * both, atol=1e-5)
    assert 1 <= length <= 3


def test_several_folders_are_searched_as_one(find, ids, images):
    """The k best of all, as one index of them would rank them; a folder in another adds nothing."""
    Path("all").mkdir()
    images(4, "all/a"), images(4, "all/b", seed=8)
    found = answer(find("owl", "all/a", "all/b", "-k", 5))
    together = ids("owl", "all", "-k", 5)
    assert [f"all/{hit['id']}" for hit in found["hits"]] == together
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3, 4, 5]
    assert not any("above_unrelated" in hit for hit in found["hits"])
    assert ids("owl", "all", "all/a", "all", "-k", 5) == together


def test_the_forms_of_an_answer_agree(find, images):
    """Table, CSV, JSON lines, a page, and paths for other programs, relative to the folder."""
    images(3, "photos")
    first = answer(find("owl", "photos"))["hits"]
    places = [os.path.relpath(hit["image"]) for hit in first]
    assert places[0].startswith("photos/")
    assert find("owl", "photos", "-0").stdout == "".join(f"{place}\0" for place in places)
    assert find("owl", "photos", "--format", "paths").stdout.splitlines() == places
    rows = csv.DictReader(io.StringIO(find("owl", "photos", "--format", "csv").stdout))
    assert [row["id"] for row in rows] == [hit["id"] for hit in first]
    table = find("owl", "photos", "--format", "table")
    assert [line.split()[-1] for line in table.stdout.splitlines()[1:]] == places
    assert "birds, onnxruntime" in table.stderr
    page = find("owl", "photos", "--format", "html").stdout
    assert "<dt>model</dt><dd>" in page.replace("<bdi>", "").replace("</bdi>", "")
    assert page.count("data:image/jpeg") == 3
    summed = find("owl", "-", "tit", "photos", "--format", "csv").stdout
    assert next(csv.DictReader(io.StringIO(summed)))["query_text"] == "owl - tit"


def test_a_terminal_gets_paths_that_can_be_opened(home, images, tmp_path):
    """As links of the terminal, whose text is the path from here."""
    images(1, "photos")
    ours, theirs = pty.openpty()
    subprocess.run([*ZSCR, "owl"], stdout=theirs, env=os.environ | {"TERM": "xterm"}, check=True)
    shown = os.read(ours, 4096).decode()
    os.close(theirs)
    os.close(ours)
    link = f"\x1b]8;;file://{tmp_path}/photos/00.png\x1b\\photos/00.png\x1b]8;;\x1b\\"
    assert link in shown


@pytest.mark.parametrize("display", [True, False])
def test_open_shows_a_private_page(find, images, tmp_path, monkeypatch, display):
    """A browser that is there gets it; without one it is said where it is. Nobody else reads it."""
    images(1, "photos")
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" >{seen}\n')
    browser.chmod(0o755)
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if display:
        monkeypatch.setenv("BROWSER", str(browser))
    result = find("owl", "photos", "--open")
    page = Path(result.stderr.splitlines()[-1].split("the page is ")[1])
    assert page.read_text().startswith("<!doctype html>")
    assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
    assert (seen.read_text() == page.as_uri()) if display else not seen.exists()
    assert ("no browser here" in result.stderr) == (not display)


def test_which_model_is_used(find, home, images, make_bundle):
    """The only one, else the chosen one, else the one that is named; it is said what to do."""
    images(1, "photos")
    assert answer(find("owl"))["ran"].startswith("birds, ")
    make_bundle(home / "models" / "more", gallery=5)
    refused = find("owl")
    assert refused.exit_code == 1
    assert "no model is chosen, and there are birds, more: run 'zscr models use" in refused.stderr
    assert answer(find("owl", "--model", "more"))["ran"].startswith("more, ")
    (home / "model.json").write_text('{"model": "birds"}')
    assert answer(find("owl"))["ran"].startswith("birds, ")


def test_without_a_model_one_sentence_says_what_to_give(find, home, images):
    """Also without a network: a folder, or a name."""
    images(1, "photos")
    (home / "models" / "birds").rename(home / "elsewhere")
    refused = find("owl", "photos")
    assert (refused.exit_code, refused.stdout) == (1, "")
    [line] = refused.stderr.splitlines()
    for said in ("no model yet", "clip:FOLDER", "clip:openai/clip-vit-base-patch32", "--model"):
        assert said in line
    assert answer(find("owl", "photos", "--model", home / "elsewhere"))["hits"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "nothing is asked for"),
        (["photos/"], 2, "only folders are named"),
        (["owl", "--in", "nowhere"], 1, "nowhere does not exist"),
        (["owl", "--in", "photos/00.png"], 1, "photos/00.png is no folder"),
        (["owl", "-", "owl"], 1, "owl - owl cancel each other out"),
        (["owl", "empty"], 1, "there are no images in empty, but 1 *.mov; name another"),
        (["owl", "--model", "no"], 1, "there is no model 'no'; there are birds"),
        (["🐕"], 1, "no character of the text"),
        (["owl", "--image", "no.png"], 1, "no.png, which does not exist"),
        (["owl", "-k", "0"], 2, "0 is not in the range"),
        (
            ["owl", "-leash"],
            2,
            "there is no option -l; what is not to be in an image",
        ),
        (["owl", "--formal"], 2, "No such option"),
        (["owl", "-0", "--format", "csv"], 2, "leave it or --format csv out"),
        (["\udc80"], 1, "a term holds a NUL or half a character"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(find, home, images, words, code, message):
    """No traceback, nothing on stdout, and nothing is indexed for it."""
    images(1, "photos")
    Path("empty").mkdir()
    Path("empty/film.mov").write_text("")
    refused = find(*words)
    assert (refused.exit_code, refused.stdout) == (code, "")
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not [*home.glob("indexes/*/*/manifest.json")]


def test_the_same_from_python(home, images):
    """A text, a path, or several with signs and weights."""
    [path, *_] = images(3, "photos")
    assert len(zscr.find("owl", "photos", k=2).hits) == 2
    assert zscr.find(path, ["photos"]).hits[0].image == str(path)
    summed = zscr.find(["owl", "-", "tit", Path("photos/00.png")], Path("photos"))
    assert len(summed.query.terms) == 3
    less = zscr.find(["owl", "-", path], "photos", k=3).hits
    assert less[-1].image == str(path)
    with pytest.raises(InputError, match="no folder is given"):
        zscr.find("owl", [])
    with pytest.raises(InputError, match="nothing is asked for"):
        zscr.find([], "photos")


def test_an_image_that_cannot_be_used_is_told_and_costs_no_other(find, ids, images, home):
    """And is not tried again before it changes: the index stays at its generation."""
    images(2, "photos")
    Path("photos/broken.jpg").write_text("no image")
    found = find("owl", "photos")
    assert (len(answer(found)["hits"]), found.stderr.count("broken.jpg is not a JPEG")) == (2, 1)
    again = find("owl", "photos")
    assert again.stderr.count("skipped: ") == 1
    [index] = [path.parent for path in home.glob("indexes/*/*/manifest.json")]
    assert Index.open(index).generation == 1
    Path("photos/00.png").rename("photos/broken.jpg")
    assert ids("owl", "photos") == [*dict.fromkeys(ids("owl", "photos"))]
    assert "skipped" not in find("owl", "photos").stderr


def test_hostile_names_reach_no_terminal(find, images):
    """Escapes of a file's name are shown as such, in the table, in paths and in the link."""
    [path] = images(1, "photos")
    path.rename(path.with_name("\x1b]0;x\x07\n.png"))
    table = find("owl", "photos", "--format", "table").stdout
    assert r"photos/\x1b]0;x\x07\n.png" in table
    assert "\x1b" not in table
    assert find("owl", "photos", "-0").stdout == "photos/\x1b]0;x\x07\n.png\0"
