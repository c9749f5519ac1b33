"""Finds a method by its name: one of zscr's own, or an installed plug-in's.

A plug-in is a module with `Config`, `needs` and `Method` that its distribution names as an entry
point of the group `zscr.methods`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Protocol, cast

import torch

from zscr.errors import ConfigError
from zscr.train.methods import contract

Shapes = Mapping[str, tuple[int, ...]]
GROUP = "zscr.methods"
METHODS: Mapping[str, str] = {
    "clip": "zscr.train.methods.clip.method",
    "cmaan": "zscr.train.methods.cmaan.method",
    "pic2word": "zscr.train.methods.pic2word.method",
    "zse": "zscr.train.methods.zse.method",
    "zscrgan": "zscr.train.methods.zscrgan.improved.method",
    "zscrgan-reference": "zscr.train.methods.zscrgan.reference.method",
}


class MethodModule(Protocol):
    """What a method's module exports."""

    Config: type[contract.Config]
    Method: Callable[[contract.Config, Shapes, torch.device | str], contract.Method]

    def needs(self, config: contract.Config) -> tuple[contract.Need, ...]:
        """Return the tables that a configuration trains on."""


def method_names() -> list[str]:
    """Return the names of all methods, zscr's own first."""
    return [*METHODS, *(plugin.name for plugin in entry_points(group=GROUP))]


def load_method(name: str) -> MethodModule:
    """Import a method's module.

    Raises:
        ConfigError: no such method.
    """
    if name in METHODS:
        return cast(MethodModule, importlib.import_module(METHODS[name]))
    for plugin in entry_points(group=GROUP, name=name):
        return _checked(name, plugin.load())
    raise ConfigError(f"method '{name}' is unknown; use one of {', '.join(method_names())}")


def _checked(name: str, module: object) -> MethodModule:
    lacking = [part for part in ("Config", "needs", "Method") if not hasattr(module, part)]
    if lacking:
        raise ConfigError(
            f"the plug-in of method '{name}' has no {lacking[0]}; see docs/methods.md"
        )
    return cast(MethodModule, module)
