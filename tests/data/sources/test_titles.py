"""Products asked for by their titles: types that are not trained on, titles in one split alone."""

from __future__ import annotations

from collections import Counter

import pytest
from PIL import Image

from zscr.data.check import check_collection
from zscr.data.collection import read_collection
from zscr.data.sources.fashion import convert_fashion
from zscr.data.sources.titles import convert_titles
from zscr.data.tasks import load_task, task_names
from zscr.errors import InputError

SIZES = {"Belts": 9, "Shirts": 90, "Shoes": 60, "Socks": 22, "Ties": 25}
GALLERIES = {"unseen": 60, "val": 40}


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """Write a shop of five types; a third of the titles is a neighbour's, a fifth every type's."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "images").mkdir()
    lines, number = ["id,title,articleType"], 0
    for name, size in SIZES.items():
        for place in range(size):
            number += 1
            title = f"number {number - (place % 3 == 1)}" if place % 5 else f"all {place}"
            lines.append(f"{number},{title},{name}")
            Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / f"images/{number}.jpg")
    (folder / "products.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def titles(shop, tmp_path_factory):
    """Convert it."""
    out = tmp_path_factory.mktemp("out") / "titles"
    convert_titles(shop, out, held_out=1, most=20, galleries=GALLERIES)
    return read_collection(out)


def test_no_title_of_a_test_and_no_unseen_type_is_trained_on(shop, titles, tmp_path):
    """Splits share no title; the held-out types are those of the collection by classes."""
    convert_fashion(shop, tmp_path / "classes", held_out=1)
    classes = read_collection(tmp_path / "classes").splits
    texts, types = (
        {s: Counter(key(i) for i in titles.split(s)) for s in ("seen", "val", "unseen")}
        for key in (lambda item: item.texts[0], lambda item: item.attributes["articleType"])
    )
    assert not texts["seen"].keys() & (texts["val"].keys() | texts["unseen"].keys())
    assert not texts["val"].keys() & texts["unseen"].keys()
    for split in ("val", "unseen"):
        [held_out] = classes[split]
        assert 17 <= types[split][held_out] <= 20
        assert not any(types[other][held_out] for other in types if other != split)
        assert types[split].total() == GALLERIES[split]
    assert check_collection(titles.folder).faults == ()


def test_products_of_one_title_are_relevant_together(titles):
    """Titles of seen and of unseen types ask in tasks of their own, of one gallery."""
    assert task_names(titles) == ["text", "seen-types", "unseen-types"]
    whole, *kinds = (load_task(titles, name, "unseen") for name in task_names(titles))
    assert sorted(q.id for q in whole.queries) == sorted(q.id for k in kinds for q in k.queries)
    assert {len(kind.gallery) for kind in kinds} == {60}
    text_of = {item.id: item.texts[0] for item in titles.items}
    truths = [truth for kind in kinds for truth in kind.relevance.truths]
    for query, truth in zip((q for k in kinds for q in k.queries), truths, strict=True):
        same = {name for name in whole.gallery if text_of[name] == query.text}
        assert truth.relevant.keys() == same
        assert query.id in same
    assert max(len(truth.relevant) for truth in truths) > 1
    assert len(set(kinds[1].groups)) == 1 < len(set(kinds[0].groups))


def test_a_shop_too_small_for_its_galleries_is_refused(shop, tmp_path):
    """In one sentence, with the numbers."""
    with pytest.raises(InputError, match="products to a gallery of 200"):
        convert_titles(shop, tmp_path / "out", held_out=1, galleries={"unseen": 60, "val": 200})
