"""mteb's own evaluation of a bundle on tasks made here; its figures are zscr's own."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL.Image import fromarray

pytestmark = pytest.mark.filterwarnings("default")  # of mteb's own dependencies
mteb = pytest.importorskip("mteb", reason="needs the extra 'mteb', some 600 MB")

from datasets import Dataset, Image  # noqa: E402
from mteb.abstasks.retrieval import AbsTaskRetrieval  # noqa: E402
from mteb.abstasks.task_metadata import TaskMetadata  # noqa: E402

from zscr.data.collection import read_collection  # noqa: E402
from zscr.data.records import Query  # noqa: E402
from zscr.data.sources.captioned import convert_captions  # noqa: E402
from zscr.infer.bundle import Bundle  # noqa: E402
from zscr.infer.mteb import BundleSearch, _texts  # noqa: E402
from zscr.train.evaluation.evaluate import Question, evaluate_model  # noqa: E402

WORDS = "a on grey ground small large red green blue black white circle square".split()


@pytest.fixture(scope="module")
def captions(tmp_path_factory):
    """Make 24 images of noise with two captions each, of which 20 are judged on."""
    folder, lines = tmp_path_factory.mktemp("album"), []
    rng, order = np.random.default_rng(7), random.Random(7)
    for number in range(24):
        pixels = rng.integers(0, 255, (4, 4, 3), np.uint8)
        fromarray(pixels).resize((32, 32)).save(folder / f"{number}.png")
        lines += [f"{number}.png,{' '.join(order.sample(WORDS, 8))}" for _ in range(2)]
    (folder / "captions.txt").write_text("\n".join(lines))
    out = tmp_path_factory.mktemp("made") / "noise"
    convert_captions(folder, out, unseen_images=20, val_images=1)
    return read_collection(out)


def columns(field, values):
    """Return a dataset of mteb's form: ids from 0, and texts or image files."""
    rows = Dataset.from_dict({"id": [str(n) for n in range(len(values))], field: values})
    return rows.cast_column("image", Image()) if field == "image" else rows


def task_of(category, queries, corpus, relevant, **about):
    """Make a task of mteb's; `relevant` holds each query's documents, by number."""
    truth = {str(q): {str(d): 1 for d in own} for q, own in enumerate(relevant)}
    split = {"queries": queries, "corpus": corpus, "relevant_docs": truth}
    split |= {"top_ranked": about.get("top_ranked")}

    class Local(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="Local",
            description="made here",
            dataset={"path": "nowhere", "revision": "1"},
            type="Any2AnyRetrieval",
            category=category,
            modalities=["text", "image"],
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="hit_rate_at_1",
        )
        k_values = (1, 5, 10)
        ignore_identical_ids = about.get("ignore_identical_ids", False)

        def load_data(self, *_, **__):
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

    return Local()


def scores_of(bundle, task):
    """Return the figures of mteb's evaluation."""
    result = mteb.evaluate(BundleSearch(bundle), [task], cache=None, show_progress_bar=False)
    return result.task_results[0].scores["test"][0]


@pytest.fixture(scope="module")
def images(captions):
    """Return all images, as mteb has them."""
    return columns("image", [str(captions.folder / item.image) for item in captions.items])


def test_both_ways_are_zscrs_own_figures(deployed, captions):
    """mteb's hit rates, of text to image and of image to text, through its public function."""
    items = captions.split("unseen")
    images = columns("image", [str(captions.folder / item.image) for item in items])
    texts = columns("text", [text for item in items for text in item.texts])
    owners = [[n // 2] for n in range(len(texts))]
    tasks = {
        "text to image": task_of("t2i", texts, images, owners),
        "image to text": task_of("i2t", images, texts, [[2 * n, 2 * n + 1] for n in range(20)]),
    }
    ours = evaluate_model(deployed.bundle, Question(collection=captions.folder))["captions"]
    for name, task in tasks.items():
        theirs = scores_of(deployed.bundle, task)
        for k in (1, 5, 10):
            own = ours[name]["metrics"][f"R@{k}"]
            assert theirs[f"hit_rate_at_{k}"] == pytest.approx(own, abs=1e-5)
        assert 0 < theirs["hit_rate_at_10"] < 1


def test_images_ask_for_images(deployed, images):
    """By the gallery's graph: each finds itself, or its nearest where a task leaves itself out."""
    same = [[n] for n in range(len(images))]
    assert scores_of(deployed.bundle, task_of("i2i", images, images, same))["hit_rate_at_1"] == 1
    queries = Query.of("image", images["image"])
    rows = np.float64(Bundle.open(deployed.bundle).gallery.encode(queries))
    nearest = (rows @ rows.T - 4 * np.eye(len(rows))).argmax(axis=1)
    task = task_of("i2i", images, images, nearest[:, None].tolist(), ignore_identical_ids=True)
    assert scores_of(deployed.bundle, task)["hit_rate_at_1"] == 1


def test_titles_and_instructions_are_read_as_mteb_reads_them():
    """Before a document's text, behind a query's; mteb's own loader says the same."""
    from mteb._create_dataloaders import _retrieval_texts
    from mteb.types import PromptType

    documents = columns("text", [" red circle", "square"]).add_column("title", ["a", ""])
    queries = columns("text", ["red ", "blue"]).add_column("instruction", ["on grey", "small"])
    for side, rows in (("document", documents), ("query", queries)):
        [batch] = rows.iter(batch_size=9)
        assert _texts(batch, side) == _retrieval_texts(rows, PromptType(side))


def test_reranking_looks_at_the_named_documents(deployed, images):
    """Among a wrong document and the right one, half of the queries' own is named second."""
    same = [[n] for n in range(len(images))]
    few = {str(n): [str((n + 1) % len(same)), str(n)] for n in range(len(same))}
    task = task_of("i2i", images, images, same, top_ranked=few)
    assert scores_of(deployed.bundle, task)["hit_rate_at_1"] == 1
    few = {name: [other, other] for name, (other, _) in few.items()}
    task = task_of("i2i", images, images, same, top_ranked=few)
    assert scores_of(deployed.bundle, task)["hit_rate_at_5"] == 0
