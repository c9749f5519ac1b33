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

from zscr.infer.features.table import Split, Table
from zscr.train.methods.zscrgan.reference.method import Config, Method
from zscr.train.methods.zscrgan.reference.plain import Plain
from zscr.train.methods.zscrgan.reference.plain_batches import numpy_batches
from zscr.train.precision import computing_in
from zscr.train.tables import TensorSplit, to_device

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
    seen, method = tables(size, config, device), new_method(size, config, device)
    method.bind(seen, seen)
    method.start()
    return method.train_round


def plain_turn(size: Size, config: Config, device: torch.device) -> Callable[[], object]:
    """Return the port's turn, from the same weights."""
    plain = Plain(config, new_method(size, config, device).state_dict())
    batches = numpy_batches(*features(size, config), config, device)
    return lambda: plain.round(batches)


TURNS = {"fast": fast_turn, "plain": plain_turn}


def new_method(size: Size, config: Config, device: torch.device | str) -> Method:
    """Make an untrained model."""
    return Method(config, {"text": (size.text,), "image": (size.image,)}, device)


def tables(size: Size, config: Config, device: torch.device) -> TensorSplit:
    """Move the features to the device as a split's tables."""
    images, texts = features(size, config)
    starts, classes = np.arange(CLASSES + 1), tuple(map(str, range(CLASSES)))
    rows = images.reshape(-1, size.image)
    ids = tuple(map(str, range(len(rows))))
    of_images = Table(ids, rows, starts * IMAGES)
    split = Split(classes, {"image": of_images, "text": Table(classes, texts, starts)})
    return to_device(split, device)


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
