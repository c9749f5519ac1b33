"""A method without one of its parts, trained anew as a control: what does that part add?

A method's module may list its parts in `ABLATIONS`: a name that says what is left out -> the
settings that leave it out. Each is chosen, refitted and judged as the run itself was.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from zscr.infer.evaluation.controls.control import Control, Features
from zscr.train.heads import embed_split
from zscr.train.loop import train
from zscr.train.methods.registry import load_method
from zscr.train.methods.settings import make_config
from zscr.train.run import create_run
from zscr.train.soundness import shapes_of


def ablations(
    about: Mapping[str, Any], seen: Features, val: Features, *, refit: bool
) -> Iterator[Control]:
    """Train the run's method without each of its parts, by the run's settings and seed.

    Args:
        about: what reports say of the run: its `method` and `config` are read.
        seen: the classes it was trained on; val: those that chose.
        refit: whether the run was refitted on both.
    """
    name = str(about["method"])
    for left_out, settings in getattr(load_method(name), "ABLATIONS", {}).items():
        config = dict(about["config"]) | settings
        yield _ablation(f"{name} {left_out}", name, config, (seen, val), refit)


def _ablation(
    title: str,
    method: str,
    settings: Mapping[str, Any],
    splits: tuple[Features, Features],
    refit: bool,
) -> Control:
    config = make_config(method, settings)
    with tempfile.TemporaryDirectory(prefix="zscr-") as folder:
        path = Path(folder) / "run"
        run = create_run(path, method, config, shapes_of(splits[0]), {}, refit=refit)
        train(run, *splits, torch.device("cpu"))
        assert run.best is not None, "a figure selects wherever there are controls"
        chosen = {"round": run.best["step"], "round_at_edge": False, **run.chosen}
        return Control(title, partial(embed_split, run.load_model()), chosen)
