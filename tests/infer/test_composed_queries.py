"""An image and a text as one query, from the shell, JSON Lines and Python, over colours.

The bundles are those of `test_searcher`: texts, images and sketches as (red, green, blue); so each
composition's answer is known by hand.
"""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner
from PIL import Image

from tests.infer.test_searcher import GALLERY, GRAPHS, ids, make_bundle, make_index
from zscr.artefact import hash_file
from zscr.cli import main
from zscr.data.records import Query, Term
from zscr.errors import InputError
from zscr.infer.index.index import Entry, Index
from zscr.infer.searcher import Searcher

WAYS = "average, product, slerp, weicom, arithmetic"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a bundle of texts, images and sketches, another with a graph of both, files."""
    folder = tmp_path_factory.mktemp("composed")
    make_bundle(folder / "plain", "text", "gallery", "sketch")
    make_index(folder / "plain.index")
    make_bundle(folder / "whole", *GRAPHS)
    make_index(folder / "whole.index")
    for name, colour in GALLERY.items():
        scaled = tuple(255 * part // max(colour) for part in colour)
        Image.new("RGB", (8, 6), scaled).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def plain(home):
    return Searcher.open(home / "plain")


@pytest.fixture(scope="module")
def whole(home):
    return Searcher.open(home / "whole")


@pytest.fixture
def query(home):
    """Return a function that runs `zscr query` on the bundle without a graph of both."""

    def run(*args, stdin=None):
        about = ["query", "--bundle", str(home / "plain"), "--threads", "1"]
        return CliRunner().invoke(main, [*about, *map(str, args)], input=stdin)

    return run


def test_every_composition_is_its_algebra(home, plain):
    """Best first, as by hand; the default is the average, and with what is replaced arithmetic."""
    red, violet = home / "red.png", home / "violet.png"
    found = {
        name: plain.search("blue", images=red, compose=name, k=2)[0]
        for name in WAYS.split(", ")[:3]
    }
    assert [ids(answer) for answer in found.values()] == [
        ["violet", "grey"],  # 1 and 2 / √6
        ["violet", "grey"],  # 1/2 and 1/3; of red and blue one score is 0
        ["blue", "violet"],  # sin 72° = .95; sin 18° and sin 72° by √2 are .89
    ]
    assert [answer.composition for answer in found.values()] == [*found]
    assert [hit.score for hit in found["product"].hits] == pytest.approx([1 / 2, 1 / 3], abs=1e-6)
    [replaced] = plain.search("green", images=violet, instead_of="blue", k=3)
    assert replaced.composition == "arithmetic"
    assert ids(replaced) == ["orange", "green", "grey"]
    [named] = plain.search("green", images=violet, instead_of="blue", compose="arithmetic", k=3)
    assert named.hits == replaced.hits
    assert plain.search("blue", images=red, k=2)[0].hits == found["average"].hits


def test_a_graph_of_both_comes_first(home, whole):
    """Under its own name; what needs no data can be asked for beside it."""
    [own] = whole.search("blue", images=home / "red.png", k=1)
    assert (own.composition, ids(own)) == ("composed", ["violet"])
    [slerp] = whole.search("blue", images=home / "red.png", compose="slerp", k=1)
    assert (slerp.composition, ids(slerp)) == ("slerp", ["blue"])
    assert {hit.above_unrelated for hit in (*own.hits, *slerp.hits)} == {None}


def test_a_sketch_is_composed_like_an_image(home, plain):
    """A sketch of green asks for violet; with green half of all."""
    [answer] = plain.search("green", sketches=home / "green.png", compose="average", k=1)
    assert (answer.composition, ids(answer)) == ("average", ["grey"])


def test_batches_of_mixed_kinds_are_answered_each_by_its_own(home, plain):
    """As if each had been asked alone, whatever stands beside it."""
    red, violet = home / "red.png", home / "violet.png"
    kinds = [
        Query("", text="blue", image=red, compose="slerp"),
        Query("", text="blue", image=red),
        Query("", text="green", image=violet, instead_of="blue"),
        Query("", text="blue", image=red, compose="product"),
        Query("", text="blue"),
        Query("", image=red),
        Query("", text="green", sketch=home / "green.png"),
    ]
    alone = [next(plain.answers([kind], 3)) for kind in kinds]
    assert len({(answer.composition, answer.hits) for answer in alone}) == len(kinds)
    assert list(plain.answers(kinds * 9, 3)) == alone * 9


FAULTS = [
    ({"compose": "mean"}, f"composes image and text by {WAYS}, not by 'mean'"),
    ({"instead_of": "blue", "compose": "average"}, "'average' does not use; .* by arithmetic"),
    ({"compose": "arithmetic"}, "subtracts what the text replaces, .* say it: instead_of"),
    ({"text": "a sketch of *"}, r"has a \* in its text, .* 'average' puts none into a text"),
    ({"text": "red*"}, r"has a \* in its text"),
    ({"text": "* and *"}, r"has a \* in its text"),
    ({"instead_of": "a *"}, r"has a \* in its instead_of, .* 'arithmetic' puts none"),
    ({"text": "🐕"}, r"no word that the model's text encoder knows \(🐕\)"),
    ({"instead_of": "🐕"}, r"instead_of.* no word that the model's text encoder knows \(🐕\)"),
    ({"image": "text.png"}, r"text\.png is not a JPEG"),
    ({"image": None, "instead_of": "blue"}, "has instead_of without a text beside an image"),
    ({"image": None, "compose": "average"}, "has compose without a text beside an image"),
    ({"text": None, "instead_of": "blue"}, "has instead_of without a text beside an image"),
    ({"text": None, "compose": "average"}, "has compose without a text beside an image"),
]
LINES = [
    ({"text": " "}, "has an empty 'text'"),
    ({"instead_of": ""}, "has an empty 'instead_of'"),
    ({"compose": " "}, "has an empty 'compose'"),
    ({"instead_of": 7}, "has 'instead_of' 7; make it a string"),
    ({"compose": ["average"]}, r"has 'compose' \[\"average\"\]; make it a string"),
    ({"image": "gone.png"}, "gone.png, which does not exist"),
]


def asked(change):
    """Return the fields of a query with some of them changed; None leaves one out."""
    fields = {"image": "red.png", "text": "blue"} | change
    return {name: value for name, value in fields.items() if value is not None}


@pytest.mark.parametrize(("change", "message"), FAULTS)
def test_what_cannot_be_composed_is_one_sentence(home, plain, query, change, message):
    """From the shell as from Python, where no query of the same list is lost for it."""
    (home / "text.png").write_text("no image")
    fields = asked(change)
    options = [
        part
        for name, value in fields.items()
        for part in (f"--{name.replace('_', '-')}", home / value if name == "image" else value)
    ]
    shell = query(*options)
    assert (shell.exit_code, shell.stdout) == (1, "")
    assert re.fullmatch(f"Error: query 1 .*{message}.*\n", shell.stderr), shell.stderr
    files = {"image": home / fields["image"]} if "image" in fields else {}
    sound = Query("s", text="red")
    first, wrong, last = plain.answers([sound, Query("w", **fields | files), sound])
    assert re.match(f"query w .*{message}", wrong.error), wrong.error
    assert (first.error, last.error, wrong.hits) == (None, None, ())


def test_a_bad_line_costs_no_other_its_answer(home, query):
    """And the command ends with exit 1 and the count; the sound ones are as if alone."""
    (home / "text.png").write_text("no image")
    rows = [asked(change) for change, _ in (*FAULTS, *LINES)]
    good = {"image": "violet.png", "text": "green", "instead_of": "blue", "compose": "arithmetic"}
    rows = [row for bad in rows for row in (bad, good)]
    (home / "queries.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = query("--file", home / "queries.jsonl", "-k", 3)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for answer, (_, message) in zip(found[::2], (*FAULTS, *LINES), strict=True):
        assert re.search(message, answer["error"]), answer["error"]
        assert answer["hits"] == []
    assert {tuple(hit["id"] for hit in answer["hits"]) for answer in found[1::2]} == {
        ("orange", "green", "grey")
    }
    assert {answer["composition"] for answer in found[1::2]} == {"arithmetic"}
    assert found[1]["instead_of"] == "blue"
    bad = len(FAULTS) + len(LINES)
    assert f"Error: {bad} of {2 * bad} queries could not be answered; the first" in done.stderr
    assert done.exit_code == 1


def test_usage_errors_name_the_option(home, query):
    """With nothing on stdout, and exit 2."""
    image = ("--image", home / "red.png")
    for args, message in (
        ((*image, "--text", "blue", "--instead-of", " "), "--instead-of is empty"),
        ((*image, "--text", "blue", "--compose", ""), "--compose is empty"),
        (("--file", "x.jsonl", "--instead-of", "blue"), "--instead-of goes with --text"),
        (("--compose", "average"), "give queries by either"),
    ):
        done = query(*args)
        assert (done.exit_code, done.stdout) == (2, "")
        assert message in done.stderr


def test_a_files_composition_is_for_lines_of_several_fields(home, query):
    """That name none; captions alone compose nothing."""
    rows = [{"text": "blue"}, asked({}), asked({"compose": "average"})]
    (home / "mixed.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = query("--file", home / "mixed.jsonl", "--compose", "product")
    found = [json.loads(line).get("composition") for line in done.stdout.splitlines()]
    assert (done.exit_code, found) == (0, [None, "product", "average"])
    piped = query("--file", "-", "--compose", "product", stdin="blue\n")
    assert (piped.exit_code, piped.stdout) == (1, "")
    assert "holds captions alone, of which 'product' can compose nothing" in piped.stderr


def test_columns_say_what_each_replaces(home, plain):
    """One composition for all or one a row; None in a row says nothing."""
    red, violet = home / "red.png", home / "violet.png"
    both = {"texts": ["blue", "green"], "images": [red, violet]}
    answers = plain.search(**both, instead_of=[None, "blue"], k=1)
    assert [answer.composition for answer in answers] == ["average", "arithmetic"]
    answers = plain.search(**both, compose=["slerp", None], k=1)
    assert [answer.composition for answer in answers] == ["slerp", "average"]
    answers = plain.search(**both, compose="slerp", k=1)
    assert [answer.composition for answer in answers] == ["slerp", "slerp"]
    for wrong, message in (
        ({"instead_of": "blue"}, "1 of instead_of; give as many"),
        ({"instead_of": ["blue", ""]}, "query 2 has an empty instead_of"),
        ({"instead_of": ["blue", 5]}, "instead_of 2 is 5; give a string"),
        ({"compose": ["average"]}, "1 of compose; give as many"),
        ({"compose": 5}, "compose 1 is 5; give a string"),
        ({"compose": "mean"}, "query 1 cannot be answered: .* not by 'mean'"),
        ({"compose": [None, "mean"]}, "query 2 cannot be answered: .* not by 'mean'"),
    ):
        with pytest.raises(InputError, match=message):
            plain.search(**both, **wrong)
    with pytest.raises(InputError, match="query 1 .* has compose without"):
        plain.search("blue", compose="average")
    with pytest.raises(InputError, match="nothing is asked for"):
        plain.search(instead_of="blue")


def test_an_expansion_is_of_one_vector(deployed, shapes, tmp_path):
    """A line whose scores are fused is refused for it; its neighbours are expanded."""
    image = str(next(shapes.glob("red-*.png")))
    rows = [{"image": image, "text": "red", "compose": name} for name in ("average", "product")]
    (tmp_path / "queries.jsonl").write_text(
        "\n".join(map(json.dumps, (*rows, rows[0] | {"id": "x"})))
    )
    about = ("--bundle", deployed.bundle, "--threads", 1, "--expand", 2)
    args = ["query", "--file", tmp_path / "queries.jsonl", *about]
    done = CliRunner().invoke(main, [*map(str, args)])
    first, fused, last = map(json.loads, done.stdout.splitlines())
    assert "expanded by the top 2" in first["notes"][-1]
    assert first["hits"] == last["hits"] != []
    assert re.match("query 2 cannot be answered: 'product' fuses scores", fused["error"])


def test_a_sum_has_no_composition(plain):
    """Nor have its terms: what would not be used is refused."""
    term = Query("1", text="red", compose="average")
    for query in (Query("1", terms=(Term(term),)), Query("1", text="red", instead_of="x")):
        [answer] = plain.answers([query])
        assert re.search("has (compose|instead_of) without a text beside an image", answer.error)


def test_a_sum_puts_no_image_into_a_text(home, plain):
    """A * beside an image is refused, as by a composition; among texts alone it is a sign."""
    image, text = Term(Query(image=home / "red.png")), Term(Query(text="a blue * here"))
    [answer] = plain.answers([Query("1", terms=(image, text))])
    assert "'a blue * here' has a *" in answer.error
    assert "a sum puts none into a text; leave it out, or compose both" in answer.error
    [alone] = plain.answers([Query("1", terms=(text, Term(Query(text="red"))))])
    assert alone.error is None


def test_captions_that_were_cut_are_told(home, plain):
    """Those of the text and of what it replaces; no word that is not known is passed over."""
    long = "red red red red blue"
    [text] = plain.search(long, images=home / "red.png")
    assert any("truncated to 4 words" in note for note in text.notes)
    [instead] = plain.search("a red", images=home / "red.png", instead_of=long)
    assert any("1 unknown: a" in note for note in instead.notes)
    assert any(re.search("instead_of.*truncated to 4 words", note) for note in instead.notes)


def test_the_own_image_is_left_out_where_it_is_asked(home, tmp_path, query):
    """By its content, whatever it is called, and k others are found; else it may find itself."""
    index = Index.open(home / "plain.index")
    held = hash_file(home / "red.png")
    entries = [Entry(name, held if name in ("red", "violet") else "0" * 64) for name in GALLERY]
    about = {"space": "colours", "bundle_name": "colours", "vectors": index.vectors}
    own = Searcher(
        Searcher.open(home / "plain").bundle,
        Index.create(tmp_path / "own", entries=entries, **about),
    )
    red = home / "red.png"
    assert ids(own.search("blue", images=red, k=2)[0]) == ["violet", "grey"]
    [others] = own.search("blue", images=red, k=2, exclude_self=True)
    assert ids(others) == ["grey", "blue"]
    assert others.notes[-1] == "2 with the content of the query's own image: left out"
    assert ids(own.search("red", k=2, exclude_self=True)[0]) == ["red", "orange"]
    done = query("--image", red, "--index", tmp_path / "own", "-k", 6, "--exclude-self")
    assert [hit["id"] for hit in json.loads(done.stdout)["hits"]] == [
        "orange",
        "grey",
        "green",
        "blue",
    ]
    [gone] = own.answers([Query("1", image=tmp_path / "gone.png")], exclude_self=True)
    assert "gone.png does not exist" in gone.error
