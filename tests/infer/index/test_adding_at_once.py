"""Two who add to one index at the same time, and places that cannot be written to."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zscr.errors import ArtefactError
from zscr.infer.index.add import add_images
from zscr.infer.index.index import Index


def test_two_that_add_to_a_new_index_both_do(bundle, tmp_path, images, capfd):
    """The later one waits, says so, and adds to what the first has made; no folder is left."""
    images(9, "birds"), images(7, "fish", seed=8)
    folder = tmp_path / "x.index"

    def add(name: str) -> None:
        add_images(bundle, folder, [tmp_path / name], shard=2)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(add, ("birds", "fish")))
    assert Index.open(folder).count == 16
    assert f"which is adding to {folder}" in capfd.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["birds", "fish", "x.index"]


@pytest.mark.parametrize("place", ["read-only", "file"])
def test_a_place_that_cannot_be_written_is_told_before_anything_is_embedded(
    bundle, tmp_path, images, counted, small_disk, place
):
    """One sentence, no image has been run, and nothing is there that was not."""
    images(3)
    folder = small_disk / "deep/x.index"
    if place == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    else:
        (small_disk / "deep").write_text("")
    sizes = counted(bundle.gallery)
    with pytest.raises(ArtefactError, match="may not be written to|is no folder"):
        add_images(bundle, folder, [tmp_path / "images"])
    assert sizes == []
    assert os.listdir(small_disk) == ([] if place == "read-only" else ["deep"])


def test_an_index_on_a_read_only_disk_is_searched(bundle, tmp_path, images, small_disk):
    """Readers need no lock and leave nothing."""
    images(3)
    index = add_images(bundle, small_disk / "x.index", [tmp_path / "images"]).index
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    found = Index.open(Path(small_disk / "x.index")).search(index.vectors, 1)
    assert [match.entry.id for [match] in found] == [entry.id for entry in index.entries]
