"""The texts that a method trains on: of seen and validation classes, never of unseen ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from zscr.artefact import dump_json, hash_bytes
from zscr.data.collection import Collection
from zscr.data.describe.given import Answers, Given, read_given
from zscr.data.describe.naming import fill, plain
from zscr.data.describe.stored import read_descriptions
from zscr.data.describe.trained import TRAINED, require_described, require_trained
from zscr.errors import CollectionError, ConfigError, MismatchError

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
    texts, given = _texts(collection, source, split, prompts)
    if given:
        given.tell(Path(source), texts)
    return texts


def texts_sha256(collection: Collection, source: str, prompts: int = 4, known: str = "") -> str:
    """Return the hash of all texts that `class_texts` gives, by which a run remembers them.

    Args:
        collection, source, prompts: as for `class_texts`.
        known: the hash that a run remembers; empty, where there is none yet.

    Raises:
        MismatchError: they are not the remembered ones.
        ZscrError: as `class_texts`.
    """
    texts = {split: _texts(collection, source, split, prompts)[0] for split in TRAINED}
    found = hash_bytes(dump_json(texts))
    if known not in ("", found):
        raise MismatchError(
            f"the texts of '{source}' for {collection.folder} (sha256 {found[:12]}) are not those "
            f"that were trained with ({known[:12]}); put those back, or train anew"
        )
    return found


def _texts(
    collection: Collection, source: str, split: str, prompts: int
) -> tuple[Texts, Given | None]:
    """Return the first texts of each class of a split, and the file that they are from, if any."""
    if not collection.classes:
        raise CollectionError(f"{collection.folder} has no classes, of which anything is said")
    classes = collection.splits[split]
    given = None if source in _SOURCES else _given(collection, source)
    said = _sentences(given.answers) if given else _SOURCES[source](collection, classes)
    require_described(collection, [split], said, f"'{source}'")
    return {name: said[name][:prompts] for name in classes}, given


def _given(collection: Collection, source: str) -> Given:
    path = Path(source)
    if not source or not path.exists():
        raise ConfigError(
            f"there are no texts '{source}'; take {', '.join(_SOURCES)}, or name a JSON file"
        )
    return read_given(path, collection)


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


_SOURCES: dict[str, Callable[[Collection, tuple[str, ...]], Texts]] = {
    "names": _named,
    "templates": _templates,
    "collection": _own,
    "descriptions": _stored,
}
