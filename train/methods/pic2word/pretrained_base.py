"""A dual encoder that others trained as a base."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import onnx
from torch import nn

import zscr
from zscr.artefact import dump_json, hash_bytes
from zscr.data.sources.archive import opened
from zscr.train.encoders.folder import OUTPUT, write_encoder
from zscr.train.hub.checkpoint import find_checkpoint
from zscr.train.kept import kept_encoder
from zscr.train.language.language import language_of
from zscr.train.methods.pic2word.base import Base
from zscr.train.pretrained.dual import Tower, require_sound
from zscr.train.pretrained.folder import open_dual
from zscr.train.pretrained.graph import traced


def pretrained_base(name: str) -> Base:
    """Open a dual encoder; its towers become frozen encoders, which are kept in the cache.

    Args:
        name: a folder or a hub's name, as `clip:NAME` takes it.

    Raises:
        ConfigError: nothing of that name is here or can be had.
        InputError: it is no dual encoder, or its text tower takes no word vectors.
    """
    found = find_checkpoint(name)
    with opened(found.path) as folder:
        dual = open_dual(folder)
    require_sound(dual, name)
    sha256 = hash_bytes(dump_json(dict(dual.files)))
    encoders = {
        field: _kept(f"{found.name}-{field}", tower, sha256)
        for field, tower in (("image", dual.image), ("text", dual.text))
    }
    language = language_of(dual, name)
    return Base(nn.Identity(), nn.Identity(), language, encoders, dual.logit_scale, sha256)


def _kept(name: str, tower: Tower, sha256: str) -> Path:
    identity = hash_bytes(f"{zscr.__version__} {sha256} {name}".encode())
    return kept_encoder(f"{name}-{identity[:12]}", partial(_write, name, tower))


def _write(name: str, tower: Tower, out: Path) -> None:
    """Write a tower as a frozen encoder, whose rows are not normalised."""
    with tempfile.TemporaryDirectory(prefix="zscr-") as folder:
        for file, content in tower.files.items():
            Path(folder, file).write_bytes(content)
        graph = traced(tower.module, [tower.spec], OUTPUT, Path(folder))
    onnx.checker.check_model(graph)
    write_encoder(out, name, graph, tower.spec, {"source": name}, tower.files)
