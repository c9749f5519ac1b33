"""The report page: well-formed, self-contained, safe with hostile texts, true to its figures."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from zscr.data.records import Query
from zscr.infer.answers.answer import Answer, Hit
from zscr.infer.answers.shown import Shown
from zscr.infer.evaluation.charts import Series, bars, legend, recall_chart
from zscr.infer.evaluation.extremes import Extremes, find_extremes
from zscr.infer.evaluation.figures import DEFINITIONS
from zscr.infer.evaluation.generalised import evaluate, mean_evaluation
from zscr.infer.evaluation.page import ORACLE, WARNING, render_page
from zscr.infer.evaluation.page_controls import chosen

HOSTILE = '"><script>alert(1)</script><img src="https://evil.example/x.png" onerror=alert(1)>&amp;'
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Collects tags with their attributes and text, and refuses tags that do not match."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(content)
        self.close()
        assert self.open == [], "unclosed tags"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), "an attribute occurs twice"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data

    def images(self):
        return [a for _, a in self.tags if a.get("role") == "img" and "pic" in a.get("class", "")]


def some(embedded_of, rng, names):
    asked, found = [n for n in names for _ in range(2)], [n for n in names for _ in range(6)]
    rows = []
    for side in (asked, found):
        drawn = rng.standard_normal((len(side), 6))
        rows.append((drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32))
    return embedded_of(*rows, asked, found)


def report_of(evaluation, **more):
    about = {"method": "zscrgan", "kind": "run", "collection": "birds", "protocol": "P"}
    about |= {"split": "unseen", "seeds": [7], "versions": {"zscr": "1", "torch": "2"}}
    about |= {"selection": "selected on validation classes", "definitions": dict(DEFINITIONS)}
    return about | evaluation.to_json() | more


@pytest.fixture
def embedded(embedded_of):
    return some(embedded_of, np.random.default_rng(0), "abcd")


@pytest.fixture
def full(embedded_of):
    """Three runs, generalised, with two controls, one of them of the kind with few figures."""
    rng = np.random.default_rng(1)
    runs = [
        evaluate(some(embedded_of, rng, "abcd"), some(embedded_of, rng, "xyz")) for _ in range(3)
    ]
    control = {"lambda": 10.0, "lambda_at_edge": True, **runs[0].to_json()}
    control["difference"] = {"mean": 0.0504, "interval": [-0.1, 0.2], "ahead": 3, "groups": 4}
    neighbours = {"Prec@1": 0.123, "Prec@10": 0.1, "mAP": 0.2, "excluded": 0}
    controls = {"ridge": control, "neighbours": neighbours}
    return report_of(mean_evaluation(runs), seeds=[7, 8, 9], controls=controls)


@pytest.fixture
def extremes(embedded, tmp_path):
    """Every item has an image, each of another colour."""
    images = {}
    for number, name in enumerate(embedded.task.gallery):
        images[name] = tmp_path / f"{number}.png"
        Image.new("RGB", (20, 10), (10 * number, 0, 0)).save(images[name])
    return find_extremes(embedded, [f"query {n}" for n in range(8)], images)


def test_the_page_is_well_formed_and_shows_every_figure(full, extremes):
    """Headlines with deviation and interval, controls, curves, classes, queries, definitions."""
    page = Page(render_page(full, extremes))
    low, high = full["intervals"]["mAP macro"]
    shown = f"{full['metrics']['mAP macro']:.3f} ± {full['sd']['mAP macro']:.3f}"
    assert f"{shown}{low:.3f} – {high:.3f}" in page.text
    seen = full["generalised"]["seen"]["metrics"]["Top-1 macro"]
    harmonic = full["generalised"]["harmonic"]["metrics"]["mAP macro"]
    for text in (f"{seen:.3f} ±", f"{harmonic:.3f} ±", "lambda 10 (edge of its grid)", "0.123"):
        assert text in page.text
    assert "+0.050-0.100 – +0.200" in page.text  # ahead of the control, and the interval
    for title in ("Figures", "Controls", "Precision and recall", "Best queries", "Worst queries"):
        assert title in page.text
    for text in DEFINITIONS.values():
        assert text in page.text
    assert [tag for tag, _ in page.tags].count("polyline") == 4, "two curves, plain and generalised"
    assert "selected on validation classes" in page.text
    assert WARNING not in page.text


def test_an_image_from_elsewhere_is_not_shown(full, tmp_path):
    """A stranger's collection may hold a link to a picture of its reader's: found or asked with."""
    stolen = tmp_path / "collection/1.png"
    stolen.parent.mkdir()
    Image.new("RGB", (9, 9), (200, 0, 0)).save(tmp_path / "private.png")
    stolen.symlink_to(tmp_path / "private.png")
    hits = (Hit(1, "x", 0.5, image=str(stolen)),)
    extremes = Extremes((Answer(Query("1", image=str(stolen)), hits),), ())
    assert "data:image/jpeg" in render_page(full, extremes)
    page = render_page(full, extremes, Shown([stolen.parent], hint=""))
    assert page.count(f"{stolen} lies outside of its folders<") == 2
    assert "data:image/jpeg" not in page


def test_classes_stand_in_the_order_of_their_average_precision(full, extremes):
    """The first bar is the best class's, as wide as its figure says; the second is generalised."""
    content = render_page(full, extremes)
    best = max(full["per_group"], key=lambda row: row["metrics"]["mAP"])
    named = re.findall(r'<div class="name" dir="auto">(\w)</div>', content)
    assert named[0] == best["group"]
    assert sorted(named) == list("abcd")
    first = re.search(r'<rect class="first" y="0" width="([\d.]+)"', content)
    assert float(first[1]) == pytest.approx(100 * best["metrics"]["mAP"], abs=0.06)
    assert content.count('<rect class="second"') == 4


