"""Queries in, images out, over a bundle made by hand whose embeddings are colours.

A text is the sum of its words' colours, an image its mean colour, a sketch the opposite of its
mean colour, and an image with a text the sum of both; all of unit length, as (red, green, blue).
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from tests.infer.index.conftest import agree
from zscr.artefact import staged
from zscr.data.records import Query, Refused
from zscr.errors import ArtefactError, ConfigError, InputError, MismatchError
from zscr.infer.bundle import Bundle
from zscr.infer.index.calibration import Unrelated
from zscr.infer.index.index import Change, Entry, Index
from zscr.infer.searcher import BATCH, Searcher

WORDS = {"[PAD]": (0, 0, 0), "[UNK]": (0, 0, 0), "red": (1, 0, 0), "green": (0, 1, 0)}
WORDS |= {"blue": (0, 0, 1), "grey": (1, 1, 1)}
GALLERY = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "violet": (1, 0, 1)}
GALLERY |= {"orange": (2, 1, 0), "grey": (1, 1, 1)}

TEXT = {"field": "text", "kind": "text", "names": ["input_ids", "attention_mask"]}
TEXT |= {"tokenizer": "tokenizer.json", "max_length": 4, "unit": "words", "unknown_id": 1}
SCALE = {"image_size": 4, "resample": "bilinear", "rescale": 1 / 255, "mean": [0] * 3}
IMAGE = {"field": "image", "kind": "image", "names": ["pixels"]}
IMAGE |= {"preprocess": SCALE | {"std": [1] * 3}}
SKETCH = {**IMAGE, "field": "sketch"}
OF_TEXT = [
    helper.make_node("Gather", ["words", "input_ids"], ["rows"]),
    helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
    helper.make_node("Unsqueeze", ["mask", "last"], ["weights"]),
    helper.make_node("Mul", ["rows", "weights"], ["weighted"]),
    helper.make_node("ReduceSum", ["weighted", "one"], ["text"], keepdims=0),
]
OF_IMAGE = [
    helper.make_node("GlobalAveragePool", ["pixels"], ["pooled"]),
    helper.make_node("Flatten", ["pooled"], ["image"]),
]
GRAPHS = {
    "text": ([TEXT], OF_TEXT, ("Identity", ["text"])),
    "gallery": ([IMAGE], OF_IMAGE, ("Identity", ["image"])),
    "composed": ([TEXT, IMAGE], OF_TEXT + OF_IMAGE, ("Add", ["text", "image"])),
    "sketch": ([SKETCH], OF_IMAGE, ("Sub", ["white", "image"])),
}


def write_graph(path, inputs, nodes, last, words):
    """Write the nodes with unit length after them; its output is `embedding`."""
    constants = {"words": np.array(list(words.values()), np.float32), "last": np.array([-1])}
    constants |= {"one": np.array([1]), "white": np.ones((1, 3), np.float32)}
    ends = [helper.make_node(*last, ["raw"])]
    ends.append(helper.make_node("LpNormalization", ["raw"], ["embedding"], axis=1, p=2))
    feeds = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", 3, 4, 4])
        if name == "pixels"
        else helper.make_tensor_value_info(name, TensorProto.INT64, ["B", "L"])
        for spec in inputs
        for name in spec["names"]
    ]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["B", 3])
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph([*nodes, *ends], path.stem, feeds, [output], tensors)
    versions = {"opset_imports": [helper.make_opsetid("", 17)], "ir_version": 8}
    onnx.save(helper.make_model(graph, **versions), path)


def make_bundle(folder: Path, *names: str, space: str = "colours", **colours: Any) -> Path:
    """Make a bundle with these of the graphs above, and words beside those above."""
    words = {word: number for number, word in enumerate(WORDS | colours)}
    tokenizer = Tokenizer(models.WordLevel(words, "[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    graphs = {}
    with staged(folder, "bundle") as stage:
        tokenizer.save(str(stage.folder / "tokenizer.json"))
        for name in names:
            write_graph(stage.folder / f"{name}.onnx", *GRAPHS[name], WORDS | colours)
            role = "gallery" if name == "gallery" else "query"
            graphs[name] = {"role": role, "output": "embedding", "inputs": GRAPHS[name][0]}
            graphs[name]["variants"] = {"fp32": {"file": f"{name}.onnx"}}
        known = [{"text": "red", "class": "warm"}, {"text": "blue", "class": "cold"}]
        lines = "".join(json.dumps(row) + "\n" for row in known)
        (stage.folder / "examples.jsonl").write_text(lines)
        stage.body |= {"dim": 3, "space": space, "graphs": graphs, "default_precision": "fp32"}
    return folder


def make_index(folder: Path, **options: Any) -> Index:
    """Index the colours; red and orange are of the class warm, blue is cold."""
    classes = {"red": "warm", "orange": "warm", "blue": "cold"}
    entries = [
        Entry(name, "0" * 64, attributes={"class": classes[name]} if name in classes else {})
        for name in GALLERY
    ]
    vectors = np.array(list(GALLERY.values()), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    about = {"space": "colours", "bundle_name": "colours"}
    return Index.create(folder, entries=entries, vectors=vectors, **about, **options)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the bundle of all four graphs, its index, and a file of each colour."""
    folder = tmp_path_factory.mktemp("colours")
    make_bundle(folder / "bundle", *GRAPHS)
    make_index(folder / "bundle.index")
    for name, colour in GALLERY.items():
        scaled = tuple(255 * part // max(colour) for part in colour)
        Image.new("RGB", (8, 6), scaled).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def colours(home):
    return Searcher.open(home / "bundle")


def ids(answer):
    return [hit.id for hit in answer.hits]


def test_a_text_finds_what_it_says(colours):
    """k images, best first, ranked from 1, with their cosines; the query is in the answer."""
    [answer] = colours.search(["Red"], k=3)
    assert (answer.query.id, answer.query.text) == ("1", "Red")
    assert [(hit.rank, hit.id) for hit in answer.hits] == [(1, "red"), (2, "orange"), (3, "violet")]
    cosines = [1, 2 / 5**0.5, 1 / 2**0.5]
    assert [hit.score for hit in answer.hits] == pytest.approx(cosines, abs=1e-6)


def test_every_field_has_its_graph(home, colours):
    """An image finds its like, a sketch its opposite, an image with a text what lies between."""
    red, green = home / "red.png", home / "green.png"
    assert ids(colours.search(images=[red], k=1)[0]) == ["red"]
    assert ids(colours.search(sketches=[green], k=1)[0]) == ["violet"]
    assert ids(colours.search(["blue"], images=[red], k=1)[0]) == ["violet"]
    with Image.open(red) as opened:
        assert ids(colours.search(images=[opened, str(green)], k=1)[0]) == ["red"]


def test_columns_make_a_query_a_row(home, colours):
    """The first text goes with the first image, and so on."""
    files = [home / "red.png", home / "green.png"]
    answers = colours.search(["blue", "green"], images=files, k=1)
    assert [ids(answer) for answer in answers] == [["violet"], ["green"]]
    assert [answer.query for answer in answers] == [
        Query("1", text="blue", image=files[0]),
        Query("2", text="green", image=files[1]),
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "nothing is asked for; give texts, images or sketches"),
        ({"texts": ["red"], "images": []}, "there are 1 of text, 0 of image; give as many"),
        ({"texts": ["red"], "sketches": ["a", "b"]}, "1 of text, 2 of sketch"),
        ({"texts": ["red", ""]}, "query 2 has an empty text; give it words"),
        ({"texts": ""}, "query 1 has an empty text; give it words"),
        ({"texts": [" \n"], "images": [Image.new("RGB", (4, 4))]}, "query 1 has an empty text"),
        ({"images": ["x"], "sketches": ["x"]}, "query 1 .* not of image and sketch"),
        ({"texts": ["red", None]}, "text 2 is None; give a string"),
        ({"texts": [5]}, "text 1 is 5; give a string"),
        ({"texts": [b"red"]}, "text 1 is b'red'; give a string"),
        ({"texts": [["red"]]}, "text 1 is a list; give a string"),
        ({"texts": 5}, "text 1 is 5; give a string"),
        ({"texts": b"red"}, "text: bytes is no list of texts"),
        ({"texts": {"red": 1}}, "text: dict is no list of texts"),
        ({"texts": {"red", "blue"}}, "text: set is no list of texts"),
        ({"texts": Path("red")}, "text 1 is a .*Path; give a string"),
        ({"texts": np.array([1.5])}, "text 1 is 1.5; give a string"),
        ({"images": np.zeros((2, 4, 4, 3))}, "image 1 is a list; give a path or an open image"),
        ({"sketches": [None]}, "sketch 1 is None; give a path or an open image"),
        *(({"texts": ["red"], "k": k}, "k is .*at least 1") for k in (0, -1, True, 2.0, "3", None)),
        ({"texts": [], "k": 0}, "k is 0"),
        ({"texts": ["red"], "expand": 0}, "expansion by 0 images"),
        *(({"texts": ["red"], "expand": k}, "expand is .*at least 1") for k in (False, 1.5, "2")),
        *(
            ({"texts": ["red"], "min_score": score}, "min_score is .*give a number")
            for score in (float("nan"), "0.5", True, [], 10**400)
        ),
    ],
)
def test_what_is_no_query_is_refused(colours, columns, message):
    """Before anything else could be answered instead; the sentence says what was wrong."""
    with pytest.raises(InputError, match=message):
        colours.search(**columns)


