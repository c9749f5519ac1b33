"""Sentences in which an image stands for a word: its place is never looked for among tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.checkpoints import clip_tokenizer, siglip_tokenizer, xlm_tokenizer
from zscr.errors import InputError
from zscr.infer.inputs.make import INPUT, make_input
from zscr.infer.inputs.sentence import Template
from zscr.train.encoders.resolve import packaged_minilm
from zscr.train.encoders.text_graph import TOKENS

THAT = "a photo of * , {}"
LENGTH = 24
Prompts = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with tokenizers of three kinds."""
    folder = tmp_path_factory.mktemp("tokenizers")
    made = {"clip": clip_tokenizer(), "xlm": xlm_tokenizer(), "siglip": siglip_tokenizer()}
    for name, tokenizer in made.items():
        tokenizer.save_pretrained(folder / name)
    return folder


def prompts(folder: Path, kind: str, template: str = THAT, **more: Any) -> Any:
    """Make the input of a tokenizer; `minilm` is the real one."""
    names = [*TOKENS["names"], "slot"] if kind != "siglip" else ["input_ids", "slot"]
    spec = {"field": "text", "kind": "prompt", "names": names, "template": template}
    spec |= {"tokenizer": "tokenizer.json", "max_length": LENGTH} | more
    INPUT(spec, "the input")
    return make_input(spec, packaged_minilm() if kind == "minilm" else folder / kind)


def rows_of(prepared: Any) -> list[list[int]]:
    """Return each row's ids without padding."""
    feeds = prepared.feeds
    return [
        [int(one) for one, kept in zip(ids, mask, strict=True) if kept]
        for ids, mask in zip(feeds["input_ids"], feeds["attention_mask"], strict=True)
    ]


def test_known_ids_and_slots(folder: Path) -> None:
    """CLIP's `*` is 265 and its comma 267; each row has its own slot, and all ids are integers."""
    made = prompts(folder, "clip").prepare(["red bird", "* by the sea", "a bird *"])
    start, end = 545, 546  # the highest ids, as in CLIP
    assert [row[:1] + row[-1:] for row in rows_of(made)] == [[start, end]] * 3
    assert list(made.feeds["slot"]) == [4, 1, 3]
    ids = made.feeds["input_ids"]
    assert ids[0].tolist()[4:6] == [265, 267]
    assert [ids[row, slot] for row, slot in enumerate(made.feeds["slot"])] == [265] * 3
    assert ids.max() == end, "no id is new"
    assert {array.dtype for array in made.feeds.values()} == {np.dtype(np.int64)}


SENTENCES = ("a photo of * , red bird", "* by the sea", "two dogs at night *", "a * , small")


@pytest.mark.parametrize("kind", ["clip", "minilm"])
def test_ids_are_those_of_the_whole_sentence(folder: Path, kind: str) -> None:
    """The tokenizer, asked for the sentence with its `*`, says the same."""
    made = prompts(folder, kind)
    whole = make_input(
        {"field": "text", "kind": "text", "tokenizer": "tokenizer.json", "max_length": LENGTH}
        | {"names": TOKENS["names"]},
        packaged_minilm() if kind == "minilm" else folder / kind,
    )
    wanted = whole.prepare(SENTENCES).feeds
    found = made.prepare(["red bird", *SENTENCES[1:]]).feeds
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)
    star = {"clip": 265, "minilm": 1008}[kind]
    assert found["slot"].tolist() == (wanted["input_ids"] == star).argmax(1).tolist()


@pytest.mark.parametrize("kind", ["xlm", "siglip"])
def test_tokenizers_without_a_star_have_a_slot_too(folder: Path, kind: str) -> None:
    """What stands around the place is what the tokenizer makes of it alone."""
    made = prompts(folder, kind, **({"pad_to": 16, "max_length": 16} if kind == "siglip" else {}))
    ids = made.prepare(["a red *", "a red * bird"]).feeds["input_ids"]
    tokenizer = {"xlm": xlm_tokenizer, "siglip": siglip_tokenizer}[kind]()
    before = tokenizer("a red")["input_ids"][:-1]  # without the end
    slot = len(before)
    assert made.prepare(["a red *"]).feeds["slot"].tolist() == [slot]
    assert ids[:, :slot].tolist() == [before] * 2
    assert ids[0, slot + 1] == tokenizer("a red")["input_ids"][-1], "the end follows"
    behind = tokenizer(" bird")["input_ids"]
    assert ids[1, slot + 1 :][: len(behind) - (kind == "xlm")].tolist() == behind[kind == "xlm" :]


