"""The losses of ZSCRGAN as its released code computes them, each a scalar.

Notation: x real image feature, x_w that of the wrong class, t text, f = G(c(t), z) generated,
D critic, mu and s the mean and the log-sigma of a text's latent.
"""

from __future__ import annotations

import torch


def critic_loss(real: torch.Tensor, fake: torch.Tensor, wrong: torch.Tensor) -> torch.Tensor:
    """Wasserstein critic with two negatives: (D(f,t) + D(x_w,t)) / 2 - D(x,t), means over B rows.

    >>> float(critic_loss(torch.tensor([3.0]), torch.tensor([1.0]), torch.tensor([2.0])))
    -1.5
    """
    return 0.5 * (fake.mean() + wrong.mean()) - real.mean()


def latent_divergence(mu: torch.Tensor, log_sigma: torch.Tensor) -> torch.Tensor:
    """J = mean[-(mu+s)/2 + (e^(mu+s) - 1)/2 + (mu²+s²)/4] of (B, E) each pulls mu and s towards 0.

    The released code imitates a Jensen-Shannon average of two "KL" calls, K(mu, m) and K(s, m)
    with s the log-sigma and m = (mu+s)/2; this is its closed form. It is neither KL nor JS, but
    convex with its only minimum 0 at mu = s = 0.

    >>> float(latent_divergence(torch.zeros(1), torch.zeros(1)))
    0.0
    """
    total = mu + log_sigma
    squares = mu.square().mean() + log_sigma.square().mean()
    return 0.5 * (total.expm1() - total).mean() + 0.25 * squares


def regulariser(
    fake: torch.Tensor, real: torch.Tensor, wrong: torch.Tensor | None = None
) -> torch.Tensor:
    """Max-margin regulariser without its hinge: |f - x|_1 - |f - x_w|_1 + 2 of rows (B, I).

    Distances are summed over the I dimensions and averaged over the rows. The constant has no
    gradient; `mm_reg_coeff` multiplies the whole term. Without a wrong class the second distance
    is left out (the paper does not say).

    >>> float(regulariser(torch.tensor([[1.0]]), torch.tensor([[0.0]]), torch.tensor([[4.0]])))
    0.0
    """
    others = torch.stack([real] if wrong is None else [real, wrong])
    distances = (fake - others).abs().sum(-1).mean(-1)
    return distances[0] - distances[1:].sum() + 2.0
