"""Settings as the commands of training take them."""

from __future__ import annotations

from typing import Any

import click


def head_settings(settings: tuple[str, ...], noise_samples: int | None) -> dict[str, Any]:
    """Return settings of heads from `--set` and its short form `--noise-samples`."""
    short = {} if noise_samples is None else {"noise_samples": noise_samples}
    return short | pairs(settings)


def pairs(settings: tuple[str, ...]) -> dict[str, str]:
    """Return settings that were given as KEY=VALUE, by name."""
    for setting in settings:
        if setting.find("=") < 1:
            raise click.UsageError(f"--set takes KEY=VALUE, not {setting!r}")
    return dict(setting.partition("=")[::2] for setting in settings)
