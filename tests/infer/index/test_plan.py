"""What becomes of entries when their files are found, gone, or elsewhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zscr.infer.index.entry import Entry
from zscr.infer.index.plan import make_plan
from zscr.infer.index.roots import Root

ROOTS = (Root("birds", "/birds"),)


def planned(entries, found, *, link=False):
    """Plan for the whole of /birds: what is not found is gone."""
    return make_plan(entries, found, ROOTS, gone=lambda p: p.startswith("/birds/"), link=link)


def test_an_id_that_was_given_stays_when_its_file_moves():
    """As of a collection's items, with all that is known of them; one made of the place follows."""
    given = Entry("w0", "a", "/birds/0.png", {"class": "wren"})
    made = Entry("birds/1.png", "b", "/birds/1.png")
    plan = planned([given, made], {"/birds/x/0.png": "a", "/birds/x/1.png": "b"})
    assert plan.upserts == (
        Entry("w0", "a", "/birds/x/0.png", {"class": "wren"}),
        Entry("birds/x/1.png", "b", "/birds/x/1.png"),
    )
    assert plan.removals == ("birds/1.png",)


def test_an_id_that_is_given_to_another_is_not_taken():
    """A new file whose id an item of a collection has by chance gets a number."""
    plan = planned(
        [Entry("birds/1.png", "a", "/birds/0.png")], {"/birds/0.png": "a", "/birds/1.png": "b"}
    )
    assert [entry.id for entry in plan.upserts] == ["birds/1.png~2"]


def test_twins_are_linked_to_one_that_stays():
    """Not to the one that has just gone."""
    twins = [Entry(f"birds/{n}.png", "a", f"/birds/{n}.png") for n in range(2)]
    plan = planned(twins, {"/birds/1.png": "a", "/birds/2.png": "a"}, link=True)
    assert plan.upserts == (Entry("birds/1.png", "a", "/birds/1.png", also=("/birds/2.png",)),)
    assert (plan.removals, plan.twins) == (("birds/0.png",), 1)


def test_twins_are_joined_and_parted_in_an_index_that_was_otherwise():
    """Where it is asked for later; items of a collection stay what they are."""
    names, item = ("birds/0.png", "birds/1.png"), Entry("w0", "a", "/other/w.png", {"class": "w"})
    apart = [Entry(name, "a", f"/{name}") for name in names]
    linked = Entry(names[0], "a", "/birds/0.png", also=("/birds/1.png",))
    plan = planned([*apart, item], {f"/{name}": "a" for name in names}, link=True)
    assert (plan.upserts, plan.removals) == ((linked,), (names[1],))
    plan = planned([linked, item], {f"/{name}": "a" for name in names})
    assert (plan.upserts, plan.removals) == (tuple(apart), ())


def test_a_linked_image_outlives_its_first_place():
    """It goes on at the next, under an id of that; a changed file leaves it and stands alone."""
    linked = Entry("birds/0.png", "a", "/birds/0.png", also=("/birds/1.png", "/birds/2.png"))
    plan = planned(
        [linked], {"/birds/0.png": "b", "/birds/1.png": "a", "/birds/2.png": "a"}, link=True
    )
    assert sorted(plan.upserts, key=lambda entry: entry.id) == [
        Entry("birds/0.png", "b", "/birds/0.png"),
        Entry("birds/1.png", "a", "/birds/1.png", also=("/birds/2.png",)),
    ]


def test_places_of_other_folders_are_left_alone():
    """What was not looked at is not gone."""
    other = Entry("bees/0.png", "a", "/bees/0.png")
    plan = planned([other], {"/birds/0.png": "b"})
    assert (plan.removals, plan.unchanged) == ((), 0)


PLACES = st.sampled_from([f"/birds/{number}.png" for number in range(6)])
FILES = st.dictionaries(PLACES, st.sampled_from("abc"))


@given(st.lists(st.tuples(FILES, st.booleans(), st.booleans()), max_size=6), FILES)
def test_every_file_has_one_entry_of_its_content(history, files):
    """Whatever was added, synced, linked or kept before: after a sync, each place is known once."""
    entries: dict[str, Entry] = {}
    for found, link, prune in [*history, (files, True, True)]:
        before = [*entries.values()]
        gone = (lambda place: True) if prune else (lambda place: False)
        plan = make_plan(before, found, ROOTS, gone=gone, link=link)
        assert not set(plan.removals) & {entry.id for entry in plan.upserts}
        for name in plan.removals:
            del entries[name]
        entries |= {entry.id: entry for entry in plan.upserts}
        places = [place for entry in entries.values() for place in entry.places]
        assert len(places) == len(set(places))
        known = {place: entry.sha256 for entry in entries.values() for place in entry.places}
        assert found.items() <= known.items()
        changed = {place for entry in plan.upserts for place in entry.places}
        assert plan.unchanged == len(found.keys() - changed)
    assert known == files
