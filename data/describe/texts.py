"""The texts that a method trains on: of seen and validation classes, never of unseen ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from zscr.artefact import dump_json, hash_bytes
from zscr.data.collection import Collection
from zscr.data.describe.given import Answers, read_given
from zscr.data.describe.naming import fill, plain
from zscr.data.describe.stored import read_descriptions
from zscr.errors import CollectionError, ConfigError, MismatchError
from zscr.progress import say

TRAINED = ("seen", "val")  # the splits whose classes may be described
TEMPLATES = (
    "a photo of a {}",
    "a sketch of a {}",
    "a quick line drawing of a {}, seen from the side",
    "a close view of a {} and the parts that it is made of",
    "a {} drawn with a few black strokes on white paper",
    "a {} in its usual surroundings",
)

Texts = dict[str, tuple[str, ...]]  # class -> its texts


def class_texts(
    collection: Collection, source: str, split: str, prompts: int = 4
) -> Mapping[str, tuple[str, ...]]:
    """Return what is said of each class of a split, to train with.

    Args:
        collection: of the classes.
        source: `names`, `templates`, `collection` (its own texts), `descriptions` (what
            `zscr data describe` has stored), or a JSON file as `read_given` reads it.
        split: `seen` or `val`.
        prompts: the most texts a class; the first ones in the source's order are taken.

    Raises:
        ConfigError: the split is `unseen`, or there is no such source.
        CollectionError: an unseen or unknown class is described, or a class of the split is not.
        ArtefactError, InputError: the descriptions cannot be read.
    """
    if split not in TRAINED:
        raise ConfigError(
            f"texts of split '{split}' were asked for to train with; only classes of "
            f"{' and '.join(TRAINED)} are described, never unseen ones"
        )
    if prompts < 1:
        raise ConfigError(f"{prompts} texts a class are too few; take 1 or more")
    classes = collection.splits[split]
    texts = {name: said[:prompts] for name, said in _said(collection, source, classes).items()}
    if lacking := [name for name in classes if not texts.get(name)]:
        raise CollectionError(
            f"'{source}' says nothing of these classes of split '{split}' of {collection.folder}: "
            f"{_listed(lacking)}; describe them, or take texts from elsewhere"
        )
    return {name: texts[name] for name in classes}


def texts_sha256(collection: Collection, source: str, prompts: int = 4, known: str = "") -> str:
    """Return the hash of all texts that `class_texts` gives, by which a run remembers them.

    Args:
        collection, source, prompts: as for `class_texts`.
        known: the hash that a run remembers; empty, where there is none yet.

    Raises:
        MismatchError: they are not the remembered ones.
        ZscrError: as `class_texts`.
    """
    texts = {split: class_texts(collection, source, split, prompts) for split in TRAINED}
    found = hash_bytes(dump_json(texts))
    if known not in ("", found):
        raise MismatchError(
            f"the texts of '{source}' for {collection.folder} (sha256 {found[:12]}) are not those "
            f"that were trained with ({known[:12]}); put those back, or train anew"
        )
    return found


def require_trained(collection: Collection, described: Iterable[str], where: Path) -> None:
    """Refuse descriptions of classes that no model may be trained with.

    Raises:
        CollectionError: a class is unseen, or not the collection's; names it.
    """
    names = list(described)
    unseen = set(collection.splits["unseen"])
    if leaks := [name for name in names if name in unseen]:
        raise CollectionError(
            f"{where} describes unseen classes of {collection.folder}, of which training may know "
            f"nothing: {_listed(leaks)}; take them out"
        )
    if foreign := [name for name in names if name not in collection.classes]:
        raise CollectionError(
            f"{where} describes classes that {collection.folder} has not: {_listed(foreign)}; "
            f"correct their ids or take them out"
        )


def _said(collection: Collection, source: str, classes: tuple[str, ...]) -> Texts:
    """Return what a source says of classes; those that it says nothing of may be absent."""
    if source in _SOURCES:
        return _SOURCES[source](collection, classes)
    path = Path(source)
    if not source or not path.exists():
        raise ConfigError(
            f"there are no texts '{source}'; take {', '.join(_SOURCES)}, or name a JSON file"
        )
    given = read_given(path, collection)
    require_trained(collection, given.answers, path)
    if leaks := [f"{name} ({leak})" for name, leak in given.leaks if name in classes]:
        say(f"{path}: sentences that name an unseen class are left out: {_listed(leaks)}")
    return _sentences(given.answers)


def _named(collection: Collection, classes: tuple[str, ...]) -> Texts:
    return {name: (plain(collection.classes[name].name),) for name in classes}


def _templates(collection: Collection, classes: tuple[str, ...]) -> Texts:
    names = {name: collection.classes[name].name for name in classes}
    return {name: tuple(fill(one, called) for one in TEMPLATES) for name, called in names.items()}


def _own(collection: Collection, classes: tuple[str, ...]) -> Texts:
    return {name: tuple(texts) for name, texts in collection.texts(classes).items()}


def _stored(collection: Collection, _classes: tuple[str, ...]) -> Texts:
    stored = read_descriptions(collection.folder)
    require_trained(collection, stored.answers, stored.folder)
    return _sentences(stored.answers)


def _sentences(answers: Answers) -> Texts:
    return {name: tuple(sentences.values()) for name, sentences in answers.items()}


def _listed(names: list[str]) -> str:
    """Name the first of some things, and of many say how many there are."""
    return ", ".join(names[:5]) + (f", … ({len(names)} in all)" if len(names) > 5 else "")


_SOURCES: dict[str, Callable[[Collection, tuple[str, ...]], Texts]] = {
    "names": _named,
    "templates": _templates,
    "collection": _own,
    "descriptions": _stored,
}
