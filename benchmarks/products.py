"""The matrix products of a piece of work: which they are, and nothing but them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Products(TorchDispatchMode):
    """Records the shapes of all matrix products, and makes nothing but them again."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[tuple[Any, ...]] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Note a product's operands and make it."""

        if function.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm):
            left, right = args[-2:]
            layouts = tuple((tuple(t.shape), t.stride(-1) == 1, t.dtype) for t in (left, right))
            self.seen[layouts] += 1
        return function(*args, **(kwargs or {}))

    @property
    def flops(self) -> float:
        """Two for each multiplication, as they were made."""
        return sum(
            2.0 * count * left[0][0] * left[0][1] * right[0][1]
            for (left, right), count in self.seen.items()
        )

    def replay(self, device: torch.device, *, keep: bool = False) -> Callable[[], None]:
        """Return the same products as `left @ right`, or into results that are there already.

        The matrices stay, so they are in the caches as often as can be.
        """

        def matrix(shape: tuple[int, int], rowwise: bool, dtype: torch.dtype) -> torch.Tensor:
            if rowwise:
                return torch.randn(shape, device=device).to(dtype)
            return torch.randn(shape[::-1], device=device).to(dtype).T

        jobs = []
        for (left, right), count in self.seen.items():
            pair = matrix(*left), matrix(*right)
            with torch.autocast(device.type, enabled=False):
                jobs.append((*pair, torch.mm(*pair), count))

        def run() -> None:
            # Autocast would cast the operands again, and the result to another type than `out`.
            with torch.autocast(device.type, enabled=False):
                for left, right, out, count in jobs:
                    for _ in range(count):
                        torch.mm(left, right, out=out if keep else None)

        return run
