"""Retrieval methods: one module each, with a `Config` and a `Method`; this is their contract."""

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
from zscr.infer.report import evaluate_retrieval

METHODS = ("zscrgan",)


class Config(Protocol):
    """What the loop needs of every method's frozen configuration."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def batch_size(self) -> int:
        """Rows a step."""

    @property
    def rounds(self) -> int:
        """Rounds of training; validation and checkpoints stand between rounds."""

    @property
    def validate_every(self) -> int:
        """Rounds between two looks at the validation classes."""

    @property
    def seed(self) -> int:
        """Seed of weights, batches and noise."""


@dataclass(frozen=True)
class Batch:
    """One update's rows: a right pair and a wrong one, (B, T) texts and (B, I) image features."""

    text: torch.Tensor
    image: torch.Tensor
    wrong_text: torch.Tensor
    wrong_image: torch.Tensor


class Method(Protocol):
    """A trainable method. `infer` never sees it: a bundle's manifest says what to feed."""

    steps_per_round: int
    noise: torch.Generator
    optimizers: dict[str, torch.optim.Optimizer]

    def train_step(self, batch: Batch, step: int) -> dict[str, torch.Tensor]:
        """Make one update and return its losses as detached scalars on the device."""

    def encode_query(self, text: torch.Tensor) -> torch.Tensor:
        """Embed texts (B, T) -> unit rows (B, D)."""

    def encode_gallery(self, image: torch.Tensor) -> torch.Tensor:
        """Embed image features (B, I) -> unit rows (B, D)."""


def load_method(name: str) -> Any:
    """Return the module of a method, with `Config` and `Method`.

    Raises:
        ConfigError: no such method.
    """
    if name not in METHODS:
        raise ConfigError(f"method '{name}' is unknown; use one of {', '.join(METHODS)}")
    return importlib.import_module(f"zscr.train.methods.{name}")


def make_config(method: str, values: Mapping[str, Any]) -> Config:
    """Build a method's configuration from names and values, which may be strings.

    Raises:
        ConfigError: an unknown key, or a value of the wrong type or out of range; names what is
            allowed.
    """
    config = load_method(method).Config
    fields = {field.name: field for field in dataclasses.fields(config)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ConfigError(f"{method} has no setting {unknown[0]!r}; it has {', '.join(fields)}")
    typed = {name: _typed(name, fields[name].default, value) for name, value in values.items()}
    made: Config = config(**typed)
    return made


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
