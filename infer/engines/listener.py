"""What TensorRT says while it builds and runs: errors are kept, the rest is logged."""

from __future__ import annotations

import logging
from collections import deque
from functools import cache
from typing import Any

from zscr.infer.engines.api import Named, TensorRT

log = logging.getLogger(__name__)
# Who uses the library decides whether its log is seen; without this, warnings go to stderr.
logging.getLogger("zscr").addHandler(logging.NullHandler())
_MOST = 50  # errors that are kept, the last


@cache
def listener_of(module: TensorRT) -> Any:
    """Make a TensorRT logger that keeps errors, for the exception, and logs everything else.

    One a process: TensorRT holds on to the first logger that it is given and ignores later ones.
    """
    severity = module.ILogger.Severity
    levels = {severity.WARNING: logging.WARNING, severity.INFO: logging.INFO}

    class Listener(module.ILogger):  # type: ignore[misc,name-defined]  # known only at run time
        def __init__(self) -> None:
            module.ILogger.__init__(self)
            self.errors: deque[str] = deque(maxlen=_MOST)

        def log(self, level: Named, message: str) -> None:
            if level in (severity.ERROR, severity.INTERNAL_ERROR):
                self.errors.append(message)
            else:
                log.log(levels.get(level, logging.DEBUG), "%s", message)

    return Listener()