@pytest.mark.parametrize("asked", ["red", ["red"], [None]])
def test_answers_are_to_queries_alone(colours, asked):
    """Anything else would be passed over, and its answer be missing."""
    with pytest.raises(InputError, match="a (str|NoneType) is no query; make one by Query"):
        list(colours.answers(asked))


def test_one_is_a_list_of_one(home, colours):
    """A string is one query and no list of letters; arrays and other sequences are lists."""
    with Image.open(home / "blue.png") as opened:
        single = [{"texts": "red"}, {"texts": np.array("red")}, {"texts": np.str_("red")}]
        single += [{"images": home / "red.png"}, {"images": str(home / "red.png")}]
        single += [{"images": opened}, {"texts": "red", "images": opened}]
        found = [[ids(answer)[0] for answer in colours.search(**one, k=1)] for one in single]
    assert found == [["red"]] * 5 + [["blue"], ["violet"]]
    several = (np.array(["red", "blue"]), np.array(["red", "blue"], object), ("red", "blue"))
    for texts in (*several, (text for text in ("red", "blue"))):
        assert [ids(answer)[0] for answer in colours.search(texts, k=1)] == ["red", "blue"]
    assert colours.search("red", k=np.int64(2)) == colours.search(["red"], k=2)


def test_a_query_that_cannot_be_read_costs_no_other(home, colours):
    """Its answer holds the reason in its place; the others are what they are without it."""
    (home / "text.png").write_text("no image")
    texts = ["red", "🐕", "a tern", "V\udcf6gel", "\u200b", "?!", "blue"]
    sound, *refused, last = colours.search(texts, k=1)
    assert [sound, last.hits] == [*colours.search("red", k=1), colours.search("blue", k=1)[0].hits]
    assert [answer.error.split(";")[0] for answer in refused] == [
        "query 2 has no word that the model's text encoder knows (🐕)",
        "query 3 has no word that the model's text encoder knows (a, tern)",
        "query 4 holds half a character",
        "query 5 has no word that the model's text encoder knows (\u200b)",
        "query 6 has no word that the model's text encoder knows (?!)",
    ]
    assert {(answer.hits, answer.ran) for answer in refused} == {((), "")}
    files = [home / name for name in ("red.png", "gone.png", "text.png", "blue.png")]
    first, gone, damaged, last = colours.search(images=files, k=1)
    assert (ids(first), ids(last)) == (["red"], ["blue"])
    assert re.search(r"^query 2 cannot be read: .*gone\.png does not exist$", gone.error)
    assert re.search(r"^query 3 cannot be read: .*text\.png is not a", damaged.error)


