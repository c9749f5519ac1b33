"""From a pretrained dual encoder to a bundle: two graphs, published only if the proof holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn
from torch.nn import functional

from zscr.artefact import Stage, hash_file, staged
from zscr.disk import require_space, save_array
from zscr.export.composition import told, write_compositions
from zscr.export.parity import Tolerance
from zscr.export.pretrained.composed import COMPOSED, PROMPTS, Composer
from zscr.export.pretrained.proof import Proof, prove, prove_composed
from zscr.export.words import Words, read_words
from zscr.infer.bundle import GALLERY, KIND, Bundle, space_of
from zscr.infer.encoder import Encoder
from zscr.infer.index.unrelated import FILE, common_mixes
from zscr.infer.runners.runner import Runtime
from zscr.progress import say
from zscr.train.pretrained.dual import DualEncoder, Tower, require_sound
from zscr.train.pretrained.graph import traced
from zscr.train.run import versions

METHOD, METRIC, PRECISION = "clip", "cosine", "fp32"


@dataclass(frozen=True)
class _Made:
    """What a graph is made of: a module that takes the inputs of `specs` in their order.

    Attributes:
        files: that the entries name, by name.
    """

    module: nn.Module
    specs: Sequence[Mapping[str, Any]]
    files: Mapping[str, bytes]

    @classmethod
    def of(cls, tower: Tower) -> _Made:
        return cls(tower.module, [tower.spec], tower.files)


@dataclass(frozen=True)
class Origin:
    """Where a checkpoint comes from.

    Attributes:
        source: the folder or the hub's name that was given.
        revision: of a hub's repository; None of a folder.
        licence: of the weights, as their card says; languages: of the texts. None if unknown.
    """

    source: str
    revision: str | None = None
    licence: str | None = None
    languages: tuple[str, ...] | None = None


class _Unit(nn.Module):
    """Gives unit rows, and beside them the rows as the model projects them."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map the inputs -> unit (B, D) and (B, D)."""
        rows = self.tower(*inputs)
        return functional.normalize(rows, dim=-1), rows


def export_dual(
    dual: DualEncoder,
    out: Path,
    origin: Origin,
    composer: Composer | None = None,
    words: Words | None = None,
) -> Bundle:
    """Write the bundle `out` of a dual encoder.

    Args:
        composer: has a mapper of its images to words, by which an image and a text are one query.
            The other graphs, and so the space, are the same without it.
        words: that compositions are made with; None are zscr's own.

    Raises:
        ArtefactError: `out` exists, or cannot be written.
        InputError: its rows mean nothing; see `require_sound`.
        ParityError: a graph differs from what the authors' code computes; nothing is written.
    """
    made = {"text": _Made.of(dual.text), GALLERY: _Made.of(dual.image)}
    if composer:
        made[COMPOSED] = _Made(composer.module, composer.specs, composer.language.files)
    dim, words = require_sound(dual, origin.source), words or read_words()
    require_space(out, sum(map(_size, made.values())))
    with staged(out, KIND) as stage:
        encoders = {name: _write(stage, name, one) for name, one in made.items()}
        composed = encoders.pop(COMPOSED, None)
        proofs = prove(encoders, dual.reference)
        if composer and composed:
            expected = composer.expected(PROMPTS, stage.folder)
            proofs[COMPOSED] = prove_composed(composed, PROMPTS, expected)
        save_array(stage.folder / FILE, common_mixes(encoders["text"])[:, :dim])
        gallery = hash_file(stage.folder / f"{GALLERY}.onnx")
        stage.body |= {
            "method": METHOD,
            "head_settings": {},
            "provenance": _provenance(dual, origin, composer) | {"words": words.files},
            "dim": dim,
            "metric": METRIC,
            "space": space_of(gallery, [dict(dual.image.spec)], dim, METRIC),
            "default_precision": PRECISION,
            "graphs": {name: _entry(name, one, proofs[name]) for name, one in made.items()},
            "tolerance": asdict(Tolerance()),
        }
        entries = composer.compositions if composer else {}
        entries |= write_compositions(stage, stage.body["graphs"], encoders["text"], dim, words)
        stage.body |= told(entries)
    return Bundle.open(stage.path)


def _size(made: _Made) -> int:
    """Return the bytes of a graph's weights and files."""
    weights = sum(4 * one.numel() for one in made.module.parameters())
    return weights + sum(map(len, made.files.values()))


def _write(stage: Stage, name: str, made: _Made) -> Encoder:
    """Write a graph and its files; return it as it will be run, both of its outputs."""
    say(f"exporting {name}.onnx")
    for file, content in made.files.items():
        (stage.folder / file).write_bytes(content)
    path = stage.folder / f"{name}.onnx"
    outputs = [f"{name}_embedding", f"{name}_projected"]
    onnx.save(traced(_Unit(made.module), made.specs, outputs, stage.folder), path)
    return Encoder(
        path,
        made.specs,
        output=f"{name}_embedding",
        beside=f"{name}_projected",
        name=name,
        sha256="",
        runtime=Runtime(),
    )


def _entry(name: str, made: _Made, proof: Proof) -> dict[str, Any]:
    """Return a graph's entry in the manifest."""
    variant = {"file": f"{name}.onnx", "parity": asdict(proof.embedding)}
    return {
        "role": "gallery" if name == GALLERY else "query",
        "output": f"{name}_embedding",
        "projected": f"{name}_projected",
        "inputs": [dict(spec) for spec in made.specs],
        "variants": {PRECISION: variant | {"projected_parity": asdict(proof.projected)}},
    }


def _provenance(dual: DualEncoder, origin: Origin, composer: Composer | None) -> dict[str, Any]:
    """Return where the weights come from, and what a score of them means."""
    return {
        "kind": "pretrained",
        "family": dual.family,
        **asdict(origin),
        "files": dict(dual.files),
        "logit_scale": dual.logit_scale,
        "logit_bias": dual.logit_bias,
        "score": dual.score,
        "versions": versions() | {"transformers": version("transformers")},
        **({"mapper": composer.about} if composer else {}),
    }
