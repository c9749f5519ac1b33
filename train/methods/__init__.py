"""Retrieval methods: one module each, with a `Config` and a `Method`; this is their contract."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch

from zscr.errors import ConfigError

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
        ConfigError: an unknown key, or a value of the wrong type; names what is allowed.
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
    except (KeyError, ValueError) as error:
        raise ConfigError(f"setting {name}={value!r} is not a {kind.__name__}") from error
    if isinstance(value, float) and converted != value:
        raise ConfigError(f"setting {name}={value!r} is not a {kind.__name__}")
    return converted
