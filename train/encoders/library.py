"""transformers, quiet and careful: no code of a folder's own, a sentence for what it meets."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from zscr.errors import InputError, MissingExtraError, ZscrError
from zscr.train.hub.library import without_telemetry

# Neither Python files of the folder's own nor pickled weights, and nobody is asked about it.
STRANGERS: dict[str, Any] = {"trust_remote_code": False, "use_safetensors": True}


def library(purpose: str) -> Any:
    """Return transformers, without its talk about loading.

    Args:
        purpose: what it is needed for, in words.

    Raises:
        MissingExtraError: it is not installed.
    """
    without_telemetry()
    try:
        import transformers
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtraError(purpose, "text") from error
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    return transformers


@contextmanager
def loading_faults(source: Path, what: str = "checkpoint that can be loaded") -> Iterator[None]:
    """Say in one sentence what transformers makes of a folder that contradicts itself.

    It and the libraries below it raise kinds of their own about what strangers wrote, and warn of
    more than matters.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ZscrError, MemoryError):
        raise
    except UnpicklingError as error:  # torch's own sentence advises to load it nevertheless
        raise InputError(
            f"{source} has pickled weights that are damaged or hold more than tensors, and nothing "
            f"else is loaded, for that may run any code; take them as safetensors"
        ) from error
    except Exception as error:
        why = " ".join(str(error).split())
        raise InputError(f"{source} is no {what} ({why:.200})") from error
