"""What a model's README says of its licence and languages; what it does not say is unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from zscr.train.pretrained.card import Card, read_card

UNKNOWN = Card(None, None)
CARDS = {
    "both": ("---\nlicense: mit\nlanguage: [en, de]\n---\n# Name", Card("mit", ("en", "de"))),
    "one language": ("---\nlicense: mit\nlanguage: zh\n---", Card("mit", ("zh",))),
    "a licence of its own": (
        "---\r\nlicense: other\r\nlicense_name: apple-ascl\r\n---\r\n",
        Card("apple-ascl", None),
    ),
    "no head": ("# Name\n---\nlicense: mit\n---\n", UNKNOWN),
    "Norwegian": ("---\nlanguage: no\n---", UNKNOWN),  # which YAML reads as false
    "no mapping": ("---\n- a\n---", UNKNOWN),
    "no YAML": ("---\na: [\n---", UNKNOWN),
    "an object": ("---\nlicense: !!python/object/apply:os.getcwd []\n---", UNKNOWN),
    "too deep": ("---\na: " + "[" * 5000 + "\n---", UNKNOWN),
    "not for terminals": ('---\nlicense: "\\e[31mred"\n---', UNKNOWN),
}


@pytest.mark.parametrize(("text", "card"), CARDS.values(), ids=CARDS)
def test_a_card_is_read(tmp_path: Path, text: str, card: Card) -> None:
    (tmp_path / "README.md").write_bytes(text.encode())
    assert read_card(tmp_path) == card


def test_no_card_says_nothing(tmp_path: Path) -> None:
    assert read_card(tmp_path) == UNKNOWN
