"""NICO++, MiniDomainNet and LTLL: FreeDom's lists over disks that call things otherwise."""

from __future__ import annotations

import shutil

import pytest
from click.testing import CliRunner

from zscr.data.collection import read_collection
from zscr.data.commands import data
from zscr.data.registry import find_collection
from zscr.data.sources.domains.freedom import convert_freedom
from zscr.data.sources.domains.ltll import convert_ltll
from zscr.data.tasks import load_task
from zscr.errors import InputError

NICO = {
    "query_files.csv": "nico/dim/fishing_rod/dim_1.jpg dim fishing_rod\n"
    "nico/rock/dog/rock_1.jpg rock dog\n",
    "database_files.csv": "nico/dim/dog/dim_1.jpg dim dog\n"
    "nico/rock/fishing_rod/rock_2.jpg rock fishing_rod\n"
    "nico/water/dog/water_1.jpg water dog\n",
}
NAMES = [line.split()[0] for text in NICO.values() for line in text.splitlines()]
LTLL = """ltll/New/images/TajMahal/_taj~1!.jpg New TajMahal
ltll/New/images/Q_000/a_b_.jpg New Q_000
ltll/Old/images/TajMahal/old_1.jpg Old TajMahal
"""
LTLL_DISK = [
    "LTLL/New/images/Taj Mahal/_taj~1!.jpg",
    "LTLL/New/images/Q_000/a b .jpg",
    "LTLL/Old/images/Taj Mahal/old 1.jpg",
]


@pytest.mark.parametrize("top", ["", "NICO_DG/", "nico/"])
def test_spaces_on_the_disk_are_underscores_in_lists(write, tmp_path, top):
    """As unzipped, as renamed, below either folder; the domain `dim` is asked for as dimlight."""
    named = [name.replace("nico/", top).replace("fishing_rod", "fishing rod") for name in NAMES]
    convert_freedom(write("set", NICO, named), tmp_path / "out")
    found = read_collection(tmp_path / "out")
    assert [item.id for item in found.items] == NAMES[2:]
    ways = {"dimlight-to-rock", "dimlight-to-water", "rock-to-dimlight", "rock-to-water"}
    assert set(found.tasks) == ways
    task = load_task(found, "rock-to-dimlight", "unseen")
    [query] = task.queries
    assert (query.text, len(task.gallery), task.zeros) == ("dimlight", 3, True)
    assert query.image == (tmp_path / "out/images/nico/rock/dog/rock_1.jpg").absolute()
    assert task.figures == ("mAP trapezoid", "mAP", "Recall@50", "Recall@100", "P@50", "P@100")
    assert found.classes["fishing_rod"].name == "fishing rod"


def test_a_folder_of_several_sets_gives_the_one_that_is_asked_for(write, tmp_path):
    """FreeDom's `data/` holds lists of one name for each set; their domains tell them apart."""
    minidn = {
        "minidn/query_files.csv": "minidn/real/ant/real_1.jpg real ant\n",
        "minidn/database_files.csv": "minidn/sketch/ant/sketch_1.jpg sketch ant\n",
    }
    images = [*NAMES, "minidn/real/ant/real_1.jpg", "minidn/sketch/ant/sketch_1.jpg"]
    source = write("data", minidn | {f"nico/{k}": v for k, v in NICO.items()}, images)
    convert_freedom(source, tmp_path / "nico")
    convert_freedom(source, tmp_path / "mini", name="minidomainnet")
    assert len(read_collection(tmp_path / "nico").items) == 3
    task = load_task(read_collection(tmp_path / "mini"), "photo-to-sketch", "unseen")
    assert [query.text for query in task.queries] == ["sketch"]
    with pytest.raises(InputError, match="in 0 folders, not in one"):
        convert_freedom(source / "minidn", tmp_path / "none")


def test_lists_of_another_form_are_one_sentence(write, tmp_path):
    """A domain that the set has not, and too few words, each with its line."""
    for line in ("nico/rock/dog/rock_1.jpg snow dog", "nico/rock/dog/rock_1.jpg dog"):
        lists = NICO | {"database_files.csv": NICO["database_files.csv"] + line}
        shutil.rmtree(tmp_path / "set", ignore_errors=True)
        with pytest.raises(InputError, match="line 4 is .*, not a path, a domain of autumn, dim"):
            convert_freedom(write("set", lists, NAMES), tmp_path / "out")


def test_the_command_names_what_is_missing_and_skips_it_when_told(write, tmp_path, monkeypatch):
    """One sentence with the count; with the flag a collection, and the count on stderr, too."""
    source = write("nico", NICO, NAMES[:-1])
    command = ["convert", "nico", str(source), "--out", str(tmp_path / "out")]
    refused = CliRunner().invoke(data, command)
    assert "lacks 1 of the 5 images" in str(refused.exception)
    done = CliRunner().invoke(data, [*command, "--skip-missing"])
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'out'}\n")
    assert "1 sources could not be used" in done.stderr
    (source / NAMES[-1]).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / NAMES[0], source / NAMES[-1])
    monkeypatch.setenv("ZSCR_DATA", str(tmp_path))
    assert len(read_collection(find_collection("nico", base=tmp_path / "made")).items) == 3


@pytest.mark.parametrize("lists", [{"full_files.csv": LTLL}, {}])
def test_ltll_by_its_list_or_by_its_folders(write, tmp_path, lists):
    """Landmarks of two words, names with `_`, `~`, `!` and spaces; the list is not needed."""
    convert_ltll(write("set", lists, LTLL_DISK), tmp_path / "out")
    found = read_collection(tmp_path / "out")
    assert {(i.class_id, i.attributes["domain"]) for i in found.items} == {
        ("TajMahal", "today"),
        ("Q_000", "today"),
        ("TajMahal", "archive"),
    }
    today = load_task(found, "today-to-archive", "unseen")
    assert ({q.text for q in today.queries}, len(today.queries)) == ({"archive"}, 2)
    assert len(load_task(found, "archive-to-today", "unseen").gallery) == 3


def test_ltll_without_folders_is_refused(write, tmp_path):
    """What is there, and what is not."""
    with pytest.raises(InputError, match="no full_files.csv of LTLL, and the folders New and Old"):
        convert_ltll(write("set", {}, ["New/images/a/1.jpg"]), tmp_path / "out")
