"""`zscr export` as one job, killed at any point and run again."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zscr.artefact import read_manifest, verify, write_manifest
from zscr.data.collection import read_collection
from zscr.errors import ArtefactError, ConfigError, MismatchError
from zscr.export.deploy import deploy
from zscr.export.heads import Build
from zscr.infer.bundle import Bundle
from zscr.infer.index.index import Index
from zscr.infer.searcher import Searcher
from zscr.train.run import open_run

Killer = Callable[..., dict[str, Any]]
NAME = "zscrgan-reference-shapes"


@pytest.fixture
def build(
    deployed, traced: Callable[[Path], Build], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Build:
    """Take the graphs that the fixture traced, and work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return traced(deployed.bundle)


def test_what_an_export_leaves_behind(deployed, shapes: Path) -> None:
    """Bundle, index beside it, `latest`, and a caption for each unseen class."""
    assert (deployed.folder / "bundles/latest").resolve() == deployed.bundle.resolve()
    index = Index.open(deployed.index, space=Bundle.open(deployed.bundle).space)
    unseen = [item.id for item in read_collection(shapes).split("unseen")]
    assert sorted(entry.id for entry in index.entries) == sorted(unseen)
    lines = deployed.captions.read_text().splitlines()
    bundle = Bundle.open(deployed.bundle)
    assert [bundle.examples[line] for line in lines] == ["white-circle", "white-square"]
    for line in lines:  # the one that says most of its class
        others = [text for text, name in bundle.examples.items() if name == bundle.examples[line]]
        assert len(others) > 1
        assert len(line) == max(map(len, others))


def test_a_second_export_has_its_own_number_and_keeps_the_captions(deployed, build: Build) -> None:
    """`--gallery all` indexes every image; a captions.txt that is there is the user's."""
    Path("captions.txt").write_text("my own\n")
    first = deploy(deployed.run, build=build)
    second = deploy(deployed.run, gallery="all", build=build)
    assert [d.bundle.name for d in (first, second)] == [
        f"{NAME}-001",
        f"{NAME}-002",
    ]
    assert Path("bundles/latest").resolve() == second.bundle.folder
    assert [d.index.index.count for d in (first, second)] == [8, 40]
    assert [d.captions for d in (first, second)] == [None, None]
    assert Path("captions.txt").read_text() == "my own\n"


def test_unknown_galleries_are_refused(deployed, build: Build) -> None:
    """Before anything is exported."""
    with pytest.raises(ConfigError, match="gallery 'seen' is unknown; use one of unseen, all"):
        deploy(deployed.run, gallery="seen", build=build)
    assert not Path("bundles").exists()


def test_a_changed_collection_is_refused(deployed, build: Build) -> None:
    """What the run was trained with is what is exported and indexed, or nothing."""
    collection = Path(open_run(deployed.run).sources["collection"]["path"])
    aside = collection.with_name("aside")
    collection.rename(aside)
    try:
        shutil.copytree(aside, collection)
        (collection / "manifest.json").unlink()
        manifest = read_manifest(aside, "collection")
        write_manifest(collection, "collection", manifest.files, {**manifest.body, "name": "new"})
        with pytest.raises(MismatchError, match="was trained with collection"):
            deploy(deployed.run, build=build)
    finally:
        shutil.rmtree(collection)
        aside.rename(collection)
    assert not Path("bundles").exists()


def test_kill_anywhere_then_export_again(deployed, killer: Killer, tmp_path: Path) -> None:
    """kill -9 before anything gets its name on disk: nothing half under a final name, ever.

    The same command then completes what the dead one had begun, and removes what it left.
    """
    command, graphs = ["export", str(deployed.run)], str(deployed.bundle)
    expected = read_manifest(deployed.bundle, "bundle").files
    calls = killer(command, tmp_path, graphs=graphs)["calls"]
    naming = ("replace", "rename", "symlink")
    points = [number for number, call in enumerate(calls, 1) if call in naming]
    assert len(points) >= 8
    for at in points:
        folder = tmp_path / str(at)
        folder.mkdir()
        assert killer(command, folder, at=at, graphs=graphs)["status"] == -signal.SIGKILL
        there = {path.name for path in (folder / "bundles").iterdir() if path.name[0] != "."}
        assert there == names_after(calls[: at - 1]), at
        for name in there - {"latest"}:
            kind = "index" if name.endswith(".index") else "bundle"
            verify(folder / "bundles" / name, read_manifest(folder / "bundles" / name, kind))
        again = killer(command, folder, graphs=graphs)
        assert again["status"] == 0, (at, again)
        made = (folder / "bundles/latest").resolve()
        assert made.name == f"{NAME}-001"
        assert read_manifest(made, "bundle").files == expected
        assert len(Searcher.open(made).search(["a white circle"], k=3)[0].hits) == 3
        left = {path.name for path in (folder / "bundles").iterdir()}
        assert left == {made.name, f"{made.name}.index", "latest"}, at


def test_an_export_to_a_place_of_its_own_is_completed(deployed, build: Build) -> None:
    """What is lacking of the same run's is added; by other settings, it is another bundle."""
    out = Path("mine/birds")
    deploy(deployed.run, out, build=build)
    graphs = read_manifest(out, "bundle").files
    shutil.rmtree("mine/birds.index")
    Path("captions.txt").unlink()
    again = deploy(deployed.run, out, build=build)
    assert read_manifest(out, "bundle").files == graphs
    assert again.index.index.count == 8
    assert Path("captions.txt").exists()
    with pytest.raises(ArtefactError, match="birds exists already; name another place"):
        deploy(deployed.run, out, settings={"raw_feature": True}, build=build)
    assert sorted(path.name for path in Path("mine").iterdir()) == ["birds", "birds.index"]


def test_what_is_in_the_way_of_an_index_is_told_first(deployed, build: Build) -> None:
    """Not when the bundle is made: nothing is left behind."""
    Path("mine/birds.index").mkdir(parents=True)
    with pytest.raises(ArtefactError, match="birds.index is in the way of the index of birds"):
        deploy(deployed.run, Path("mine/birds"), build=build)
    assert [path.name for path in Path("mine").iterdir()] == ["birds.index"]


def names_after(calls: list[str]) -> set[str]:
    """Return what stands under its final name once these calls are done."""
    names = [f"{NAME}-001", f"{NAME}-001.index"][: calls.count("rename")]
    return {*names, *(["latest"] if "symlink" in calls and calls[-1] == "replace" else [])}
