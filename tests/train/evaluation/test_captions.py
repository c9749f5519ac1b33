"""`zscr evaluate` on captions without classes: by runs, by bundles, by pretrained bundles."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from click.testing import CliRunner, Result

from zscr.artefact import read_manifest, write_manifest
from zscr.cli import main
from zscr.data.collection import read_collection
from zscr.data.records import Query
from zscr.data.registry import find_collection
from zscr.export.bundle import export_run
from zscr.infer.bundle import Bundle
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.fit import Request, fit

PROVENANCE = {
    "kind": "pretrained",
    "family": "clip",
    "source": "someone/small-clip",
    "revision": "0123abcd",
    "licence": "mit",
    "score": "the cosine of two unit vectors",
    "versions": {"zscr": "0", "transformers": "5"},
}


def zscr(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def run(plain_module, scenes, tiny_image, tiny_text, tmp_path_factory):
    """Train on classes, once."""
    encoders = {"image_encoder": str(tiny_image), "text_encoder": str(tiny_text)}
    folder = tmp_path_factory.mktemp("trained") / "run"
    return fit(Request("plain", scenes, folder, {"rounds": 2, "seed": 3}, **encoders, device="cpu"))


@pytest.fixture(scope="module")
def bundle(run, tmp_path_factory):
    """Export it."""
    return export_run(run, tmp_path_factory.mktemp("exported") / "bundle").folder


@pytest.fixture(scope="module")
def pretrained(bundle, tmp_path_factory):
    """Make the bundle one that says it was pretrained elsewhere."""
    folder = tmp_path_factory.mktemp("given") / "small-clip"
    shutil.copytree(bundle, folder)
    manifest = read_manifest(folder, "bundle")
    write_manifest(folder, "bundle", manifest.files, {**manifest.body, "provenance": PROVENANCE})
    return folder


@pytest.fixture(scope="module")
def album(scenes, tmp_path_factory):
    """Lay 40 images out as someone's folder, with two captions each."""
    folder, lines = tmp_path_factory.mktemp("someone") / "album", []
    folder.mkdir()
    for item in read_collection(scenes).items:
        shutil.copy(scenes / item.image, folder / f"{item.id}.png")
        lines += [f"{item.id}.png,{text}" for text in (item.texts[0], f"a {item.texts[0]} on grey")]
    (folder / "captions.txt").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def captions(album, tmp_path_factory):
    """Make it a collection."""
    return find_collection(str(album), base=tmp_path_factory.mktemp("base"))


def test_runs_and_bundles_find_what_their_vectors_say(run, bundle, captions):
    """Ranks counted by hand from the bundle's own vectors; the run's figures are the same."""
    items = read_collection(captions).split("unseen")
    model, texts = Bundle.open(bundle), [text for item in items for text in item.texts]
    images = model.gallery.encode(Query.of("image", [captions / item.image for item in items]))
    scores = model.graph("text").encode(Query.of("text", texts)) @ images.T
    own = np.arange(len(texts)) // 2
    # a rank is one more than the better ones and the equal ones that stand before
    margin = scores - scores[np.arange(len(texts)), own][:, None]
    before = np.arange(len(items))[None] < own[:, None]
    ranks = ((margin > 1e-9) | ((abs(margin) <= 1e-9) & before)).sum(axis=1)
    reports = [evaluate_model(one, Question(collection=captions)) for one in (run.folder, bundle)]
    for report in reports:
        found = report["captions"]["text to image"]["metrics"]
        assert found["R@1"] == np.mean(ranks < 1) == report["metrics"]["R@1"]
        assert found["R@5"] == np.mean(ranks < 5) < 1
        assert found["median rank"] == np.floor(np.median(ranks)) + 1
        assert report["groups"] == len(items) == report["captions"]["image to text"]["queries"]
    assert reports[0]["captions"] == reports[1]["captions"]


def test_a_pretrained_bundle_is_judged_on_a_folder_of_captions(pretrained, album, tmp_path):
    """It has no run, no seed and no collection of its own; the table says whose it is."""
    refused = zscr("evaluate", pretrained)
    assert refused.exit_code == 1
    assert "no collection of its own; name one with --collection" in refused.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        page = tmp_path / "page.html"
        shown = zscr("evaluate", pretrained, "--collection", album, "--report", page)
        assert shown.exit_code == 0, shown.output
        as_json = zscr("evaluate", pretrained, "--collection", album, "--json")
        patch.setenv("ZSCR_HOME", str(tmp_path / "home"))
        (tmp_path / "home/models").mkdir(parents=True)
        (tmp_path / "home/models/mine").symlink_to(pretrained)
        again = zscr("evaluate", "mine", "--collection", "collections/album", "--json")
        assert json.loads(again.stdout)["captions"] == json.loads(as_json.stdout)["captions"]
    shown, body = shown.stdout, page.read_text().partition("</style>")[2]
    source = "pretrained clip, someone/small-clip, revision 0123abcd, licence mit"
    for part in (source, "unseen images", "own image"):
        assert part in shown
        assert part in body
    found = json.loads(as_json.stdout)["captions"]
    rows = re.findall(r"^(text to image|image to text), (\d+) over (\d+) +(.*)$", shown, re.M)
    assert [row[:3] for row in rows] == [("text to image", "16", "8"), ("image to text", "8", "16")]
    for name, *_, figures in rows:
        *recalls, median = found[name]["metrics"].values()
        assert figures.split() == [*(f"{value:.3f}" for value in recalls), f"{median:.0f}"]
    assert f"rsum {found['rsum']['value']:.1f} [" in shown
    assert "class" not in re.sub(r"<[^>]*>", "", shown + body.partition("<h2>Definitions")[0])


def test_what_needs_classes_is_refused_without_them(run, captions):
    """The controls, the reference's own result and generalised figures are of classes."""
    folder = captions.parent / "res"
    for option in (["--controls"], ["--retrieved-res", folder], ["--generalised"]):
        refused = zscr("evaluate", run.folder, "--collection", captions, *option)
        assert refused.exit_code == 1
        assert re.search(
            "classes, which .* (has not|not ask for|not tell apart); leave", refused.stderr
        )
