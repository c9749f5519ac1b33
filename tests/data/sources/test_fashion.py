"""Products become items with their titles; article types are split by size and seed."""

from __future__ import annotations

import shutil

import pytest
from PIL import Image

from zscr.data.collection import read_collection
from zscr.data.sources.fashion import convert_fashion
from zscr.errors import ConfigError, InputError

SIZES = {"Belts": 9, "Caps": 12, "Heels": 19, "Shirts": 70, "Socks": 20, "Ties": 25}


@pytest.fixture
def shop(tmp_path):
    """Write a shop of six article types."""
    folder = tmp_path / "shop"
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "one.jpg")
    lines, number = ["id,title,articleType"], 0
    for name, size in SIZES.items():
        for _ in range(size):
            number += 1
            lines.append(f'{number},"{name[0]}, no {number}",{name}')
            shutil.copy(tmp_path / "one.jpg", folder / f"images/{number}.jpg")
    (folder / "products.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_types_are_chosen_by_size(shop, tmp_path):
    """Held-out types have 20 products or more, small ones are left out, large ones cut to 60."""
    splits = set()
    for seed in range(6):
        convert_fashion(shop, tmp_path / f"out{seed}", seed=seed, held_out=1)
        found = read_collection(tmp_path / f"out{seed}")
        assert found.counts == {"Caps": 12, "Heels": 19, "Shirts": 60, "Socks": 20, "Ties": 25}
        assert {*found.splits["val"], *found.splits["unseen"]} <= {"Shirts", "Socks", "Ties"}
        splits.add(found.splits["unseen"])
    assert len(splits) > 1
    provenance = found.manifest.body["provenance"]
    assert provenance["types_left_out"] == ["Belts"]
    assert provenance["products_of_types_left_out"] == 9
    assert provenance["products_over_the_limit"] == 10


def test_titles_are_all_the_text_there_is(shop, tmp_path):
    """An item has its own title and nothing of its class, whose name a query must not find."""
    convert_fashion(shop, tmp_path / "out", held_out=1)
    found = read_collection(tmp_path / "out")
    assert {item.texts for item in found.items if item.class_id == "Caps"} == {
        (f"C, no {number}",) for number in range(10, 22)
    }
    assert all(not info.descriptions for info in found.classes.values())
    assert len(found.texts(["Ties"])["Ties"]) == 25


def test_incomplete_shops_are_refused(shop, tmp_path):
    """A missing image, an id that leads elsewhere, a missing title, too few types."""
    with pytest.raises(ConfigError, match="leaves none"):
        convert_fashion(shop, tmp_path / "out", held_out=2)
    (shop / "images/80.jpg").unlink()
    with pytest.raises(InputError, match=r"80\.jpg, which is not there"):
        convert_fashion(shop, tmp_path / "out", seed=1, held_out=1)
    table = (shop / "products.csv").read_text()
    for old, new, named in (
        ("\n5,", "\n../5,", "'../5' names no image"),
        (',"B, no 5"', ",", "title"),
    ):
        (shop / "products.csv").write_text(table.replace(old, new))
        with pytest.raises(InputError, match=named):
            convert_fashion(shop, tmp_path / "out", held_out=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "table", [b"id,title,articleType\n1,caf\xe9,Caps\n", b'a,"' + b"x" * 200_000]
)
def test_undecodable_tables_are_one_sentence(shop, tmp_path, table):
    """Latin-1, and a quote that is never closed."""
    (shop / "products.csv").write_bytes(table)
    with pytest.raises(InputError, match=r"products\.csv is no table in UTF-8"):
        convert_fashion(shop, tmp_path / "out")


def test_unreadable_images_are_listed(shop, tmp_path):
    """One that is cut off costs itself alone."""
    (shop / "images/20.jpg").write_bytes(b"\xff\xd8 cut off")
    convert_fashion(shop, tmp_path / "out", held_out=1)
    [line] = (tmp_path / "out/errors.jsonl").read_text().splitlines()
    assert "images/20.jpg" in line
    assert read_collection(tmp_path / "out").counts["Caps"] == 11


@pytest.mark.realdata
def test_published_products_are_split(realdata_folder, tmp_path):
    """104 of 141 types: 20 unseen and 20 validation ones, 4,979 images; two seeds differ."""
    source = realdata_folder("fashion44k")
    convert_fashion(source, tmp_path / "out")
    found = read_collection(tmp_path / "out")
    assert [len(found.splits[name]) for name in ("seen", "val", "unseen")] == [64, 20, 20]
    assert len(found.items) == 4979
    assert len(found.manifest.body["provenance"]["types_left_out"]) == 37
    assert min(found.counts[name] for name in found.splits["unseen"]) >= 20
