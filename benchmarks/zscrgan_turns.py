"""The two contenders of the speed benchmark: a turn of our round, and of the plain port's."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt
import torch
from limits import highest_use, in_use

from zscr.train.methods import Rows
from zscr.train.methods.zscrgan.reference.method import Config, Method
from zscr.train.methods.zscrgan.reference.plain import Plain, numpy_batches
from zscr.train.precision import computing_in

Array = npt.NDArray[np.float32]
CLASSES, IMAGES = 150, 20  # as many classes as CUB; images a class


@dataclass(frozen=True)
class Size:
    """Feature dimensions, the widths that go with them, and the E- and M-steps of a turn."""

    text: int
    image: int
    widths: dict[str, int]
    steps: int


SIZES = {
    "published": Size(1024, 2048, {}, 20),
    "demo": Size(384, 256, {"gf_dim": 256, "df_dim": 256, "embed_dim": 256, "z_dim": 64}, 20),
}


def fast_turn(size: Size, config: Config, device: torch.device) -> Callable[[], object]:
    """Return our turn."""
    images, texts = features(size, config)
    starts = torch.arange(CLASSES + 1, device=device)
    table = torch.from_numpy(images.reshape(-1, size.image)).to(device)
    rows = Rows(table, torch.from_numpy(texts).to(device), starts * IMAGES, starts)
    method = Method(config, text_dim=size.text, image_dim=size.image, device=device)
    method.start(rows, rows)
    return lambda: method.train_round(rows)


def plain_turn(size: Size, config: Config, device: torch.device) -> Callable[[], object]:
    """Return the port's turn, from the same weights."""
    method = Method(config, text_dim=size.text, image_dim=size.image, device=device)
    plain = Plain(config, method.state_dict())
    batches = numpy_batches(*features(size, config), config, device)
    return lambda: plain.round(batches)


TURNS = {"fast": fast_turn, "plain": plain_turn}


def features(size: Size, config: Config) -> tuple[Array, Array]:
    """Draw images (C, n, I) and texts (C, T)."""
    rng = np.random.default_rng(config.seed)
    images = rng.random((CLASSES, IMAGES, size.image), np.float32)
    return images, rng.standard_normal((CLASSES, size.text), np.float32)


def peak_of(name: str, size: Size, config: Config, device: torch.device) -> float:
    """MB that two turns of a contender take at most: features, weights, optimizers and the rest.

    In a process of its own, for what other turns have left there would be used again.
    """
    threads = (torch.get_num_threads(),)
    with ProcessPoolExecutor(1, get_context("spawn"), torch.set_num_threads, threads) as pool:
        return pool.submit(peak_here, name, size, config, device).result()


def peak_here(name: str, size: Size, config: Config, device: torch.device) -> float:
    small = dict.fromkeys(("gf_dim", "df_dim", "embed_dim", "z_dim"), 64)
    TURNS[name](Size(64, 64, {}, 1), replace(config, **small), device)()  # the libraries' own start
    before = in_use(device)
    run = TURNS[name](size, config, device)
    with computing_in(config.precision, device):
        return round((highest_use([run, run], device) - before) / 1e6, 1)
