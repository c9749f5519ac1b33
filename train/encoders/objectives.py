"""What a small image encoder learns to tell of an image: its class's number, or its class's texts.

An objective is a module that turns features (B, D) and class numbers (B,) into a loss. Both know
seen classes only.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

Objective = Callable[[int], nn.Module]  # D -> the module
_SHRINK = 0.02  # of the whitening; see `whitened`
_AXES = 48  # of the texts, at most
_CONTRAST = 0.2  # weight of telling classes apart beside the regression
_SCALE = 10.0  # of cosines, to begin with: it is learnt


class ClassNumbers(nn.Module):
    """Names the class: cross-entropy over the C classes, smoothed."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(dim, classes)

    def forward(self, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss of features (B, D) of classes (B,)."""
        return functional.cross_entropy(self.head(features), labels, label_smoothing=0.1)


class ClassTexts(nn.Module):
    """Predicts the class's texts: a regression onto their mean, and a contrast among the classes.

    A class that is named needs only what tells it from the others; its texts say all that can be
    seen of it, so features learn each trait, which is what unseen classes are made of. The
    contrast is the cross-entropy of the cosines between the prediction and all classes' texts.
    """

    targets: torch.Tensor

    def __init__(self, dim: int, means: torch.Tensor) -> None:
        """Take D and the classes' mean texts (C, T)."""
        super().__init__()
        self.register_buffer("targets", whitened(means))
        self.head = nn.Linear(dim, self.targets.shape[1])
        self.log_scale = nn.Parameter(torch.tensor(math.log(_SCALE)))

    def forward(self, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss of features (B, D) of classes (B,)."""
        told = self.head(features)
        cosines = functional.normalize(told) @ functional.normalize(self.targets).T
        contrast = functional.cross_entropy(
            self.log_scale.exp() * cosines, labels, label_smoothing=0.05
        )
        return functional.mse_loss(told, self.targets[labels]) + _CONTRAST * contrast


def whitened(means: torch.Tensor) -> torch.Tensor:
    """Return classes' mean texts (C, T) in their principal axes, evened out: (C, K), mean square 1.

    Axis i, of singular value s_i, is divided by sqrt(s_i² + shrink · s_1²): each trait counts, not
    only the few axes in which all classes differ.
    """
    left, values, _ = torch.linalg.svd(means - means.mean(0), full_matrices=False)
    count = min(_AXES, len(means) - 1, len(values))
    gain = values / (values.square() + _SHRINK * values[0].square()).sqrt()
    rows = functional.normalize((left * gain)[:, :count])
    return rows * math.sqrt(count)
