"""Parts of an index: the very images with an attribute, by exact search and by HNSW."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.infer.index.conftest import SPACE
from zscr.errors import InputError
from zscr.infer.index.exact import search_exact
from zscr.infer.index.expansion import Expansion
from zscr.infer.index.index import Change, Entry, Index
from zscr.infer.index.only import Only, where_of

WORDS = st.text(alphabet='ab" :,{}\\\u00e9\n', max_size=5)
NAMED = st.one_of(WORDS, st.sampled_from(["class", "id", "sha256", 'x, "class', "attributes"]))
ATTRIBUTES = st.dictionaries(NAMED.filter(bool), WORDS, max_size=4)


@settings(max_examples=60)
@given(st.lists(ATTRIBUTES, min_size=1, max_size=6), NAMED.filter(bool), WORDS)
def test_the_very_images(tmp_path_factory, embed, create, all_attributes, name, value):
    """Whatever names and values hold: lines are searched as bytes, and no line is taken wrongly."""
    folder = tmp_path_factory.mktemp("where") / "index"
    entries = [Entry(f'{n}", "class": "a', f"{n}", None, a) for n, a in enumerate(all_attributes)]
    index = create(folder, [*entries, Entry("there", "0", None, {name: value})])
    index.apply(Change(entries[:1], embed(entries[:1]), removals=[]))
    wanted = [e for e in index.entries if e.attributes.get(name) == value]
    rows = Only(where={name: [value]}).rows(Index.open(folder).now)
    assert [index.entries[row] for row in rows.tolist()] == wanted


def test_attributes_are_typed(tmp_path, create, entry):
    """Of one name either value will do, of several names all must be there; none is an error."""
    colours = ["red", "blue", "green"]
    entries = [entry(f"{n}", **{"class": f"{n % 2}", "colour": colours[n % 3]}) for n in range(12)]
    index = create(tmp_path / "index", entries)
    where = where_of(["colour=red", "class=1", "colour=blue"])
    found = index.search(index.vectors[:1], 12, only=Only(where=where))
    assert sorted(int(m.entry.id) for m in found[0]) == [1, 3, 7, 9]
    assert where_of(["a=b=c"]) == {"a": ["b=c"]}
    for wrong in ("red", "=red"):
        with pytest.raises(InputError, match="write it as class=wren"):
            where_of([wrong])
    with pytest.raises(InputError, match="no image of the index has the colour pink or grey"):
        Only(where={"colour": ["pink", "grey"]}).rows(index.now)
    featured = create(tmp_path / "other", entries, features=np.eye(12, dtype=np.float32))
    with pytest.raises(InputError, match="expands no queries"):
        featured.search(index.vectors[:1], 2, only=Only(where=where), expansion=Expansion(2))


@pytest.mark.parametrize("every", [2, 900])
def test_parts_by_hnsw_are_those_by_exact_search(tmp_path, clustered, entry, every):
    """Of half of the images HNSW answers; of few, exact search does. A short answer is whole."""
    vectors, queries = clustered(3000, 16), clustered(40, 16, seed=1)
    entries = [entry(f"{n}", part=f"{n % every == 0}") for n in range(3000)]
    about = {"space": SPACE, "bundle_name": "b", "search": "hnsw"}
    index = Index.create(tmp_path / "index", entries=entries, vectors=vectors, **about)
    only = Only(where={"part": ["True"]})
    rows = np.arange(0, 3000, every)
    truth = search_exact(vectors[rows], queries, 10)
    found = index.search(queries, 10, ef=400, only=only)
    share = [
        len({m.entry.id for m in own} & {entries[rows[r]].id for r in right}) / len(right)
        for own, right in zip(found, truth.rows.tolist(), strict=True)
    ]
    assert np.mean(share) >= 0.99
    assert all(len(own) == min(10, len(rows)) for own in found)
    exact = index.search(queries, 10, exact=True, only=only)
    assert [[m.entry.id for m in own] for own in exact] == [
        [entries[rows[r]].id for r in right] for right in truth.rows
    ]
