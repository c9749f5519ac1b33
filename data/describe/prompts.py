"""The questions that a language model is asked of each class: zscr's own, or those of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zscr.data.collection import Collection
from zscr.data.describe.naming import fill, require_place
from zscr.data.describe.sentence import PROMPT, WORDS
from zscr.data.describe.trained import TRAINED
from zscr.errors import CollectionError, InputError
from zscr.regular import read_regular
from zscr.schema import mapping, text
from zscr.strict_json import parse_json

_LARGEST = 1 << 20  # bytes of a file of prompts
_FIELDS = mapping(text(1000, least=1), PROMPT)

# Not from the paper, which does not give its own. Each asks for what can be seen, since nothing
# else is on a photo or in a drawing.
QUESTIONS = {
    "looks": "What does a {} look like: its overall shape, its proportions and its surface?",
    "parts": "Which visible parts tell that something is a {}, and where on it are they?",
    "outline": "Which outlines and strokes does a simple line drawing of a {} show?",
    "difference": (
        "Which visible features of a {} are lacking in things that look much like it? Describe the "
        "{} alone, and do not name those things."
    ),
}
INSTRUCTION = (
    f"You tell what things look like, so that they are recognised in photos and in line drawings. "
    f"Answer in one plain English sentence of at most {WORDS} words, without a list and without a "
    f"heading. Name no animal, plant or object but the one that is asked about and its parts."
)


@dataclass(frozen=True)
class Question:
    """What is asked of one class: the prompt's id, and its text with the class's name."""

    class_id: str
    prompt: str
    text: str


def questions(collection: Collection, prompts: Mapping[str, str]) -> list[Question]:
    """Return every prompt for every class that may be trained on, class after class.

    Raises:
        CollectionError: there is no such class.
    """
    classes = [name for split in TRAINED for name in collection.splits[split]]
    if not classes:
        raise CollectionError(f"{collection.folder} has no seen or validation class to describe")
    return [
        Question(name, prompt, fill(sentence, collection.classes[name].name))
        for name in classes
        for prompt, sentence in prompts.items()
    ]


def read_prompts(path: Path) -> dict[str, str]:
    """Read a file of prompts, `{id: question}`, each with `{}` for the class's name.

    Raises:
        InputError: it is not there, or holds something else.
        ConfigError: a question has no `{}`.
    """
    try:
        raw = read_regular(path, _LARGEST, "file of prompts")
        content: dict[str, str] = parse_json(raw.decode("utf-8-sig"))
        _FIELDS(content, "")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"{path} holds no prompts ({why}); write {{id: question}}, with {{}} for the class"
        ) from error
    if not content:
        raise InputError(f"{path} holds no prompt; write one or more")
    for name, sentence in content.items():
        require_place(sentence, f"prompt '{name}' of {path}")
    return content
