"""Images of several domains: grouped by their attribute, and centred by their means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.train.pic2word.conftest import SETTINGS
from zscr.data.collection import ClassInfo, Item, new_collection, read_collection
from zscr.data.records import Query
from zscr.data.task_files import TaskInfo, TaskRow
from zscr.errors import CollectionError
from zscr.infer.encoder import load_encoder
from zscr.train.fit import Request, fit

COLOURS = {"red": "seen", "blue": "seen", "small": "val", "house": "unseen"}
DOMAINS = {"photo": "grey", "sketch": "white"}


@pytest.fixture(scope="module")
def domains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make four classes in two domains, each image with a caption that says both."""
    return make(tmp_path_factory.mktemp("domains") / "domains")


def make(path: Path, *, without: str = "") -> Path:
    rng = np.random.default_rng(7)
    with new_collection(path, name="domains", protocol="test", provenance={}) as draft:
        rows = []
        for name, split in COLOURS.items():
            draft.add_class(ClassInfo(name, name), split)
            for domain, ground in DOMAINS.items():
                for number in range(3):
                    file = f"{name}-{domain}-{number}.png"
                    image = Image.new("RGB", (32, 32), ground)
                    noise = rng.integers(0, 255, (16, 16, 3), np.uint8)
                    image.paste(Image.fromarray(noise), (number, 4))
                    image.save(draft.folder / file)
                    about = {} if file == without else {"domain": domain}
                    item = Item(file, split, name, file, None, (f"a {domain} of {name}",), about)
                    draft.add_item(item)
                    query = Query(file, "a sketch of *", file)
                    if domain == "photo":
                        rows.append(TaskRow(query, split, name, class_id=name, value="sketch"))
        draft.add_task(TaskInfo("to-sketch", by="class", attribute="domain"), rows)
    return path


def train(collection: Path, base: Path, out: Path, **settings: Any) -> Any:
    asked = {**SETTINGS, "base": base, "task": "to-sketch", "centre": "domain", **settings}
    return fit(Request("pic2word", collection, out, asked, device="cpu", refit=False))


def test_means_are_of_the_seen_images_of_a_domain(
    domains: Path, dual: Path, tmp_path: Path
) -> None:
    """By the frozen encoder of the run and numpy; of no validation or unseen image."""
    run = train(domains, dual, tmp_path / "run", sentence="a {} of *", rounds=1)
    encoder = load_encoder(Path(run.sources["image"]["path"]))
    items = read_collection(domains).split("seen")
    rows = encoder.encode([Query(image=domains / str(item.image)) for item in items])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    of = np.array([item.attributes["domain"] for item in items])
    expected = np.stack([rows[of == name].mean(0) for name in DOMAINS])
    model: Any = run.load_model()
    assert np.abs(model.mapped.centre.means.numpy() - expected).max() < 1e-6


def test_edits_are_trained_on_by_domain(domains: Path, dual: Path, tmp_path: Path) -> None:
    """Captions that are one word apart; the manifest tells what was held out."""
    run = train(domains, dual, tmp_path / "run", train_on="edits", template="a {} of *")
    assert run.best["step"] in range(5)
    assert "house" in run.config.held_out.split()
    assert not {"red", "sketch", "photo"} & {*run.config.held_out.split()}


def test_an_item_without_a_domain_is_refused(dual: Path, tmp_path: Path) -> None:
    """One sentence that names it."""
    lone = make(tmp_path / "lone", without="red-photo-1.png")
    with pytest.raises(CollectionError, match=r"'red-photo-1.png' .* has no domain"):
        train(lone, dual, tmp_path / "run")