def test_one_image_element_a_hit(full, extremes):
    """Ten hits of four queries, each with its image and a verdict in words."""
    page = Page(render_page(full, extremes))
    assert len(page.images()) == 40
    assert all(image["aria-label"].startswith("image ") for image in page.images())
    hits = [hit for answer in (*extremes.best, *extremes.worst) for hit in answer.hits]
    assert page.text.count("✓ right") == sum(hit.correct for hit in hits)
    assert page.text.count("✗ wrong") == sum(not hit.correct for hit in hits)


def test_items_without_images_are_listed_by_id(full, embedded):
    """Published vectors have none; the page is whole all the same."""
    extremes = find_extremes(embedded, [f"c, text {n}" for n in range(8)], {})
    page = Page(render_page(full, extremes))
    assert page.images() == []
    for hit in extremes.worst[0].hits:
        assert hit.id in page.text


def test_hostile_names_stay_text(embedded_of):
    """Of classes, queries, items, the collection, its protocol and controls: no tag is added."""

    def page_of(name):
        embedded = some(embedded_of, np.random.default_rng(0), [name, "b", "c", "d"])
        seen = some(embedded_of, np.random.default_rng(1), ["x", "y"])
        evaluation = evaluate(embedded, seen)
        report = report_of(evaluation, collection=name, protocol=name, method=name)
        report |= {"controls": {f"ridge {name}": evaluation.to_json()}}
        return Page(render_page(report, find_extremes(embedded, [name] * 8, {})))

    hostile, tame = page_of(HOSTILE), page_of("a")
    shapes = [[(tag, sorted(attrs)) for tag, attrs in page.tags] for page in (hostile, tame)]
    assert shapes[0] == shapes[1]
    assert hostile.text.count(HOSTILE) > 10


def test_nothing_outside_is_referred_to(full, extremes):
    """No tag loads anything, and the policy forbids all but embedded images and styles."""
    content = render_page(full, extremes)
    page = Page(content)
    assert not {"href", "src", "srcset", "action"} & {name for _, a in page.tags for name in a}
    assert "script" not in {tag for tag, _ in page.tags}
    assert set(re.findall(r"url\((.{5})", content)) == {"data:"}
    assert "@import" not in content
    assert "default-src 'none'" in content


