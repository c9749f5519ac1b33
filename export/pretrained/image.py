"""From an image encoder alone to a bundle: its unit rows, which find images by images."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import onnx

from zscr.artefact import Manifest, read_manifest, staged
from zscr.data.records import Query
from zscr.disk import require_space
from zscr.errors import ConfigError, InputError
from zscr.export.heads import DeployedHead, build_graph
from zscr.export.pretrained.place import made_at, require_place
from zscr.export.proof import proven
from zscr.infer.bundle import GALLERY, KIND, SAME_IMAGE, Bundle, spoken
from zscr.infer.encoder import load_encoder
from zscr.infer.models.installed import models_folder
from zscr.train.encoders.fitted import CNNS
from zscr.train.encoders.resolve import published_image_encoder
from zscr.train.methods.contract import Head, Port
from zscr.train.pretrained.dual import Unit
from zscr.train.pretrained.samples import images
from zscr.train.run import versions

METHOD = "image"
SCORE = "the cosine of two images' features: 1 of an image with itself, and no probability"


def export_image(name: str, out: Path | None = None, *, offline: bool | None = None) -> Bundle:
    """Write the bundle of an image encoder; return one of the same files that is there.

    Args:
        name: as `zscr train --image-encoder` takes it: a path, `efficientnet-lite0` or a hub's.
        out: the bundle's folder. None makes it one of the user's own models, by the encoder's name.
        offline: ask no hub.

    Raises:
        ArtefactError: something else is at `out`, or it cannot be written.
        ConfigError: nothing of that name is here or can be had, or it is trained on a collection.
        InputError, MissingExtraError, ParityError: see `export_image_encoder`.
    """
    require_place(out)
    if name in CNNS and not Path(name).exists():
        raise ConfigError(
            f"the image encoder '{name}' is trained on a collection, and there is none here; train "
            f"with it, 'zscr train --image-encoder {name}', and export the run"
        )
    folder = published_image_encoder(name, offline=offline)
    manifest = read_manifest(folder, "encoder")
    place = out or models_folder() / str(manifest.body["name"])
    make = partial(export_image_encoder, folder, place, name)
    return made_at(place, {"files": files_of(manifest)}, make)


def export_image_encoder(folder: Path, out: Path, source: str) -> Bundle:
    """Write the bundle `out` of a frozen image encoder; its gallery graph answers image queries.

    Args:
        folder: of the encoder; source: what it was named by.

    Raises:
        ArtefactError: `out` exists, or cannot be written.
        InputError: it takes something else than images, or gives no vector of one.
        ParityError: the graph differs from the encoder's rows, normalised by torch.
    """
    encoder = load_encoder(folder)
    if encoder.fields != SAME_IMAGE or len(encoder.row_shape) != 1:
        raise InputError(
            f"{source} makes rows of shape {[*encoder.row_shape]} of {spoken(encoder.fields)}s, "
            f"and a bundle is made of an encoder of images to vectors; name another"
        )
    head = Head(Unit(), (Port("image"),), "gallery")
    deployed = [DeployedHead(GALLERY, head, (encoder,), (encoder.row_shape,))]
    require_space(out, encoder.graph.stat().st_size)
    with staged(out, KIND) as stage:
        onnx.save(build_graph(deployed[0]), stage.folder / f"{GALLERY}.onnx")
        stage.body |= {"method": METHOD, "head_settings": {}}
        stage.body |= {"provenance": _provenance(read_manifest(folder, "encoder"), source)}
        stage.body |= proven(stage, deployed, {GALLERY: Query.of("image", images())})
    return Bundle.open(stage.path)


def _provenance(encoder: Manifest, source: str) -> Mapping[str, Any]:
    """Return where the weights come from, and what a score of them means."""
    return {
        "kind": "pretrained",
        "family": encoder.body["name"],
        "source": source,
        "revision": None,
        "licence": encoder.body.get("licence"),
        "languages": None,
        "files": files_of(encoder),
        "logit_scale": None,
        "logit_bias": None,
        "score": SCORE,
        "versions": versions(),
    }


def files_of(encoder: Manifest) -> dict[str, str]:
    """Return the sha256 of an encoder's files, which a bundle remembers: name -> hash."""
    return {name: str(entry["sha256"]) for name, entry in encoder.files.items()}
