"""From texts, images and vectors to arrays: known answers, and parity with transformers."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPImageProcessorPil

from zscr.errors import ConfigError, InputError
from zscr.infer.inputs.image import ImageInput
from zscr.infer.inputs.make import make_input
from zscr.infer.inputs.prepared import Prepared, says_something
from zscr.infer.inputs.text import TextInput
from zscr.infer.inputs.unread import Reader, runs
from zscr.train.encoders.resolve import packaged_minilm

HOW = {"resize_shorter_side": 2, "image_size": 2, "resample": "bilinear", "rescale": 1 / 255}
HOW |= {"mean": [0.5, 0.25, 0.0], "std": [0.5, 0.25, 1.0]}


def image_input(tmp_path, **how):
    spec = {"field": "image", "names": ["pixels"], "preprocess": HOW | how}
    return ImageInput(spec, tmp_path)


def text_input(folder, max_length):
    spec = {"field": "text", "names": ["ids", "mask"], "tokenizer": "tokenizer.json"}
    return TextInput(spec | {"max_length": max_length}, folder)


def test_known_pixels(tmp_path):
    """The middle of a wide image, channels first, each scaled and normalised by its own."""
    colours = [(9, 9, 9), (255, 0, 0), (0, 255, 51), (9, 9, 9)]
    image = Image.new("RGB", (4, 2))
    image.putdata(colours * 2)
    pixels = image_input(tmp_path).prepare([image, image]).feeds["pixels"]
    assert (pixels.shape, pixels.dtype) == ((2, 3, 2, 2), np.float32)
    expected = [[[1, -1]] * 2, [[-1, 3]] * 2, [[0, 0.2]] * 2]
    np.testing.assert_allclose(pixels, [expected] * 2, atol=1e-6)


def test_images_come_from_files_too(tmp_path):
    """A path gives what its image gives; one that cannot be decoded is named."""
    Image.new("RGB", (5, 3), "red").save(tmp_path / "red.png")
    prepare = image_input(tmp_path).prepare
    from_file = prepare([tmp_path / "red.png"]).feeds["pixels"]
    np.testing.assert_array_equal(
        from_file, prepare([Image.new("RGB", (5, 3), "red")]).feeds["pixels"]
    )
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(InputError, match=r"text\.png is not a JPEG"):
        prepare([tmp_path / "red.png", tmp_path / "text.png"])


@pytest.mark.parametrize("mode", ["RGBA", "L", "P"])
def test_open_images_of_any_mode_are_as_their_files(tmp_path, mode):
    """Upright and RGB too, though one image stands in the batch several times, not yet loaded."""
    image = Image.effect_noise((40, 30), 90).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize((40, 30)))
    exif = Image.Exif()
    exif[0x0112] = 8
    image.convert(mode).save(tmp_path / "x.png", exif=exif)
    prepare = image_input(tmp_path, resize_shorter_side=20, image_size=18).prepare
    [expected] = prepare([tmp_path / "x.png"]).feeds["pixels"]
    with Image.open(tmp_path / "x.png") as opened:
        found = prepare([opened] * 8).feeds["pixels"]
    np.testing.assert_array_equal(found, [expected] * 8)


SIDES = st.integers(1, 90)


@given(width=SIDES, height=SIDES, bicubic=st.booleans(), seed=st.integers(0, 99))
@example(width=49, height=51, bicubic=True, seed=0)  # the longer side is rounded down, to 41
@example(width=1, height=90, bicubic=False, seed=0)
def test_pixels_equal_transformers(tmp_path_factory, width, height, bicubic, seed):
    """Resizing, cropping and normalising agree with CLIP's processor for images of any form."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    image = Image.fromarray(noise)
    theirs = CLIPImageProcessorPil(
        size={"shortest_edge": 40}, crop_size={"height": 33, "width": 33}, resample=2 + bicubic
    )
    how = {"resize_shorter_side": 40, "image_size": 33, "mean": theirs.image_mean}
    how |= {"std": theirs.image_std, "resample": "bicubic" if bicubic else "bilinear"}
    ours = image_input(tmp_path_factory.getbasetemp(), **how)
    expected = theirs(image, return_tensors="np")["pixel_values"]
    np.testing.assert_allclose(ours.prepare([image]).feeds["pixels"], expected, atol=1e-5)


