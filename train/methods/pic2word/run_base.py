"""A run of `clip` behind frozen encoders as a base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zscr.artefact import read_manifest, verify
from zscr.data.records import Query
from zscr.errors import ConfigError, MismatchError
from zscr.infer.encoder import Encoder, load_encoder
from zscr.place import find_remembered
from zscr.train.language.language import Language, open_language
from zscr.train.methods.clip.config import FROZEN
from zscr.train.methods.clip.method import Method
from zscr.train.methods.losses import unit
from zscr.train.methods.pic2word.base import Base
from zscr.train.methods.settings import make_config
from zscr.train.pretrained.dual import Unit
from zscr.train.pretrained.samples import TEXTS
from zscr.train.run_fields import FIELDS
from zscr.train.weights import final_weights, load_weights, only_file, read_tensors

METHOD = "clip"
_CLOSE = 1e-4  # what a row of length 1 may differ by between onnxruntime and torch


class Sized(nn.Module):
    """Rows (B, D) scaled to a mean square of 1 a number: lengths of a `clip` run mean nothing."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Scale each row."""
        sized: torch.Tensor = unit(rows) * rows.shape[-1] ** 0.5
        return sized


def run_base(folder: Path, language: str = "") -> Base:
    """Open a run with its final weights.

    Args:
        folder: of a run of `clip`.
        language: the checkpoint of its text encoder, where the encoder's name is not its own.

    Raises:
        ConfigError: it is of another method, or has towers of its own.
        MismatchError: an encoder has changed, or the checkpoint is not that of its text encoder.
    """
    manifest = read_manifest(folder, "run", FIELDS)
    verify(folder, manifest)
    body = manifest.body
    config: Any = make_config(body["method"], body["config"] | body["chosen"])
    if body["method"] != METHOD or not config.image == config.text == FROZEN:
        raise ConfigError(
            f"base={folder} is a run of {body['method']} whose towers are not both frozen "
            f"encoders; train one with 'zscr train clip', image=frozen and text=frozen"
        )
    method = Method(config, {name: tuple(shape) for name, shape in body["shapes"].items()})
    file = only_file(manifest.files, final_weights(body, folder), folder)
    load_weights(method, read_tensors(folder, manifest.files, file, "cpu"), folder)
    method.eval().requires_grad_(False)
    sources = body["sources"]
    image, text = (_encoder(name, sources.get(name), folder) for name in ("image", "text"))
    image_side, text_side = (nn.Sequential(one, Sized()) for one in (method.image, method.text))
    tower = _behind_tower(text, open_language(language or text.name), text_side)
    encoders = {"image": image.graph.parent, "text": text.graph.parent}
    scale = float(method.log_scale.exp())
    return Base(image_side, text_side, tower, encoders, scale, manifest.sha256)


def _encoder(name: str, entry: Mapping[str, str] | None, folder: Path) -> Encoder:
    if entry is None:
        raise ConfigError(
            f"base={folder} was trained on published {name} vectors, of which no word can be made; "
            f"take a run of frozen encoders"
        )
    encoder = load_encoder(find_remembered(f"{name} encoder", entry, folder))
    if encoder.sha256 != entry["sha256"]:
        raise MismatchError(
            f"{folder} was trained with {name} encoder {entry['sha256'][:12]} of {entry['path']}, "
            f"which is now {encoder.sha256[:12]}; restore it or train anew"
        )
    return encoder


@torch.no_grad()
def _behind_tower(encoder: Encoder, language: Language, projection: nn.Module) -> Language:
    """Return the tower of a text encoder, fed as the encoder is, with a projection behind it.

    Raises:
        MismatchError: the tower does not compute what the encoder does.
    """
    queries = Query.of("text", TEXTS[:4])
    expected = torch.from_numpy(encoder.encode(queries))
    rows = _embedded(encoder, language, queries)
    if rows.shape != expected.shape or not _alike(unit(rows), unit(expected)):
        raise MismatchError(
            f"the text encoder '{encoder.name}' does not compute what the checkpoint of that name "
            f"does; set language=FOLDER to the checkpoint that it was made of"
        )
    is_unit = _alike(expected.norm(dim=1), torch.ones(len(expected)))
    after = nn.Sequential(Unit(), projection) if is_unit else projection
    [spec] = encoder.specs
    files = {spec["tokenizer"]: encoder.graph.with_name(spec["tokenizer"]).read_bytes()}
    fed = replace(language, spec=dict(spec), files=files)
    return fed.ending_in(after, projection(expected).shape[1])


def _alike(rows: torch.Tensor, expected: torch.Tensor) -> bool:
    return torch.allclose(rows, expected, rtol=0, atol=_CLOSE)


def _embedded(encoder: Encoder, language: Language, queries: list[Query]) -> torch.Tensor:
    """Embed plain texts by a tower, tokenised as the encoder's -> (N, D)."""
    ids, *masks = map(torch.from_numpy, encoder.prepare(queries).feeds.values())
    mask = masks[0] if masks else torch.ones_like(ids)
    if int(ids.max()) >= language.tower.body.table.num_embeddings:
        raise MismatchError(
            f"the tokenizer of '{encoder.name}' makes ids up to {int(ids.max())}, and the "
            f"checkpoint of that name knows {language.tower.body.table.num_embeddings} tokens; set "
            f"language=FOLDER to the checkpoint that it was made of"
        )
    none = torch.full((len(ids),), -1), torch.zeros(len(ids), 1, language.tower.width)
    rows: torch.Tensor = language.tower(ids, mask, *none)
    return rows
