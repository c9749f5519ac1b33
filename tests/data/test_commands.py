"""`zscr data`: what goes to stdout and stderr, and what fails."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from zscr.data.collection import read_collection
from zscr.data.commands import data
from zscr.errors import ArtefactError, InputError

SOURCES = {  # what each converter offers besides --out
    "zscrgan": {"val", "seed"},
    "sketchy25": {"split", "names", "seed"},
    "sketchy25-25": {"names", "seed"},
    "sketchy25-domains": {"split", "names", "seed"},
    "sketchy25-clip": {"split", "names", "seed"},
    "sketchy25-25-clip": {"names", "seed"},
    "fashion44k": {"seed"},
    "wiki": {"seed"},
    "awa": {"val", "seed"},
    "imagenet-r": {"skip-missing"},
    "nico": {"skip-missing"},
    "minidomainnet": {"skip-missing"},
    "ltll": {"skip-missing"},
    "icir": {"skip-missing"},
    "folder": {"unseen", "val", "seed", "exclude", "follow-links"},
}


def run(*arguments: object):
    """Run `zscr data …`; errors come through as exceptions."""
    return CliRunner().invoke(data, [str(a) for a in arguments], catch_exceptions=False)


def test_folder_is_converted_and_described(image_folder, tmp_path):
    """The new place is all of stdout; counts and faults are told on stderr."""
    source = image_folder(5, 2)
    (source / "class_0/0.png").write_bytes(b"")
    result = run("convert", "folder", source, "--out", tmp_path / "out", "--unseen", "2")
    assert result.stdout == f"{tmp_path / 'out'}\n"
    assert "unseen: 2 classes" in result.stderr
    assert "1 sources could not be used" in result.stderr
    assert len(read_collection(tmp_path / "out").splits["unseen"]) == 2


def test_info_counts_splits_and_classes(small_collection):
    """The table and the JSON say the same."""
    content = json.loads(run("info", small_collection, "--format", "json").stdout)
    assert [(s["split"], s["classes"], s["images"]) for s in content["splits"]] == [
        ("seen", 1, 1),
        ("val", 1, 1),
        ("unseen", 1, 1),
    ]
    assert content["classes"][2] == {
        "class_id": "unseen",
        "name": "unseen",
        "split": "unseen",
        "items": 1,
    }
    lines = run("info", small_collection).stdout.splitlines()
    assert lines[2].split() == ["split", "classes", "items", "images", "sketches", "texts"]
    assert lines[5].split() == ["unseen", "1", "1", "1", "0", "0"]


def test_check_passes_and_fails(small_collection):
    """A sound collection is counted; faults are listed on stderr before the error."""
    assert "is sound: 5 files hashed, 3 images decoded" in run("check", small_collection).stdout
    (small_collection / "seen.png").unlink()
    with pytest.raises(ArtefactError, match="has 1 faults"):
        run("check", small_collection)


def test_unknown_source_is_an_input_error(tmp_path):
    """Each converter names the path that is not there."""
    for kind in SOURCES:
        with pytest.raises(InputError, match="none"):
            run("convert", kind, tmp_path / "none", "--out", tmp_path / "out")


def test_every_collection_with_a_source_can_be_converted():
    """The group lists them all; each has its own options and no others."""
    listed = run("convert", "--help").stdout
    for kind, options in SOURCES.items():
        assert f"  {kind} " in listed
        shown = run("convert", kind, "--help").stdout
        found = set(re.findall(r"^  --([\w-]+)", shown, re.MULTILINE))
        assert found - {"help"} == options | {"out", "memory"}
    assert run("convert", "aviary", "--help").exit_code == 2


def test_options_reach_the_converter(sketchy, tmp_path):
    """`--split` and `--seed` change what they say."""
    found = {}
    for args in ([], ["--split", "25"], ["--seed", 8]):
        out = tmp_path / "-".join(map(str, ["out", *args]))
        assert run("convert", "sketchy25", sketchy, "--out", out, *args).exit_code == 0
        found[str(args)] = read_collection(out).splits
    plain, other, drawn = found.values()
    assert plain["unseen"] == drawn["unseen"] == ("bat", "class_3")
    assert other["unseen"] == ("mouse",)
    assert plain["val"] != drawn["val"]


def test_usage_errors_exit_with_2(tmp_path):
    """A value that is no amount, an unknown collection and a missing option."""
    assert run("convert", "folder", tmp_path, "--out", "x", "--unseen", "many").exit_code == 2
    assert run("make", "zoo").exit_code == 2
    assert run("convert", "zscrgan", tmp_path).exit_code == 2


def test_aviary_is_made_where_it_is_asked_for(tmp_path):
    """The smallest aviary is a sound collection, and `info` shows its tasks.

    What their queries are made of, what they seek, and how many there are in each split.
    """
    small = ("--seen", 30, "--images", 1, "--held-out-images", 1, "--sketches")
    result = run("make", "aviary", "--out", tmp_path / "a", "--seed", 3, *small)
    assert result.stdout == f"{tmp_path / 'a'}\n"
    assert "is sound" in run("check", tmp_path / "a").stdout
    lines = [line.split() for line in run("info", tmp_path / "a").stdout.splitlines()]
    assert ["seen", "30", "30", "30", "30", "180"] in lines  # 5 captions and a description a class
    first = lines.index(["task", "asks", "retrieves", "seen", "val", "unseen"])
    assert lines[first + 1 : first + 5] == [
        ["text", "text", "image", "180", "60", "60"],
        ["sketch", "sketch", "image", "30", "10", "10"],
        ["composed", "image+text", "image", "8", "4", "4"],
        ["style", "image+text", "sketch", "30", "10", "10"],
    ]
    content = json.loads(run("info", tmp_path / "a", "--format", "json").stdout)
    assert content["tasks"][2]["asks"] == "image+text"


def test_group_imports_neither_numpy_nor_pillow():
    """`zscr --help` imports this module, so it must stay light; the check itself can fail."""
    code = "import sys, {}; print(sorted({{'numpy', 'PIL'}} & sys.modules.keys()))"
    found = {}
    for module in ("zscr.data.commands", "zscr.data.check"):
        command = [sys.executable, "-c", code.format(module)]
        found[module] = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert found == {"zscr.data.commands": "[]\n", "zscr.data.check": "['PIL', 'numpy']\n"}