def test_a_stream_answers_what_it_can(home, colours):
    """Refused lines, fields that no graph takes and empty texts are errors in their places."""
    asked = [
        Query("a", text="red"),
        Refused(Query("b", text="x"), "line 2 is odd"),
        Query("c", " "),
    ]
    asked += [Query("d", image="x", sketch="x"), Query("e", text=5), Query("f", text="blue")]
    answers = list(colours.answers(asked, 1))
    assert [answer.query.id for answer in answers] == [*"abcdef"]
    assert (ids(answers[0]), ids(answers[-1])) == (["red"], ["blue"])
    messages = [
        "line 2 is odd",
        "query c has an empty text",
        "query d cannot be answered: .*not of",
    ]
    messages += ["query e has text of the type int"]
    for answer, message in zip(answers[1:-1], messages, strict=True):
        assert re.match(message, answer.error), answer.error


def test_accents_are_the_same_however_they_are_typed(tmp_path, home):
    """A letter with its accent, and a letter and then an accent, are one query."""
    folder = make_bundle(tmp_path / "accents", "text", "gallery", **{"gr\xe9y": (1, 1, 1)})
    searcher = Searcher.open(folder, home / "bundle.index")
    one, two = searcher.search(["gr\xe9y", "gre\u0301y"], k=1)
    assert (ids(one), one.error) == (["grey"], None)
    assert two.hits == one.hits
    assert two.query.text == "gre\u0301y", "the answer shows what was asked"


