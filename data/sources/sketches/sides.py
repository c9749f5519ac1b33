"""The two sides of sketch retrieval, put into a collection: sketches ask, photos are found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from zscr.data.draft import Draft
from zscr.data.records import ClassInfo, Item
from zscr.data.sources.annotated import Located
from zscr.data.sources.domains.conversion import DOMAIN, Entry, put
from zscr.errors import InputError
from zscr.progress import say


@dataclass(frozen=True)
class Sides:
    """Images of the same classes, each an item of its own; ids are their names.

    Attributes:
        photos: what is searched, whatever domain it is of; sketches: what asks.
    """

    photos: Sequence[Entry]
    sketches: Sequence[Entry]

    @property
    def both(self) -> tuple[Sequence[Entry], Sequence[Entry]]:
        """The photos, and the sketches."""
        return self.photos, self.sketches

    def require_both(self, places: Mapping[str, str]) -> None:
        """Refuse a class that has images on one side alone.

        Args:
            places: class -> where it was named, for the error.

        Raises:
            InputError: there is one.
        """
        shown, drawn = ({one.class_id for one in side} for side in self.both)
        for name, place in places.items():
            for what, held in (("sketch", drawn), ("photo", shown)):
                if name not in held:
                    raise InputError(
                        f"{place} has the class '{name}' without any {what}; add one, or leave the "
                        f"class out"
                    )

    def add(
        self,
        draft: Draft,
        images: Located,
        split_of: Mapping[str, str],
        describe: Callable[[str], ClassInfo],
    ) -> Counter[str]:
        """Put both sides into a collection, as far as their images are there and can be used.

        A class that has no photo or no sketch left is left out with all its images, and told.

        Args:
            draft: of the collection.
            images: of both sides.
            split_of: class -> its split, in the order of the collection's classes.
            describe: class -> what is said of it.

        Returns:
            Split -> how many images are left out of it.

        Raises:
            InputError: no unseen class is left.
        """
        files, lost = put(draft, images), Counter[str]()
        there = ({one.class_id for one in side if one.name in files} for side in self.both)
        found, asking = set[str].intersection(*there), {one.name for one in self.sketches}
        if gone := [f"'{name}'" for name in split_of if name not in found]:
            say(
                f"{len(gone)} classes have no photo or no sketch that can be used, and are left "
                f"out with all their images: {', '.join(gone[:5])}{', …' if gone[5:] else ''}"
            )
        for class_id in (name for name in split_of if name in found):
            draft.add_class(describe(class_id), split_of[class_id])
        for one in (*self.photos, *self.sketches):
            split, file = split_of[one.class_id], files.get(one.name)
            if file is None or one.class_id not in found:
                lost[split] += 1
                continue
            image, sketch = (None, file) if one.name in asking else (file, None)
            about = {DOMAIN: one.domain}
            item = Item(one.name, split, one.class_id, image, sketch, attributes=about)
            draft.add_item(item)
        if not draft.splits["unseen"]:
            raise InputError(
                f"no unseen class has a photo and a sketch that can be used: {lost['unseen']} "
                f"images are missing or damaged; fetch them again"
            )
        return lost