def test_the_caption_is_cut_and_never_the_template(folder: Path) -> None:
    """Also where the template goes on behind it; the end token closes every row."""
    made = prompts(folder, "clip", "a photo of * , {} at night", max_length=12)
    short, long = made.prepare(["red", "red " * 90]).feeds["input_ids"]
    assert made.prepare(["red", "red " * 90]).truncated == (1,)
    assert len(long) == 12
    end, red = 546, 520
    assert short[: short.tolist().index(end) + 1].tolist()[-3:] == long[-3:].tolist()
    assert long[6:8].tolist() == [red] * 2  # of "at" there is a token for each letter
    assert made.prepare(["* " + "red " * 90]).truncated == (0,)
    padded = prompts(folder, "clip", pad_to=9).prepare(["red " * 90, "red"])
    assert (padded.feeds["input_ids"].shape, padded.truncated) == ((2, 9), (0,))


def test_the_caption_may_stand_before_the_place(folder: Path) -> None:
    """Then each row has its slot behind its own caption, and a long one still has it."""
    made = prompts(folder, "clip", "{} like *", max_length=12).prepare(["red", "the red " * 40])
    ids, slots = made.feeds["input_ids"], made.feeds["slot"]
    assert [ids[row, slot] for row, slot in enumerate(slots)] == [265] * 2
    assert (slots[0] < slots[1], slots[1], made.truncated) == (True, 10, (1,))


def test_rows_are_cut_and_padded_where_the_tokenizer_does(folder: Path, tmp_path: Path) -> None:
    """On the left, too; the slot is counted with the padding before it."""
    content = json.loads((folder / "clip" / "tokenizer.json").read_text())
    content["truncation"] = {"direction": "Left", "max_length": 9, "strategy": "LongestFirst"}
    content["truncation"]["stride"] = 0
    content["padding"] = {"strategy": "BatchLongest", "direction": "Left", "pad_id": 7}
    content["padding"] |= {"pad_to_multiple_of": None, "pad_type_id": 0, "pad_token": "!"}
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "tokenizer.json").write_text(json.dumps(content))
    made = prompts(tmp_path, "clip", max_length=9).prepare(["red", "bird bird the sea", "* red"])
    ids, slots = made.feeds["input_ids"], made.feeds["slot"]
    assert ids[0, 0] == ids[2, 4] == 7
    assert ids[:, -1].tolist() == [546] * 3
    assert slots.tolist() == [5, 4, 6]
    assert ids[1, 6:8].tolist() == [518, 538], "of the caption its end is kept"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a * in a *", "2 places for the image"),
        ("a photo of *, red", r"touches another character; put a space"),
        ("5*3", "touches another character"),
        ("**", "2 places"),
        ("red " * 90 + "*", "takes 93 tokens, and the model reads 24"),
    ],
)
def test_places_that_cannot_be_meant_are_refused(folder: Path, text: str, why: str) -> None:
    """Two, glued ones, and one behind all that is read."""
    with pytest.raises(InputError, match=why):
        prompts(folder, "clip").prepare(["red", text])


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("a photo of {}", "no places for the image"),
        ("* and * , {}", "2 places for the image"),
        ("a photo of *, {}", "touches another character"),
        ("a photo of *", "no places for the text"),
        ("* , {} and {}", "2 places for the text"),
    ],
)
def test_templates_without_one_place_of_each_are_refused(template: str, why: str) -> None:
    """As a value, and in a manifest."""
    with pytest.raises(InputError, match=why):
        Template(template)
    with pytest.raises(ValueError, match=why):
        prompts(Path(), "clip", template)


def test_a_template_that_fills_the_model_is_refused(folder: Path) -> None:
    """No token would be left for what is asked."""
    made = prompts(folder, "clip", max_length=7)
    with pytest.raises(InputError, match=r"the template takes .* the model reads 7"):
        made.prepare(["red"])


def test_only_the_users_words_are_told(folder: Path) -> None:
    """The template says nothing for a caption that says nothing, and is not unknown itself."""
    made = prompts(folder, "minilm", "a ☕ of * , {} ☕").prepare(
        ["red", "?!", "🐕", "a red *", "*"]
    )
    assert made.blank == (1, 2, 4)
    assert dict(made.unknown) == {2: ("🐕",)}
    spelled = prompts(folder, "clip").prepare(["🐕 red", "🐕 *"])
    assert dict(spelled.unknown) == {0: ("🐕",), 1: ("🐕",)}


def test_several_vectors_take_as_many_places(folder: Path) -> None:
    """K of them stand from the slot on."""
    one, three = (prompts(folder, "clip", words=k).prepare(["red"]) for k in (1, 3))
    ids = three.feeds["input_ids"][0].tolist()
    assert ids[4:7] == [265] * 3
    assert ids[:4] + ids[6:] == one.feeds["input_ids"][0].tolist()


@given(st.text(max_size=30))
def test_any_text_keeps_its_slot(folder: Path, text: str) -> None:
    """Whatever is typed: the slot is the template's or the user's own, or it is refused."""
    made = prompts(folder, "clip")
    try:
        prepared = made.prepare([text, "red"])
    except InputError:
        assert "*" in text
        return
    row, slot = prepared.feeds["input_ids"][0], int(prepared.feeds["slot"][0])
    assert row[slot] == 265
    assert slot == 4 or "*" in text
    assert rows_of(prepared)[0][-1] == 546
