"""The TensorRT that is installed, under one of its two names."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from zscr.errors import MissingExtraError, ZscrError
from zscr.infer.engines.toolchain import LIBRARIES


def find_tensorrt(names: Sequence[str] = LIBRARIES) -> Any:
    """Import the first of `names` that is installed; see `TensorRT` for what is called of it.

    Raises:
        MissingExtraError: none is installed. Holds both pip lines.
        ZscrError: one is installed, but its own shared libraries cannot be loaded.
    """
    for name in names:
        try:
            return importlib.import_module(name)
        except (ImportError, OSError) as error:
            if isinstance(error, ModuleNotFoundError) and error.name == name:
                continue
            reason = " ".join(str(error).split())
            raise ZscrError(
                f"{name} is installed but cannot be loaded ({reason}); install it again, "
                f"or uninstall it"
            ) from error
    raise MissingExtraError(
        "an engine for this machine's GPU needs the extra 'trt': pip install 'zscr[trt]'; "
        "one built without that GPU",
        "trt-rtx",
    )