def test_images_under_a_score_are_left_out(colours):
    """And counted; a score that is just reached is not under it."""
    [answer] = colours.search("red", k=4, min_score=1 / 2**0.5 - 1e-7)
    assert ids(answer) == ["red", "orange", "violet"]
    assert answer.notes == ("1 of 4 score under 0.707107: left out",)
    [nothing] = colours.search("red", min_score=1.01)
    assert (nothing.hits, nothing.error) == ((), None)
    assert nothing.notes == ("6 of 6 score under 1.01: left out",)
    assert colours.search("red", min_score=-1) == colours.search("red")


def test_an_empty_list_asks_nothing(colours):
    """It is a batch of no query, and no mistake."""
    assert colours.search([]) == []


def test_a_bundle_that_takes_no_such_query_says_what_it_takes(home, tmp_path):
    """A text model finds more like an image through its gallery graph, but takes no sketch."""
    searcher = Searcher.open(
        make_bundle(tmp_path / "plain", "text", "gallery"), home / "bundle.index"
    )
    assert ids(searcher.search(images=[home / "grey.png"], k=1)[0]) == ["grey"]
    with pytest.raises(
        InputError, match="query 1 .*'plain' .* of text or image or image and text, "
    ):
        searcher.search(sketches=[home / "grey.png"])


def test_answers_keep_the_order_of_their_queries(home, colours):
    """Whatever their fields, and however many of them a batch holds."""
    turns = [Query("", text="red"), Query("", image=home / "blue.png")]
    turns += [Query("", text="green", image=home / "green.png"), Query("", text="grey")] * 2
    turns = turns * BATCH + [Query("", text="blue")] * (2 * BATCH + 3)
    queries = [Query(f"q{n}", q.text, q.image) for n, q in enumerate(turns)]
    answers = list(colours.answers(queries, 1))
    assert [answer.query for answer in answers] == queries
    expected = ["red", "blue", "green", "grey", "green", "grey"] * BATCH
    assert [ids(answer)[0] for answer in answers] == expected + ["blue"] * (2 * BATCH + 3)


def test_queries_are_taken_as_they_are_needed(colours):
    """An endless file is answered; no more than one batch is read ahead."""
    numbers = itertools.count(1)
    answers = colours.answers((Query(str(n), text="red") for n in numbers), k=1)
    assert [int(next(answers).query.id) for _ in range(BATCH + 1)] == [*range(1, BATCH + 2)]
    assert next(numbers) <= 2 * BATCH + 1