def test_oracle_selection_is_said(embedded):
    """Wherever the run was selected on the classes that it is judged on."""
    report = report_of(evaluate(embedded), selection=ORACLE)
    assert WARNING in Page(render_page(report, Extremes((), ()))).text


def test_without_controls_chance_is_drawn(embedded):
    """A bundle has no features, but its curve has something to be above of."""
    report = report_of(evaluate(embedded))
    page = Page(render_page(report, Extremes((), ())))
    assert [tag for tag, _ in page.tags].count("polyline") == 2
    assert "chance" in page.text
    assert "Controls" not in page.text
    assert "Best queries" not in page.text


def test_another_task_is_named_with_its_own_figures(embedded_of):
    """Its own figures stand first, as the protocol means them; its groups are no classes."""
    embedded = some(embedded_of, np.random.default_rng(0), "abcd")
    figures = ("Recall@5", "Prec@7 macro", "mAP")
    embedded = replace(embedded, task=replace(embedded.task, figures=figures))
    controls = {"image only": evaluate(embedded).to_json()}
    report = report_of(evaluate(embedded), task="composed", controls=controls)
    content = render_page(report, find_extremes(embedded, [""] * 8, {}))
    page = Page(content)
    assert "zscrgan on birds, composed, unseen" in page.text
    names = re.findall(r'<th scope="row" class="name" dir="auto">([^<]+)<', content)
    assert names[:3] == ["Recall@5", "Prec@7 macro", "mAP"], "mAP is a headline anyway"
    for text in (
        "Recall@5mean over queries" + f"{report['metrics']['Recall@5']:.3f}",
        "Prec@7 macromean over groups" + f"{report['metrics']['Prec@7 macro']:.3f}",
        "All figures a group",
        "one query of each group",
        "means over groups",
    ):
        assert text in page.text, text
    assert "Groups" in page.text
    assert "Classes" not in page.text


def test_a_chart_places_its_points():
    """Recall 0 to 1 from left to right, precision 1 at the top; the first line is drawn last."""
    lines = [Series("ours", [1 - n / 10 for n in range(11)], 0), Series("<b>", [0.5] * 11, 1)]
    svg = recall_chart("plain", lines)
    second, first = re.findall(r'<g class="s(\d)"><polyline class="line" points="([^"]*)"', svg)
    assert (first[0], second[0]) == ("0", "1")
    points = [tuple(map(float, point.split(","))) for point in first[1].split()]
    assert (points[0], points[-1]) == ((52, 12), (424, 272))
    assert {point.split(",")[1] for point in second[1].split()} == {"142"}
    assert Page(svg + legend(lines)).text.count("<b>") == 1


def test_bars_are_as_wide_as_their_values():
    """In percent of the whole, one or two a row."""
    content = bars([("one", [0.25]), ("two", [1, 0])])
    assert re.findall(r'"(first|second)" y="\d+" width="([\d.]+)"', content) == [
        ("first", "25.0"),
        ("first", "100.0"),
        ("second", "0.0"),
    ]
    assert "0.250" in Page(content).text


def test_what_was_chosen_is_said_with_its_edges():
    """Settings in their order, edges only where they are reached."""
    control = {"val_mAP": 0.5, "gamma": 100.0, "gamma_at_edge": False, "lambda": 0.001}
    control |= {"lambda_at_edge": True, "metrics": {}}
    assert chosen(control) == "gamma 100, lambda 0.001 (edge of its grid)"


def test_the_strongest_control_is_drawn_and_said_first(full, extremes):
    """Of more lines than can be told apart those of the highest mAP, in the table's order."""
    ridge = full["controls"]["ridge"]
    strong = ridge | {"metrics": ridge["metrics"] | {"mAP": 0.9}}
    weak = {f"control {n}": ridge for n in range(9)}
    page = render_page(full | {"controls": weak | {"the strongest": strong}}, extremes)
    legend = page[page.index('class="legend"') :]
    assert "the strongest" in legend[: legend.index("</section>")]
    assert "the highest 8 of 11" in page
    assert "not surely ahead of the strongest of 10 controls, the strongest: mAP" in page
