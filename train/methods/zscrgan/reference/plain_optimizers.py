"""TensorFlow 1's optimizers as the plain port has them, one operation after the other."""

from __future__ import annotations

import torch

Tensors = list[torch.Tensor]


class RMSProp:
    """TensorFlow 1's, with torch's foreach operations."""

    def __init__(self, parameters: Tensors, lr: float) -> None:
        self.parameters, self.lr = parameters, lr
        self.squares = [torch.ones_like(p) for p in parameters]

    @torch.no_grad()
    def step(self, gradients: tuple[torch.Tensor, ...]) -> None:
        """Update all parameters."""
        torch._foreach_mul_(self.squares, 0.9)
        torch._foreach_addcmul_(self.squares, gradients, gradients, 0.1)
        roots = torch._foreach_add(self.squares, 1e-10)
        torch._foreach_sqrt_(roots)
        torch._foreach_addcdiv_(self.parameters, gradients, roots, -self.lr)


class Adam:
    """TensorFlow 1's with beta1 0.5, with torch's foreach operations."""

    def __init__(self, parameters: Tensors, lr: float) -> None:
        self.parameters, self.lr, self.count = parameters, lr, 0
        self.means = [torch.zeros_like(p) for p in parameters]
        self.squares = [torch.zeros_like(p) for p in parameters]

    @torch.no_grad()
    def step(self, gradients: tuple[torch.Tensor, ...]) -> None:
        """Update all parameters."""
        self.count += 1
        rate = self.lr * (1 - 0.999**self.count) ** 0.5 / (1 - 0.5**self.count)
        torch._foreach_mul_(self.means, 0.5)
        torch._foreach_add_(self.means, gradients, alpha=0.5)
        torch._foreach_mul_(self.squares, 0.999)
        torch._foreach_addcmul_(self.squares, gradients, gradients, 0.001)
        roots = torch._foreach_sqrt(self.squares)
        torch._foreach_add_(roots, 1e-8)
        torch._foreach_addcdiv_(self.parameters, self.means, roots, -rate)
