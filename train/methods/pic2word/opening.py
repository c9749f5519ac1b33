"""Opens what a setting `base` names."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from zscr.artefact import kind_of
from zscr.errors import ConfigError, MismatchError
from zscr.train.encoders.published import state_of
from zscr.train.methods.pic2word.base import Base
from zscr.train.methods.pic2word.config import Config
from zscr.train.methods.pic2word.pretrained_base import pretrained_base
from zscr.train.methods.pic2word.run_base import run_base


def open_base(config: Config) -> Base:
    """Open the base of a configuration.

    Raises:
        ConfigError: there is none, or it is a run of another method or of towers of its own.
        MismatchError: it is another than the run was begun with, or one of its encoders is.
        InputError: it is no dual encoder, or its text tower takes no word vectors.
    """
    if not config.base:
        raise ConfigError(
            "pic2word stands on a dual encoder: set base=RUN, a run of clip, or the folder or the "
            "name of a pretrained one"
        )
    base = _opened(config.base, config.language, state_of(Path(config.base)))
    if config.base_sha256 not in ("", base.sha256):
        raise MismatchError(
            f"the mapper was trained on base {config.base_sha256[:12]} of {config.base}, which is "
            f"now {base.sha256[:12]}; restore it or train the mapper anew"
        )
    return base


@lru_cache(maxsize=1)  # settings, needs and method all ask
def _opened(name: str, language: str, state: tuple[object, ...]) -> Base:
    folder = Path(name)
    is_run = folder.is_dir() and kind_of(folder) == "run"
    return run_base(folder, language) if is_run else pretrained_base(name)
