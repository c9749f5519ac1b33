"""Settings by name, from the shell, a recipe or a run: typed, checked, and unknown ones refused."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zscr.errors import ConfigError
from zscr.infer.evaluation.figures import is_figure
from zscr.train.methods.contract import LOSS, Adaptable, Config, Method
from zscr.train.methods.registry import METHODS, load_method
from zscr.train.precision import PRECISIONS


def make_config(method: str, values: Mapping[str, Any]) -> Config:
    """Build a method's configuration from names and values, which may be strings.

    Raises:
        ConfigError: an unknown key, or a value of the wrong type or out of range; names what is
            allowed.
    """
    config = load_method(method).Config
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    made: Config = config(**_typed_all(method, defaults, values, _elsewhere(method, values)))
    _check_common(made)
    return made


def as_dict(config: Config) -> dict[str, Any]:
    """Return a configuration's settings by name."""
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def make_head_settings(name: str, method: Method, values: Mapping[str, Any]) -> dict[str, Any]:
    """Check settings of a method's heads: the keyword arguments of its `heads`.

    Raises:
        ConfigError: an unknown key, a value of the wrong type, or a number below 0.
    """
    return _keywords(method.heads, f"a trained {name}", values)


def make_adapt_settings(name: str, method: Adaptable, values: Mapping[str, Any]) -> dict[str, Any]:
    """Check settings of a method's `adapt`, its keyword arguments, and fill in the defaults.

    Raises:
        ConfigError: an unknown key, a value of the wrong type, or a number below 0.
    """
    given = _keywords(method.adapt, f"adapting {name}", values)
    return {key: given.get(key, default) for key, default in _defaults(method.adapt).items()}


def _keywords(function: Callable[..., Any], what: str, values: Mapping[str, Any]) -> dict[str, Any]:
    typed = _typed_all(what, _defaults(function), values)
    for key, value in typed.items():
        if isinstance(value, int | float) and not value >= 0:
            raise ConfigError(f"setting {key}={value} must be at least 0")
    return typed


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the keyword arguments of a function with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    return {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}


def selection_split(config: Config) -> str:
    """Return the split whose figures choose the best weights: `val`, or as released `unseen`."""
    return "unseen" if getattr(config, "select_on_test", False) else "val"


def selecting_tasks(setting: str) -> list[str]:
    """Return the tasks that a setting `task` names, with `+` between."""
    return [name for name in setting.split("+") if name]


def selection(config: Config) -> str:
    """Say what chose the best weights; it stands wherever a run's figures do."""
    if config.select_by.startswith(LOSS):
        return "selected by a training loss"
    if named := selecting_tasks(getattr(config, "task", "")):
        return f"selected on validation queries of task {' and '.join(named)}"
    oracle = selection_split(config) == "unseen"
    return "oracle selection" if oracle else "selected on validation classes"


def _typed_all(
    what: str, defaults: Mapping[str, Any], values: Mapping[str, Any], hint: str = ""
) -> dict[str, Any]:
    unknown = sorted(set(values) - set(defaults))
    if unknown:
        known = ", ".join(defaults) or "none"
        raise ConfigError(f"{what} has no setting {unknown[0]!r}{hint}; it has {known}")
    return {name: _typed(name, defaults[name], value) for name, value in values.items()}


def _elsewhere(method: str, values: Mapping[str, Any]) -> str:
    """Say which of zscr's methods has the first unknown setting, for who meant that one."""
    own = load_method(method).Config.__dataclass_fields__
    for setting in sorted(set(values) - set(own)):
        for other in METHODS:
            if setting in load_method(other).Config.__dataclass_fields__:
                return f" (method {other} has)"
    return ""


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


def keep_places(config: Config, *names: str) -> None:
    """Give settings that name a file or folder here its whole path: a run goes on from anywhere.

    Args:
        config: under construction, in its `__post_init__`.
        names: of settings; one that names nothing here stays, as a name or empty.
    """
    for name in names:
        if (value := getattr(config, name)) and Path(value).exists():
            object.__setattr__(config, name, str(Path(value).absolute()))


def check_settings(config: Config, choices: Mapping[str, Sequence[str]] | None = None) -> None:
    """Refuse values that would fail, or quietly mean something else, far into the training.

    What the loop reads of every method is checked by `make_config` besides.

    Args:
        config: its whole numbers must be 1 or more (a seed 0 or more), the others finite and 0 or
            more.
        choices: setting -> the words that it may be.

    Raises:
        ConfigError: names the setting and what is allowed.
    """
    _check_common(config)
    words = choices or {}
    for field in dataclasses.fields(config):
        kind, value = type(field.default), getattr(config, field.name)
        if field.name in words:
            _check_word(field.name, value, words[field.name])
        if kind is int and field.name not in ("seed", "rounds"):
            _check_least(field.name, value, 1)
        if kind is float and not 0 <= value < math.inf:
            raise ConfigError(f"setting {field.name}={value} must be a number from 0 up")


def _check_common(config: Config) -> None:
    """Check what the loop reads of every method."""
    _check_least("rounds", config.rounds, 0)
    _check_least("validate_every", config.validate_every, 1)
    _check_least("seed", config.seed, 0)
    _check_word("precision", config.precision, PRECISIONS)
    if not is_figure(config.select_by) and not config.select_by.startswith(LOSS):
        raise ConfigError(
            f"setting select_by={config.select_by!r} is no figure; use one such as mAP, "
            f"Prec@10 macro or Recall@1, or a loss, {LOSS}NAME"
        )
    if config.rounds == 0 and config.select_by.startswith(LOSS):
        raise ConfigError(
            f"setting rounds=0 makes no loss, so select_by={config.select_by} selects no weights; "
            f"use a figure such as mAP"
        )


def _check_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigError(f"setting {name}={value} must be at least {least}")


def _check_word(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ConfigError(f"setting {name}={value!r} is unknown; use one of {', '.join(allowed)}")
