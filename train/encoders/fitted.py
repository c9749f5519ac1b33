"""Encoders that are fitted on a collection's seen classes, once, and cached."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

import zscr
from zscr.artefact import SCHEMA, hash_bytes
from zscr.data.collection import Collection
from zscr.data.records import Query
from zscr.errors import ConfigError
from zscr.infer.encoder import Encoder, load_encoder
from zscr.train.encoders.char_cnn_rnn import CharCnnRnnConfig, train_char_cnn_rnn
from zscr.train.encoders.cnn import CnnConfig, train_cnn
from zscr.train.encoders.joint_embedding import Training
from zscr.train.encoders.objectives import ClassNumbers, ClassTexts, Objective
from zscr.train.encoders.tfidf import TfidfConfig, fit_tfidf
from zscr.train.kept import kept_encoder

DEFAULT_IMAGE = "small-cnn"
TEXT_CNN = "text-cnn"
PAIRS = "tfidf-pairs"
TFIDF = {"tfidf": TfidfConfig(), PAIRS: TfidfConfig(min_texts=3, pairs=True)}
CNNS = {
    DEFAULT_IMAGE: CnnConfig(),
    TEXT_CNN: CnnConfig(widths=(24, 48, 96, 128), hidden=256, turn=0.25),
}
CHARACTERS = {
    "char-cnn-rnn": CharCnnRnnConfig(),
    "small-char-cnn-rnn": CharCnnRnnConfig((64, 128, 128), training=Training(epochs=40)),
}


def _named(name: str, collection: Collection, config: object) -> str:
    """Return what an encoder that is made of a collection is called: it belongs to no other."""
    made_of = f"{zscr.__version__} {SCHEMA} {collection.manifest.sha256} {config}"
    identity = hash_bytes(made_of.encode())
    return f"{name}-{identity[:12]}"


def fitted_tfidf(name: str, collection: Collection) -> Path:
    """Fit one of `TFIDF` on the texts of the seen classes.

    Raises:
        InputError: they hold too few words, or too many for a table of pairs.
    """
    config = TFIDF[name]

    def make(out: Path) -> None:
        fit_tfidf(seen_texts(collection), out, f"{name}-{collection.name}", config)

    return kept_encoder(_named(name, collection, config), make)


def seen_texts(collection: Collection) -> list[str]:
    """Return the texts of seen classes; without classes, the captions of seen items."""
    if not collection.classes:
        return [text for item in collection.split("seen") for text in item.texts]
    groups = collection.texts(collection.splits["seen"]).values()
    return [text for group in groups for text in group]


def fitted_cnn(name: str, collection: Collection, config: CnnConfig) -> Path:
    """Train one of `CNNS` on the images of the seen classes.

    Raises:
        ConfigError: they have no images or, for `text-cnn`, no texts.
        InputError: no image can be decoded, or the texts have no vocabulary.
    """

    def make(out: Path) -> None:
        items = [item for item in collection.split("seen") if item.image and item.class_id]
        if not items:
            raise ConfigError(
                f"the image encoder '{name}' learns from images of seen classes, and "
                f"{collection.folder} has none; name another with --image-encoder"
            )
        number = {name: row for row, name in enumerate(sorted({str(i.class_id) for i in items}))}
        images = [collection.folder / str(item.image) for item in items]
        labels = [number[str(item.class_id)] for item in items]
        objective = _objective(name, collection, [*number])
        train_cnn(images, labels, objective, out, f"{name}-{collection.name}", config)

    return kept_encoder(_named(name, collection, config), make)


def _objective(name: str, collection: Collection, classes: Sequence[str]) -> Objective:
    """Return what a CNN is trained for: the classes' mean texts, or their numbers."""
    if name != TEXT_CNN:
        return partial(ClassNumbers, classes=len(classes))
    texts = collection.texts(classes)
    bare = [one for one in classes if not texts[one]]
    if bare:
        raise ConfigError(
            f"the image encoder '{name}' learns to predict the texts of seen classes, and "
            f"{len(bare)} of {len(classes)} in {collection.folder} have none, such as '{bare[0]}'; "
            f"use '{DEFAULT_IMAGE}', which learns to name them"
        )
    encoder = load_encoder(fitted_tfidf(PAIRS, collection))
    means = [encoder.encode(Query.of("text", texts[one])).mean(0) for one in classes]
    return partial(ClassTexts, means=torch.from_numpy(np.stack(means)))


def fitted_characters(name: str, collection: Collection, image: Encoder | None) -> Path:
    """Train one of `CHARACTERS` against an image encoder's features, or published vectors."""
    config = CHARACTERS[name]
    made_of = config, image.sha256 if image else "vectors"

    def make(out: Path) -> None:
        train_char_cnn_rnn(collection, image, out, f"{name}-{collection.name}", config)

    return kept_encoder(_named(name, collection, made_of), make)
