"""Where an optimizer's parameters, gradients and states lie, and in what blocks they are updated.

An update's time goes to memory traffic and to calls. So parameters lie in one buffer, and one call
updates them. On a CPU large matrices are updated apart: their gradient, the product of two thin
matrices, is never in memory as a whole, but multiplied out and used up one cache-sized block after
the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

BLOCK = 1 << 16  # floats a thread; what the update of a block needs stays in a core's cache
PRODUCT = 8  # blocks whose gradient is one product: smaller ones are slower

Block = tuple[torch.Tensor, ...]  # gradient, values, states and scratch, of the same elements


@dataclass(frozen=True)
class Strip:
    """Some rows of a large matrix.

    Attributes:
        rows: which.
        gradient: memory of their gradient, shared by all strips.
        blocks: what they are updated in.
    """

    rows: slice
    gradient: torch.Tensor
    blocks: list[Block]


class Blocks:
    """Parameters moved into one buffer, the small ones first; they become views of it.

    Args:
        parameters: on one device.
        block: floats a thread that a block of a large matrix has.
        product: blocks whose gradient is multiplied out at once; a matrix of more floats than
            block · product is large.

    Attributes:
        values: (P,) of all parameters one after the other.
        products: of large matrices (O, I), what their gradient is a product of: (R, O) and (R, I).
    """

    def __init__(
        self, parameters: Iterable[torch.Tensor], block: int = BLOCK, product: int = PRODUCT
    ) -> None:
        self.block, self.product = block, product
        # an order of neither device nor threads: every checkpoint is laid out alike
        self.parameters = sorted(parameters, key=self._is_large)
        self.values = torch.cat([p.detach().flatten() for p in self.parameters])
        on_cpu = self.values.device.type == "cpu"
        self.apart = [p for p in self.parameters if on_cpu and self._is_large(p)]
        self.together = self.parameters[: len(self.parameters) - len(self.apart)]
        self.products: dict[torch.Tensor, tuple[torch.Tensor, torch.Tensor]] = {}
        self.gradients = self.values.new_zeros(sum(p.numel() for p in self.together))
        for p, part in zip(self.parameters, _cut(self.values, self.parameters), strict=True):
            p.data, p.grad = part, None
        self.views = _cut(self.gradients, self.together)
        for p, view in zip(self.together, self.views, strict=True):
            p.grad = view

    def multiply(self, matrix: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
        """Let left.T @ right be a matrix's gradient, of (R, O) and (R, I) that stay as they are."""
        if matrix.grad is None:
            self.products[matrix] = left, right
        else:
            torch.mm(left.T, right, out=matrix.grad)

    def lay(self, *states: torch.Tensor) -> None:
        """Cut values and states (P,) into blocks once, for cutting costs as much as an update."""
        columns = (self.values, *states)
        size = max((self._rows(p) * p.shape[1] for p in self.apart), default=0)
        scratch = self.values.new_zeros(max(len(self.gradients), size))
        product = self.values.new_empty(self.product * size)
        own = [column[: len(self.gradients)] for column in columns]
        self.first: Block = (self.gradients, *own, scratch[: len(self.gradients)])
        parts = zip(*(_cut(column, self.parameters) for column in columns), strict=True)
        matrices = list(parts)[len(self.together) :]
        self.rest = [list(self._strips(tables, product, scratch)) for tables in matrices]

    def __iter__(self) -> Iterator[Block]:
        """Yield gradient, values, states and scratch of each block; products are used up."""
        self._gather()
        if len(self.gradients):
            yield self.first
        for matrix, strips in zip(self.apart, self.rest, strict=True):
            product = self.products.pop(matrix, None)
            for strip in strips:
                if product is None:
                    strip.gradient.copy_(_given(matrix)[strip.rows])
                else:
                    left, right = product
                    torch.mm(left.T[strip.rows], right, out=strip.gradient)
                yield from strip.blocks

    def _gather(self) -> None:
        """Copy in the gradients that autograd or a user has put beside the buffer."""
        for p, view in zip(self.together, self.views, strict=True):
            if p.grad is not view:
                view.copy_(_given(p))
                p.grad = view

    def _is_large(self, parameter: torch.Tensor) -> bool:
        return parameter.ndim == 2 and parameter.numel() > self.product * self.block

    def _rows(self, matrix: torch.Tensor) -> int:
        """Return the rows of a matrix's blocks."""
        return max(1, self.block * torch.get_num_threads() // matrix.shape[1])

    def _strips(
        self, tables: tuple[torch.Tensor, ...], product: torch.Tensor, scratch: torch.Tensor
    ) -> Iterator[Strip]:
        """Cut tables of one shape (O, I) into strips; their gradients share the memory product."""
        height, width = tables[0].shape
        rows = self._rows(tables[0])
        for start in range(0, height, self.product * rows):
            stop = min(start + self.product * rows, height)
            gradient = product[: (stop - start) * width].view(-1, width)
            columns = (gradient, *(table[start:stop] for table in tables))
            blocks = zip(*(torch.split(column, rows) for column in columns), strict=True)
            with_scratch = [(*b, scratch[: b[0].numel()].view_as(b[0])) for b in blocks]
            yield Strip(slice(start, stop), gradient, with_scratch)


def _cut(column: torch.Tensor, parameters: list[torch.Tensor]) -> list[torch.Tensor]:
    """Cut a column (P,) into views of the parameters' shapes."""
    parts = torch.split(column, [p.numel() for p in parameters])
    return [part.view_as(p) for part, p in zip(parts, parameters, strict=True)]


def _given(parameter: torch.Tensor) -> torch.Tensor:
    """Return the gradient that autograd or a user has given."""
    assert parameter.grad is not None, "every parameter of the optimizer needs a gradient"
    return parameter.grad
