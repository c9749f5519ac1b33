"""A method's head of role `pair` by torch: how well images match a query, token by token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from zscr.errors import ConfigError
from zscr.infer.bundle import GALLERY
from zscr.infer.reranking import BLOCK, Logits
from zscr.train.methods.contract import Head


def pair_of(heads: Mapping[str, Head]) -> tuple[str, Head] | None:
    """Return the name and the head that re-ranks, which `check_pair` has let pass; else None."""
    return next(((name, head) for name, head in heads.items() if head.role == "pair"), None)


def check_pair(heads: Mapping[str, Head]) -> None:
    """Refuse a pair that could not be fed: of other heads than a query's and the gallery.

    Raises:
        ConfigError: names the head, and what to do.
    """
    pairs = [name for name, head in heads.items() if head.role == "pair"]
    if len(pairs) > 1:
        raise ConfigError(f"{' and '.join(pairs)} are both pairs; keep one head that re-ranks")
    for name in pairs:
        ports = [port.name for port in heads[name].ports]
        if len(ports) != 2 or ports[1] != GALLERY or ports[0] not in _queries(heads):
            raise ConfigError(
                f"the pair '{name}' takes {' and '.join(ports) or 'nothing'}; let its ports be a "
                f"query head and '{GALLERY}'"
            )
        if lacking := [port for port in ports if heads[port].tokens is None]:
            raise ConfigError(f"the pair '{name}' takes tokens, which '{lacking[0]}' does not give")


def without_pair(heads: Mapping[str, Head]) -> dict[str, Head]:
    """Return the heads that rank alone; what only a pair takes is not computed."""
    alone = {name: head for name, head in heads.items() if head.role != "pair"}
    return {name: replace(head, tokens=None) for name, head in alone.items()}


def run_pair(
    head: Head, asked: npt.NDArray[np.floating], found: npt.NDArray[np.floating]
) -> Logits:
    """Compare a query's tokens (L, W) with those of images (N, M, W) -> logits (N,)."""
    query, images = (torch.from_numpy(np.asarray(one, np.float32)) for one in (asked[None], found))
    head.module.eval()
    with torch.no_grad():
        blocks = [head.module(query, block) for block in torch.split(images, BLOCK)]
    logits: npt.NDArray[np.float64] = torch.cat(blocks).double().numpy()
    return logits


def _queries(heads: Mapping[str, Head]) -> set[str]:
    return {name for name, head in heads.items() if head.role == "query"}