def test_only_known_answers_are_marked(home, colours):
    """By the class that is right for this very text, where the image has one; else not at all."""
    red, blue, unknown = colours.search(["red", "blue", "green"], k=6)
    marks = {"red": True, "orange": True, "blue": False, "violet": None, "grey": None}
    marks["green"] = None
    assert {hit.id: hit.correct for hit in red.hits} == marks
    marks |= {"red": False, "orange": False, "blue": True}
    assert {hit.id: hit.correct for hit in blue.hits} == marks
    assert {hit.correct for hit in unknown.hits} == {None}
    [composed] = colours.search(["red"], images=[home / "blue.png"])
    assert {hit.correct for hit in composed.hits} == {None}, "another question than the text alone"


def test_small_galleries_give_fewer(colours):
    """All that there is, once each."""
    [answer] = colours.search(["red"], k=1000)
    assert sorted(ids(answer)) == sorted(GALLERY)


def test_what_was_not_looked_at_is_noted(colours):
    """Words over the limit and words outside the vocabulary, each with the query it is about."""
    answers = colours.search(["red red red red blue", "a red tern", "red", "x red red red blue"])
    assert [answer.notes for answer in answers] == [
        ("truncated to 4 words",),
        ("2 unknown: a, tern",),
        (),
        ("truncated to 4 words", "1 unknown: x"),
    ]
    assert ids(answers[0]) == ids(answers[2]), "the answer is the one to what is left"


def test_a_long_word_is_not_repeated_whole(colours):
    """Neither in a note nor in an error."""
    note, error = colours.search([f"red {'x' * 9999}", "y" * 9999])
    assert note.notes == (f"1 unknown: {'x' * 40}…",)
    assert f"({'y' * 40}…)" in error.error


def test_answers_say_what_ran(home):
    """The runner's own words, so with the provider that it got."""
    searcher = Searcher(Bundle.open(home / "bundle"), Index.open(home / "bundle.index"))
    [answer] = searcher.search(["red"])
    assert answer.ran == searcher.bundle.graph("text").runner.ran
    assert "cpu" in answer.ran


def unrelated(bundle, *vectors):
    """Queries of no class in the bundle's text graph, by their colours."""
    rows = np.array(vectors, np.float32)
    graph = bundle.key_of(frozenset({"text"}))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return Unrelated(graph, "colours", unit, (None,) * len(unit))


@pytest.fixture
def calibrated(home, tmp_path):
    """The same images, all with classes, calibrated by four colours: one is orange."""
    bundle = Bundle.open(home / "bundle")
    index = Index.open(home / "bundle.index")
    entries = [Entry(name, "0" * 64, attributes={"class": name}) for name in GALLERY]
    asked = unrelated(bundle, (2, 1, 0), (-1, 0, 0), (-1, -1, 0), (-1, -1, 1))
    about = {"space": "colours", "bundle_name": "colours", "unrelated": asked}
    made = Index.create(tmp_path / "own", entries=entries, vectors=index.vectors, **about)
    return Searcher(bundle, made)


def test_hits_are_ranked_among_unrelated_queries(home, calibrated):
    """By the share whose best image scores lower, of the graph that embeds the query."""
    best = [one.scores for one in calibrated.index.calibrations]
    assert best[0] == pytest.approx((0, 0, 1 / 3**0.5, 1), abs=1e-6)
    [answer] = calibrated.search("red", k=4)
    shares = [sum(score < hit.score for score in best[0]) / 4 for hit in answer.hits]
    assert [hit.above_unrelated for hit in answer.hits] == shares
    assert (answer.nothing, answer.notes) == (False, ())
    [image] = calibrated.search(images=home / "red.png", k=1)
    assert image.hits[0].above_unrelated == sum(score < 1 - 1e-6 for score in best[1]) / 6
    [both] = calibrated.search("red", images=home / "red.png", k=1)
    assert both.hits[0].above_unrelated is None, "of such queries nothing is known"


