"""Retrieval methods: a package each, with a module a mode; this is the contract of all modes.

A mode's module has two public names: `Config`, a frozen dataclass whose fields all have defaults,
and `Method`, an `nn.Module` that keeps the protocol below.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Protocol

import numpy as np
import torch

from zscr.errors import ConfigError
from zscr.infer.evaluation.report import evaluate_retrieval
from zscr.infer.features.split import SplitFeatures

# method -> its modes; the first is the default
METHODS: Mapping[str, tuple[str, ...]] = {"zscrgan": ("improved", "reference")}


class Config(Protocol):
    """What the loop needs of every mode's frozen configuration."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def rounds(self) -> int:
        """Rounds of training; validation and checkpoints stand between rounds."""

    @property
    def validate_every(self) -> int:
        """Rounds between two looks at the validation classes."""

    @property
    def select_by(self) -> str:
        """The figure that the best weights maximise; one of `figure_names()`."""

    @property
    def precision(self) -> str:
        """How matrices are multiplied in training: one of `zscr.train.precision.PRECISIONS`."""

    @property
    def seed(self) -> int:
        """Seed of weights, batches and noise."""


@dataclass(frozen=True)
class Rows:
    """All features of a split on the device, class after class.

    Attributes:
        images: (N, I) float32; texts: (M, T) float32.
        image_starts, text_starts: (C+1,) int64; class c has the rows [starts[c], starts[c+1]).
    """

    images: torch.Tensor
    texts: torch.Tensor
    image_starts: torch.Tensor
    text_starts: torch.Tensor

    @classmethod
    def of(cls, split: SplitFeatures, device: torch.device | str) -> Rows:
        """Copy a split's features to the device, once."""
        arrays = (split.images, split.texts, split.image_starts, split.text_starts)
        return cls(*(torch.from_numpy(array).to(device) for array in arrays))


class Method(Protocol):
    """A trainable mode of a method. `infer` never sees it: a bundle's manifest says what to feed.

    `state_dict()` with `optimizers`, `noise` and `sampling` is all that decides the next round.

    Attributes:
        noise: the generator of every random number, on the method's device.
        optimizers: name -> optimizer; their state is made before the first round.
        sampling: name -> tensor that batches remember between rounds; filled by `start`.
    """

    noise: torch.Generator
    optimizers: dict[str, torch.optim.Optimizer]
    sampling: dict[str, torch.Tensor]

    def start(self, rows: Rows, val: Rows) -> None:
        """Prepare for the first round; never called on resume, so it writes buffers or `sampling`.

        Args:
            rows: of the seen classes; val: of the split that selects, to choose settings by.

        Raises:
            ConfigError: these rows cannot be trained on with these settings.
        """

    def train_round(self, rows: Rows) -> dict[str, torch.Tensor]:
        """Make one round of E- and M-steps without waiting for the device.

        Returns:
            `loss/<name>` -> mean over the round's updates, a detached scalar on the device.
        """

    def average_noise(self, samples: int) -> None:
        """Let queries average K fixed draws of the noise; 0 takes its mean."""

    def encode_query(self, text: torch.Tensor) -> torch.Tensor:
        """Embed texts (B, T) -> unit rows (B, D)."""

    def encode_gallery(self, image: torch.Tensor) -> torch.Tensor:
        """Embed image features (B, I) -> unit rows (B, D)."""


def default_mode(method: str) -> str:
    """Return the mode that a method is trained in unless another one is named.

    Raises:
        ConfigError: no such method.
    """
    if method not in METHODS:
        raise ConfigError(f"method '{method}' is unknown; use one of {', '.join(METHODS)}")
    return METHODS[method][0]


def load_method(method: str, mode: str) -> Any:
    """Return the module of a method's mode, with `Config` and `Method`.

    Raises:
        ConfigError: no such method, or no such mode of it.
    """
    default_mode(method)
    if mode not in METHODS[method]:
        modes = ", ".join(METHODS[method])
        raise ConfigError(f"{method} has no mode '{mode}'; use one of {modes}")
    return importlib.import_module(f"zscr.train.methods.{method}.{mode}.method")


def selection_split(config: Config) -> str:
    """Return the split whose figures choose the best weights: `val`, or as released `unseen`."""
    return "unseen" if getattr(config, "select_on_test", False) else "val"


def selection(config: Config) -> str:
    """Say what chose the best weights; it stands wherever a run's figures do."""
    oracle = selection_split(config) == "unseen"
    return "oracle selection" if oracle else "selected on validation classes"


def make_config(method: str, mode: str, values: Mapping[str, Any]) -> Config:
    """Build a mode's configuration from names and values, which may be strings.

    Raises:
        ConfigError: an unknown key, or a value of the wrong type or out of range; names what is
            allowed.
    """
    config = load_method(method, mode).Config
    fields = {field.name: field for field in dataclasses.fields(config)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        name, hint = unknown[0], _elsewhere(method, unknown[0])
        raise ConfigError(
            f"{method} in mode {mode} has no setting {name!r}{hint}; it has {', '.join(fields)}"
        )
    typed = {name: _typed(name, fields[name].default, value) for name, value in values.items()}
    made: Config = config(**typed)
    return made


def _elsewhere(method: str, setting: str) -> str:
    """Say which modes have a setting, for who meant one of them."""
    modes = METHODS[method]
    having = [m for m in modes if setting in load_method(method, m).Config.__dataclass_fields__]
    return f" (use --mode {having[0]})" if having else ""


def _typed(name: str, default: Any, value: Any) -> Any:
    """Convert `value` to the type of the field's default, or refuse."""
    kind = type(default)
    try:
        if kind is bool:
            return {"true": True, "false": False}[str(value).lower()]
        converted = kind(value)
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigError(f"setting {name}={value!r} is not a {kind.__name__}") from error
    if isinstance(value, bool) or (isinstance(value, float) and converted != value):
        raise ConfigError(f"setting {name}={value!r} is not a {kind.__name__}")
    return converted


def check_settings(config: Config, choices: Mapping[str, Sequence[str]]) -> None:
    """Refuse values that would fail, or quietly mean something else, far into the training.

    Args:
        config: its whole numbers must be 1 or more (a seed 0 or more), the others finite and 0 or
            more.
        choices: setting -> the words that it may be.

    Raises:
        ConfigError: names the setting and what is allowed.
    """
    for field in dataclasses.fields(config):
        kind, value = type(field.default), getattr(config, field.name)
        least = 0 if field.name == "seed" else 1
        if field.name in choices and value not in choices[field.name]:
            allowed = ", ".join(choices[field.name])
            raise ConfigError(f"setting {field.name}={value!r} is unknown; use one of {allowed}")
        if kind is int and value < least:
            raise ConfigError(f"setting {field.name}={value} must be at least {least}")
        if kind is float and not 0 <= value < math.inf:
            raise ConfigError(f"setting {field.name}={value} must be a number from 0 up")


@cache
def figure_names() -> tuple[str, ...]:
    """Return the validation figures that the best weights may be selected by."""
    one = np.ones((1, 1), np.float32)
    figures = evaluate_retrieval(one, one, query_classes=["one"], gallery_classes=["one"]).metrics
    return tuple(name for name in figures if not name.endswith("ceiling"))
