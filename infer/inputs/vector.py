"""Vectors that somebody else computed, passed on as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.inputs.prepared import Prepared
from zscr.schema import anything, integer, listing, one_of, record, text


def _shape(value: Any, where: str) -> None:
    listing(anything, 2, 2)(value, where)
    integer(1, 1 << 16)(value[1], f"{where}[1]")


FIELDS = record(
    {"field": one_of("vector"), "names": listing(text(200), 1, 1), "shape": _shape},
)


class VectorInput:
    """Rows of a published feature, for a model whose encoder is not part of it."""

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        self.field, self.names = str(spec["field"]), tuple(spec["names"])
        self.mask: str | None = None
        self.dim = int(spec["shape"][1])

    def prepare(self, values: Sequence[npt.NDArray[np.float32]]) -> Prepared:
        """Stack B vectors (D,) -> float32 (B, D).

        Raises:
            InputError: a value is no vector of D numbers.
        """
        for row, value in enumerate(values):
            array = np.asarray(value)
            if array.dtype.kind != "f" or array.shape != (self.dim,):
                raise InputError(
                    f"input '{self.names[0]}' takes float vectors of {self.dim} numbers, number "
                    f"{row + 1} is {array.dtype} of shape {array.shape}; give vectors of the "
                    f"model's own kind"
                )
        return Prepared({self.names[0]: np.stack(values).astype(np.float32, copy=False)})