def test_thin_images_do_not_fill_the_memory(tmp_path):
    """A line of pixels is small until its shorter side is enlarged; it is refused before."""
    line = Image.new("RGB", (60_000, 1))
    message = "60000x1 pixels would be resized to 3840000x64, over the limit of 64000000"
    with pytest.raises(InputError, match=message):
        image_input(tmp_path, resize_shorter_side=64).prepare([line])


def test_texts_are_padded_to_the_longest_of_the_batch(tiny_text):
    """Ids and mask are int64, padding is masked, and nothing is longer than it must be."""
    prepared = text_input(tiny_text, 16).prepare(["red circle", "a small RED square", ""])
    ids = [[2, 10, 15, 3, 0, 0], [2, 4, 8, 10, 16, 3], [2, 3, 0, 0, 0, 0]]
    np.testing.assert_array_equal(prepared.feeds["ids"], ids)
    np.testing.assert_array_equal(prepared.feeds["mask"], np.array(ids) != 0)
    assert {array.dtype for array in prepared.feeds.values()} == {np.dtype(np.int64)}
    assert prepared.truncated == ()


def test_truncated_texts_are_reported_by_row(tiny_text):
    """At the limit a text is whole; one token more and it is cut, which is said."""
    texts = ["red red red", "red red red red", "red", "red " * 99]
    prepared = text_input(tiny_text, 5).prepare(texts)
    assert prepared.truncated == (1, 3)
    np.testing.assert_array_equal(prepared.feeds["ids"][3], [2, 10, 10, 10, 3])


def saved(folder, tokenizer):
    """Save a tokenizer as an encoder's, which says nothing of unknown words in its manifest."""
    tokenizer.save(str(folder / "tokenizer.json"))
    return text_input(folder, 16)


def read_by(prepare, texts):
    """Return the unknown words of texts, and the texts of which nothing was read."""
    prepared = prepare(texts)
    return {texts[row]: words for row, words in prepared.unknown.items()}, [
        texts[row] for row in prepared.blank
    ]


WORDPIECE = {"[PAD]": 0, "[UNK]": 1, "a": 2, "red": 3, "##dish": 4, "!": 5, "犬": 6}
SILENT = ["", "!!!", "\u200b", "\u0301\u0302"]  # to whoever can read the punctuation in it


