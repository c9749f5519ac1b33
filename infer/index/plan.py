"""What becomes of an index's entries when files are found at their places, and others are gone.

A place is the path of a file without links; a file at the same place is the same image, whatever
it holds by now. Paths are compared in Unicode's composed form (NFC).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from zscr.data.names import nfc
from zscr.infer.index.entry import Entry
from zscr.infer.index.roots import Root, id_of, root_of


@dataclass(frozen=True)
class Plan:
    """How entries are to be changed.

    Attributes:
        upserts: those that are new or other than before.
        removals: the ids that are no more.
        unchanged: found files whose entries stay as they are.
        twins: found files with a content that the index has at another place, less one of each.
    """

    upserts: tuple[Entry, ...]
    removals: tuple[str, ...]
    unchanged: int
    twins: int


def make_plan(
    entries: Sequence[Entry],
    found: Mapping[str, str],
    roots: Sequence[Root],
    *,
    gone: Callable[[str], bool],
    link: bool,
) -> Plan:
    """Compare an index's entries with what is on the disk.

    Args:
        entries: of the index; ids stay what they are.
        found: place -> sha256 of its content, in the order in which new entries are to come.
        roots: by which new images are called.
        gone: whether an entry's place that was not found is given up.
        link: whether a content gets one entry, which knows all of its places.
    """
    planner = _Planner(entries, found, roots, link)
    lost = planner.drop(gone)
    planner.place_others(planner.refill(lost))
    if link:
        planner.join_twins()
    else:
        planner.part_twins()
    before = {entry.id: entry for entry in entries}
    upserts = [entry for entry in planner.after.values() if before.get(entry.id) != entry]
    removals = tuple(name for name in before if name not in planner.after)
    touched = {place for entry in upserts for place in entry.places}
    same = sum(place not in touched for place in found)
    return Plan(tuple(upserts), removals, same, planner.twins())


class _Planner:
    """Entries as they will be, and the files that have no entry yet."""

    def __init__(
        self, entries: Sequence[Entry], found: Mapping[str, str], roots: Sequence[Root], link: bool
    ) -> None:
        self.roots, self.link = roots, link
        self.found = found
        self.spelt = {nfc(place): place for place in found}  # as names are on this disk
        self.waiting = dict(found)
        self.after = {entry.id: entry for entry in entries}
        self.taken = set(self.after)
        self.of_content: dict[str, str] = {}  # of an entry that stays, the first of its content

    def drop(self, gone: Callable[[str], bool]) -> list[Entry]:
        """Take their lost places from entries; return those that have none left."""
        lost = []
        for entry in [*self.after.values()]:
            if entry.image is None:
                continue
            left = [kept for place in entry.places if (kept := self._kept(entry, place, gone))]
            if not left:
                del self.after[entry.id]
                lost.append(entry)
            elif tuple(left) != entry.places:
                self._move(entry, left)
        self.of_content = {e.sha256: e.id for e in reversed(self.after.values())}
        return lost

    def _kept(self, entry: Entry, place: str, gone: Callable[[str], bool]) -> str | None:
        """Return a place of an entry as it is spelt on the disk, None if it is lost."""
        spelt = self._spelt(place)
        if spelt is None:
            return None if gone(place) else place
        if self.found[spelt] != entry.sha256:
            return None
        self.waiting.pop(spelt, None)
        return spelt

    def _spelt(self, place: str) -> str | None:
        """Return the found file at a place, which may be in another form of Unicode there."""
        return place if place in self.found else self.spelt.get(nfc(place))

    def _move(self, entry: Entry, places: Sequence[str]) -> None:
        """Give an entry other places; an id that was made of the first one follows it."""
        first, *others = places
        name = entry.id
        if nfc(first) != nfc(str(entry.image)) and self._is_named_by_place(entry):
            del self.after[entry.id]
            self.taken.remove(entry.id)  # whatever is at its first place now is called so
            name = self._name(first)
            self.taken.add(name)
        self.after[name] = replace(entry, id=name, image=first, also=tuple(others))

    def refill(self, lost: Sequence[Entry]) -> list[Entry]:
        """Let an entry whose own place has another content go on with that; return the others."""
        others = []
        for entry in lost:
            place = self._spelt(str(entry.image))
            sha256 = self.waiting.get(place or "")
            if place and sha256 and not (self.link and sha256 in self.of_content):
                self._add(replace(entry, sha256=sha256, image=place, also=()))
                del self.waiting[place]
            else:
                others.append(entry)
        return others

    def place_others(self, lost: Sequence[Entry]) -> None:
        """Give each file that has none an entry: a lost one of its content, or a new one."""
        of_content: dict[str, list[Entry]] = defaultdict(list)
        for entry in reversed(lost):
            of_content[entry.sha256].append(entry)
        for place, sha256 in self.waiting.items():
            if self.link and sha256 in self.of_content:
                twin = self.after[self.of_content[sha256]]
                self.after[twin.id] = replace(twin, also=(*twin.also, place))
            elif of_content[sha256]:
                old = of_content[sha256].pop()
                name = self._name(place) if self._is_named_by_place(old) else old.id
                self._add(replace(old, id=name, image=place, also=()))
            else:
                self._add(Entry(self._name(place), sha256, place))

    def join_twins(self) -> None:
        """Make one entry of those of equal content, as an index has that kept them apart so far.

        What was given, an id or attributes, stays an entry of its own.
        """
        first: dict[str, str] = {}
        for entry in [*self.after.values()]:
            name = first.setdefault(entry.sha256, entry.id)
            if name != entry.id and self._is_named_by_place(entry) and not entry.attributes:
                twin = self.after[name]
                self.after[name] = replace(twin, also=(*twin.also, *entry.places))
                del self.after[entry.id]

    def part_twins(self) -> None:
        """Give each place an entry of its own, in an index that has linked them so far."""
        for entry in [*self.after.values()]:
            if entry.also:
                self.after[entry.id] = replace(entry, also=())
                for place in entry.also:
                    self._add(Entry(self._name(place), entry.sha256, place))

    def twins(self) -> int:
        """Count the found files whose content another place has, less one of each content."""
        seen = set(self.found.values())
        places = ((e.sha256, len(e.places)) for e in self.after.values() if e.sha256 in seen)
        copies: Counter[str] = Counter()
        for sha256, number in places:
            copies[sha256] += number
        return sum(number - 1 for number in copies.values())

    def _add(self, entry: Entry) -> None:
        self.after[entry.id] = entry
        self.taken.add(entry.id)
        self.of_content.setdefault(entry.sha256, entry.id)

    def _is_named_by_place(self, entry: Entry) -> bool:
        """Say whether an id was made of a place, and not given, as those of a collection are."""
        root = root_of(self.roots, str(entry.image))
        made = "" if root is None else id_of(root, str(entry.image))
        return bool(made) and entry.id.partition(f"{made}~")[0] in ("", made)

    def _name(self, place: str) -> str:
        root = root_of(self.roots, place)
        wanted = nfc(place) if root is None else id_of(root, place)
        return next(name for name in _numbered(wanted) if name not in self.taken)


def _numbered(name: str) -> Iterator[str]:
    """Yield a name, and others for when it is taken by an id that was given."""
    yield name
    for number in count(2):
        yield f"{name}~{number}"