def test_nothing_looks_like_a_query_that_scores_as_unrelated_ones(home, tmp_path):
    """Up to the middle of them; also where a threshold leaves no hit."""
    bundle, index = Bundle.open(home / "bundle"), Index.open(home / "bundle.index")
    entries = [Entry(name, "0" * 64) for name in GALLERY]
    about = {"space": "colours", "bundle_name": "colours", "vectors": index.vectors}
    for reds, greys in ((2, 3), (2, 2), (3, 0)):  # of which the former find more, the latter less
        asked = reds * [(1, 0, 0)] + greys * [(-1, -1, -1)]
        own = unrelated(bundle, *asked)
        made = Index.create(tmp_path / str(greys), entries=entries, unrelated=own, **about)
        [answer] = Searcher(bundle, made).search("green grey", k=1)
        assert answer.nothing is (reds >= greys)
        assert answer.hits[0].above_unrelated == greys / len(asked)
        [left] = Searcher(bundle, made).search("green grey", k=1, min_score=1.5)
        assert (left.hits, left.nothing) == ((), answer.nothing)


def test_an_index_without_calibration_claims_nothing(home, colours):
    """Nor does one that was calibrated by the graph of another bundle."""
    [plain] = colours.search("red", k=1)
    assert (plain.hits[0].above_unrelated, plain.nothing) == (None, False)


def test_a_long_running_searcher_sees_changes(home, tmp_path):
    """Before the next batch; what cannot be read is noted while the old images go on."""
    index = make_index(tmp_path / "index")
    bundle = Bundle.open(home / "bundle")
    follows = Searcher.open(home / "bundle", index.folder)
    stays = Searcher.open(home / "bundle", index.folder, refresh="never")
    index.apply(Change([Entry("cherry", "1" * 64)], [[0.999, 0.0447, 0]]))
    assert ids(follows.search("red", k=2)[0]) == ["red", "cherry"]
    assert ids(stays.search("red", k=2)[0]) == ["red", "orange"]
    shutil.rmtree(index.folder)
    [answer] = follows.search("red", k=2)
    assert ids(answer) == ["red", "cherry"]
    assert answer.notes[0].startswith(f"answered from generation 2: {index.folder} is no index")
    assert stays.search("red")[0].notes == ()
    with pytest.raises(ConfigError, match="refresh 'often' is unknown; use auto or never"):
        Searcher(bundle, index, refresh="often")


def test_an_index_of_another_space_is_refused(home, tmp_path):
    """Its vectors mean something else; a bundle with the same gallery may use it."""
    make_bundle(tmp_path / "same", "text", "gallery")
    make_bundle(tmp_path / "other", "text", "gallery", space="shapes")
    assert Searcher.open(tmp_path / "same", home / "bundle.index").search(["red"])
    with pytest.raises(MismatchError, match="space colours, not in shapes"):
        Searcher.open(tmp_path / "other", home / "bundle.index")


def test_absent_indexes_name_the_command(home, tmp_path):
    """Which makes one."""
    with pytest.raises(ArtefactError, match="no index .*nowhere; make it with 'zscr index add'"):
        Searcher.open(home / "bundle", tmp_path / "nowhere")


def test_few_queries_load_no_hnsw(tmp_path):
    """Where their number is known, and nobody has pinned HNSW; else it is loaded."""
    make_bundle(tmp_path / "bundle", *GRAPHS)
    make_index(tmp_path / "index", search="hnsw")

    def loads(**options):
        searcher = Searcher.open(tmp_path / "bundle", tmp_path / "index", **options)
        assert ids(searcher.search("red", k=1)[0]) == ["red"]
        return searcher.index.now.hnsw.is_loaded, searcher.how.partition(":")[0]

    assert loads(queries=1) == (True, "hnsw with ef 10, as was asked for")
    agree(tmp_path / "index", pinned=False)  # as if the measurement had chosen it
    assert [loads(queries=n)[0] for n in (1, 8, 9, None)] == [False, False, True, True]
    assert loads(queries=1)[1] == "exact"