def test_wordpiece_tells_unknown_words(tmp_path):
    """Its own unknown token stands for a whole word; what its normaliser drops is not told."""
    tokenizer = Tokenizer(models.WordPiece(WORDPIECE, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    prepare = saved(tmp_path, tokenizer).prepare
    unknown, blank = read_by(prepare, ["a reddish 犬!", "a 🐕, 麺!", "หมา", "🐕", "麺", *SILENT])
    assert unknown == {"a 🐕, 麺!": ("🐕,", "麺")} | {word: (word,) for word in ("หมา", "🐕", "麺")}
    assert blank == ["หมา", "🐕", "麺", *SILENT]


@pytest.fixture
def bpe():
    """CLIP's kind: pieces of bytes, and its unknown token is the one that ends a text."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    pieces = ["<end>", *sorted(alphabet), *(f"{one}</w>" for one in sorted(alphabet))]
    merges = [("r", "e"), ("re", "d</w>"), ("ð", "Ł"), ("ðŁ", "Ĳ"), ("ðŁĲ", "ķ</w>")]  # 🐕
    pieces += ["".join(pair) for pair in merges]
    numbers = {piece: number for number, piece in enumerate(pieces)}
    ends = {"unk_token": "<end>", "end_of_word_suffix": "</w>"}
    tokenizer = Tokenizer(models.BPE(numbers, merges, **ends))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.post_processor = processors.TemplateProcessing("$A <end>", None, [("<end>", 0)])
    tokenizer.add_special_tokens(["<end>"])
    return tokenizer


def test_bpe_tells_characters_that_it_spells_in_bytes(tmp_path, bpe):
    """They are in no token whole; its unknown token, which ends every text, is none of them."""
    texts = ["a red 🐕", "red 麺麺 bowl", "bowl", "麺", "หมา", *SILENT]
    unknown, blank = read_by(saved(tmp_path, bpe).prepare, texts)
    assert unknown == {
        "red 麺麺 bowl": ("麺麺",),
        "麺": ("麺",),
        "หมา": ("หมา",),
        "\u200b": ("\u200b",),
        "\u0301\u0302": ("\u0301\u0302",),
    }
    assert blank == ["麺", "หมา", *SILENT]


def test_unigram_tells_unknown_characters(tmp_path):
    """Its unknown token is known to its file alone; a character in two tokens is read."""
    pieces = [("<unk>", 0.0), ("▁", -2.0), ("a", -1.0), ("1", -1.0), ("2", -1.0), ("⁄", -1.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, 0, byte_fallback=False))
    tokenizer.normalizer = normalizers.NFKC()  # ½ becomes three characters
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    unknown, blank = read_by(saved(tmp_path, tokenizer).prepare, ["a ½", "½", "a 麺", "麺"])
    assert {word for words in unknown.values() for word in words} == {"麺"}
    assert blank == ["麺"]


def test_texts_of_ascii_are_read_as_others_are(tmp_path, bpe):
    """Most texts are, and a shorter way tells what was read of them: it tells the same."""
    wordpiece = Tokenizer(models.WordPiece(WORDPIECE, unk_token="[UNK]"))
    wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    rng = np.random.default_rng(7)
    texts = ["".join(rng.choice([*"aredish! \x01"], size)) for size in range(40)]
    for tokenizer in (wordpiece, bpe):
        reader = Reader(tokenizer, None)
        for text in texts + ["red", "a reddish red!", "!", "<end>", "[UNK]"]:
            encoding = tokenizer.encode(text)
            read, unread = reader.places(encoding)
            said = says_something(text[place] for place in read)
            assert reader.understood(text, encoding) == (tuple(runs(text, unread)), said), text


@pytest.mark.realdata
def test_minilm_reads_what_it_reads():
    """The published tokenizer: what it cannot read is unknown, what it can is not."""
    folder = packaged_minilm()
    unknown, blank = read_by(text_input(folder, 128).prepare, ["a 🐕", "犬", "собака", "麺", "หมา"])
    assert unknown == {"a 🐕": ("🐕",), "麺": ("麺",), "หมา": ("หมา",)}
    assert blank == ["麺", "หมา"]


def vector_input(dim):
    spec = {"field": "vector", "kind": "vector", "names": ["image"], "shape": ["batch", dim]}
    return make_input(spec, None)


@pytest.mark.parametrize(
    "value",
    [np.zeros(3, np.float32), np.zeros((1, 4), np.float32), np.zeros(4, np.int64)],
    ids=["dim", "a matrix", "whole numbers"],
)
def test_vectors_of_another_kind_are_refused(value):
    """With the number of the first, its kind and its shape."""
    found = rf"vectors of 4 numbers, number 2 is {value.dtype} of shape \("
    with pytest.raises(InputError, match=found):
        vector_input(4).prepare([np.zeros(4, np.float32), value])


def test_vectors_pass_unchanged():
    """In the graph's precision, whatever they were stored in."""
    feeds = vector_input(2).prepare([np.array([1, 0.5]), np.array([2, 3.0])]).feeds
    assert feeds["image"].dtype == np.float32
    np.testing.assert_array_equal(feeds["image"], [[1, 0.5], [2, 3]])


def test_several_inputs_prepare_one_batch():
    """Feeds stand side by side; what is told of a row is told once."""
    one = Prepared({"a": np.zeros(2)}, (1,), {0: ("x",)}, (0,))
    other = Prepared({"b": np.ones(2)}, (0, 1), {1: ("y",), 0: ("z",)}, ())
    both = one | other
    assert set(both.feeds) == {"a", "b"}
    assert (both.truncated, both.blank) == ((0, 1), (0,))
    assert both.unknown == {0: ("x", "z"), 1: ("y",)}


def test_unknown_kinds_of_input_are_refused(tmp_path):
    """A bundle of a later version may have some."""
    with pytest.raises(ConfigError, match="'sound' is unknown; upgrade zscr"):
        make_input({"field": "image", "names": ["x"], "kind": "sound"}, tmp_path)


def characters(length):
    spec = {"field": "text", "kind": "characters", "names": ["ids"], "alphabet": "abc-d- "}
    return make_input(spec | {"max_length": length}, None)


def test_characters_are_numbered_by_their_last_place():
    """Upper case is lower case, unknown characters are gaps, short texts end in padding."""
    prepared = characters(6).prepare(["Ab-d", "c é\u212aDa", "a     ", "-"])
    ids = [[1, 2, 6, 5, 0, 0], [3, 7, 0, 0, 5, 1], [1, 7, 7, 7, 7, 7], [6, 0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(prepared.feeds["ids"], ids)
    assert prepared.feeds["ids"].dtype == np.int64
    assert prepared.truncated == ()
    assert prepared.unknown == {1: ("é", "\u212a")}


def test_characters_beyond_the_limit_are_cut_and_counted():
    """At the limit a text is whole; one character more, known or not, and it is cut."""
    prepared = characters(3).prepare(["abc", "abcd", "abc!", "a"])
    assert prepared.truncated == (1, 2)
    assert prepared.unknown == {}
    np.testing.assert_array_equal(prepared.feeds["ids"][1:3], [[1, 2, 3]] * 2)


def test_characters_of_punctuation_alone_say_nothing():
    """They have ids, but ask for nothing; with a letter they do."""
    assert characters(6).prepare(["-", "- -", "a-", "a"]).blank == (0, 1)


@pytest.mark.parametrize("text", ["", "   ", "鳥 鳥", "éé abc"])
def test_texts_without_a_known_character_are_refused(text):
    """Their ids would be those of an empty text; what is beyond the limit does not help."""
    with pytest.raises(InputError, match="no character of the text '.*' is known"):
        characters(2).prepare(["a", text])


@pytest.mark.parametrize("turn", [1, 3, 6])
def test_large_jpegs_are_decoded_small_in_the_same_place(tmp_path, turn):
    """Pixels are nearly those of the whole, though neither side can be divided by eight."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 31, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = turn
    large = Image.fromarray(noise).resize((1101, 851), Image.Resampling.BICUBIC)
    large.save(tmp_path / "x.jpg", quality=95, exif=exif)
    how = {"resize_shorter_side": 50, "image_size": 48, "mean": [0] * 3, "std": [1] * 3}
    whole, small = (
        image_input(tmp_path, **how, **least).prepare([tmp_path / "x.jpg"]).feeds["pixels"]
        for least in ({}, {"decode_shorter_side": 100})
    )
    assert 0 < np.abs(whole - small).mean() < 0.005
    assert np.abs(whole - small).max() < 0.02


CAREFUL = """
import sys
from pathlib import Path
from zscr.infer.inputs.image import ImageInput
from zscr.memory import DECODING, return_freed_memory

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

how = {"image_size": 8, "resample": "bilinear", "rescale": 1, "mean": [0] * 3, "std": [1] * 3}
images = ImageInput({"field": "image", "names": ["x"], "preprocess": how}, None, threads=6)
DECODING.set_limit(100_000_000)
return_freed_memory()
images.prepare([sys.argv[2]] * 6)
before = peak()
images.prepare([sys.argv[1]] * 12)
print(peak() - before)
"""


def test_threads_share_the_memory(tmp_path):
    """Six decoders of images of 6 Mpx, 48 MB each at their peak, take no more than was allowed."""
    Image.new("RGB", (3000, 2000)).save(tmp_path / "large.png", compress_level=1)
    Image.new("RGB", (30, 20)).save(tmp_path / "small.png")
    files = [tmp_path / "large.png", tmp_path / "small.png"]
    command = [sys.executable, "-c", CAREFUL, *files]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 20_000_000 < int(ran.stdout) < 100_000_000


def test_images_are_decoded_on_the_threads_of_the_runtime(tmp_path):
    """Pixels are the same on any number."""
    Image.effect_noise((40, 30), 90).save(tmp_path / "x.png")
    spec = {"field": "image", "kind": "image", "names": ["x"], "preprocess": HOW}
    several = make_input(spec, tmp_path, threads=3)
    assert isinstance(several, ImageInput)
    assert several.threads == 3
    one, three = (
        each.prepare([tmp_path / "x.png"] * 5).feeds["x"]
        for each in (make_input(spec, tmp_path), several)
    )
    np.testing.assert_array_equal(one, three)
