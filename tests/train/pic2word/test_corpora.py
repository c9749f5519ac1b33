"""Runs on images alone and on a file of sentences: begun by a path, and gone on with as begun."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zscr.data.collection import read_collection
from zscr.data.sources.uncaptioned import convert_images
from zscr.errors import CollectionError, InputError, MismatchError
from zscr.train.fit import Request, fit
from zscr.train.methods.pic2word.config import Config
from zscr.train.methods.pic2word.method import settled
from zscr.train.methods.pic2word.sentences import own_sentences
from zscr.train.run import Run

SENTENCES = "A red bird in the snow\na dog runs\n\ntwo cats on a mat\nit rains\n"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection of twelve images alone."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(7)
    (folder / "some").mkdir()
    for number in range(12):
        pixels = rng.integers(0, 256, (40, 36, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "some" / f"{number}.png")
    convert_images(folder / "some", folder / "made", val_share=0.25)
    return folder / "made"


def train(images: Path, dual: Path, out: Path, **settings: Any) -> Run:
    common = {"base": str(dual), "rounds": 4, "validate_every": 2, "batch_size": 4}
    return fit(Request("pic2word", images, out, common | settings, device="cpu"))


def test_a_mapper_is_trained_on_images_alone(images: Path, dual: Path, tmp_path: Path) -> None:
    """As published, in small, and never on the quarter that is for validation."""
    run = train(images, dual, tmp_path / "run", lr=0.01)
    assert run.done
    [rows] = (images / "features").glob("*.corpus/seen-*.npy")
    assert len(np.load(rows)) == 9
    with pytest.raises(CollectionError, match="holds images alone, and its texts are asked for"):
        train(images, dual, tmp_path / "other", train_on="texts", select_by="loss/mse")


def test_a_mapper_is_trained_on_a_file_of_sentences(
    images: Path, dual: Path, tmp_path: Path
) -> None:
    """The run remembers the file by its hash, and the nouns, which are those of another file."""
    (tmp_path / "s.txt").write_text(SENTENCES)
    (tmp_path / "nouns.txt").write_text("bird\ncats\ndog\n")
    asked = {"train_on": "texts", "select_by": "loss/mse", "mapper": "phi", "falls": "false"}
    files = {"texts": str(tmp_path / "s.txt"), "finder": str(tmp_path / "nouns.txt")}
    run = train(images, dual, tmp_path / "run", **asked, **files)
    assert run.config.nouns == "bird\tcats\tdog"
    assert len(own_sentences(run.config)) == 4
    (tmp_path / "s.txt").write_text(SENTENCES + "another\n")
    with pytest.raises(MismatchError, match="has changed since the run was begun"):
        own_sentences(run.config)
    (tmp_path / "s.txt").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        settled(replace(run.config, base=str(dual)), read_collection(images))
    assert Config(**{**vars(run.config), "finder": "names"}).texts == files["texts"]
