"""The critic's update; its gradient is in closed form, for its loss is linear in its scores."""

from __future__ import annotations

import torch

from zscr.train.methods.zscrgan.networks import Critic
from zscr.train.methods.zscrgan.reference import dense
from zscr.train.methods.zscrgan.reference.optimizers import TFRMSprop


class CriticStep:
    """Moves the critic down (D(f,t) + D(x_w,t)) / 2 - D(x,t), batch means, and clips it.

    The first layer sees an image once, however many pairs it is in.

    Args:
        critic: moved in place.
        optimizer: of the critic.
        batch: B, rows of a batch.
        wrong: how x_w is given: `previous`, the image of the row before; `drawn`, images of its
            own; or `none`, where the loss is D(f,t) - D(x,t).
    """

    def __init__(self, critic: Critic, optimizer: TFRMSprop, *, batch: int, wrong: str) -> None:
        self.critic, self.optimizer = critic, optimizer
        weight = critic.score.weight
        device, width = weight.device, weight.shape[1]
        rows = torch.arange(batch, device=device)
        wrong_rows = {"previous": [batch + rows.roll(1)], "drawn": [2 * batch + rows], "none": []}
        # the pairs (f,t), (x,t), (x_w,t), by the rows of the images f, x and, if drawn, x_w
        self.pairs = torch.cat([rows, batch + rows, *wrong_rows[wrong]])
        shares = [1.0, -1.0] if wrong == "none" else [0.5, -1.0, 0.5]
        self.shares = torch.tensor(shares, device=device).repeat_interleave(batch)[:, None] / batch
        # fresh memory for these would cost page faults on a CPU, up to a tenth of an update
        self.hidden = weight.new_empty(len(self.pairs), width)
        self.gradient = torch.empty_like(self.hidden)
        self.to_images = weight.new_empty((3 if wrong == "drawn" else 2) * batch, width)

    def __call__(self, images: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Update the critic once; its first step runs unclipped.

        Args:
            images: (2B or 3B, I) f, x and, if drawn, x_w.
            text: (B, T).

        Returns:
            The loss before the update.
        """
        critic, own = self.critic, dense.forward(self.critic.image, images)
        of_text = dense.forward(critic.text, text)
        sides = (-1, *of_text.shape)
        torch.index_select(own, 0, self.pairs, out=self.hidden).view(sides).add_(of_text)
        hidden, weight = dense.leaky(self.hidden), critic.score.weight
        torch.mul(self.shares, weight, out=self.gradient)
        gradient = dense.leaky_back(self.gradient, hidden)
        to_images = self.to_images.zero_().index_add_(0, self.pairs, gradient)
        to_text = gradient.view(sides).sum(0)
        dense.keep(self.optimizer, critic.image, images, to_images)
        dense.keep(self.optimizer, critic.text, text, to_text)
        # The last bias has no gradient: the shares of the pairs add up to 0.
        slope = torch.mm(self.shares.T, hidden, out=critic.score.weight.grad)
        loss = (slope * weight).sum()
        self.optimizer.update()
        return loss
