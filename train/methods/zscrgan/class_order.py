"""Which classes a batch consists of: slices of a list that is shuffled when it wraps around."""

from __future__ import annotations

from dataclasses import dataclass

import torch

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class ClassOrder:
    """Gives batches their classes in the released order.

    A batch takes the next slice of the list of classes, which is shuffled when it wraps around; a
    batch of at least all classes repeats the list, fills up with classes drawn without replacement,
    and permutes the whole.

    Attributes:
        classes: C, the number of classes.
        batch_size: B.
        zero_pad_tail: leave rows empty where a pass runs out of classes (released bug A);
            otherwise other classes of the pass fill the last batch.
        device: of the class numbers.
    """

    classes: int
    batch_size: int
    zero_pad_tail: bool
    device: torch.device

    @property
    def slices(self) -> int:
        """Batches in a pass over the classes."""
        return -(-self.classes // self.batch_size)

    def start(self) -> State:
        """Return the state before the first batch: the first pass keeps the collection's order."""
        if self.batch_size >= self.classes:
            return {}
        order = torch.arange(self.classes, device=self.device)[None]
        # Nothing is drawn yet, so the first classes fill the first pass's last batch.
        return {
            "order": self._padded(order, order[:, : self._lacking])[0],
            "position": torch.zeros((), dtype=torch.int64, device=self.device),
        }

    def draw(self, batches: int, state: State, noise: torch.Generator) -> torch.Tensor:
        """Return the classes (K, B) of the next K batches, -1 for an empty row; move the state."""
        if self.batch_size < self.classes:
            return self._slices_of_passes(batches, state, noise)
        return self._repeated(batches, noise)

    @property
    def _lacking(self) -> int:
        """Rows of a pass's last batch that no class is left for."""
        return self.slices * self.batch_size - self.classes

    def _padded(self, order: torch.Tensor, fillers: torch.Tensor) -> torch.Tensor:
        """Fill passes (P, C) up to whole batches (P, S·B), with -1 or with other classes."""
        tail = torch.full_like(fillers, -1) if self.zero_pad_tail else fillers
        return torch.cat([order, tail], 1)

    def _slices_of_passes(self, batches: int, state: State, noise: torch.Generator) -> torch.Tensor:
        """Take the next (K, B) classes; enough passes are shuffled for any position."""
        passes = batches // self.slices + 1
        order = self._shuffled(passes, self.classes, noise)
        before_tail = (self.slices - 1) * self.batch_size
        chosen = self._shuffled(passes, before_tail, noise)[:, : self._lacking]
        table = torch.cat([state["order"][None], self._padded(order, order.gather(1, chosen))])
        position = state["position"]
        rows = position + torch.arange(batches, device=table.device)
        passed = (position + batches) // self.slices
        state["order"] = table.index_select(0, passed.view(1))[0]  # table[passed] would wait for it
        state["position"] = (position + batches) % self.slices
        return table.view(-1, self.batch_size)[rows]

    def _repeated(self, batches: int, noise: torch.Generator) -> torch.Tensor:
        """Permute (K, B) of the list as often as it fits, and any other classes for the rest."""
        rest = self.batch_size % self.classes
        whole = torch.arange(self.batch_size - rest, device=self.device) % self.classes
        drawn = self._shuffled(batches, self.classes, noise)[:, :rest]
        filled = torch.cat([whole.expand(batches, -1), drawn], 1)
        return filled.gather(1, self._shuffled(batches, self.batch_size, noise))

    def _shuffled(self, count: int, width: int, noise: torch.Generator) -> torch.Tensor:
        """Draw `count` permutations of `width` numbers."""
        return torch.rand(count, width, generator=noise, device=self.device).argsort(1)
