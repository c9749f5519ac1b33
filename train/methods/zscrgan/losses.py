"""The losses of ZSCRGAN as its released code computes them, each a scalar.

Notation: x real image feature, x_w that of the wrong class, t text, f = G(c(t), z) generated,
f_w = G(c(t_w), z'), h = CSEM, c latent of the right text.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def critic_loss(
    real: torch.Tensor, fake: torch.Tensor, wrong: torch.Tensor | None = None
) -> torch.Tensor:
    """Wasserstein critic with two negatives: (D(f,t) + D(x_w,t)) / 2 - D(x,t), means over B rows.

    Without a wrong class the fake is the only negative (the paper does not say): D(f,t) - D(x,t).

    >>> float(critic_loss(torch.tensor([3.0]), torch.tensor([1.0]), torch.tensor([2.0])))
    -1.5
    """
    if wrong is None:
        return fake.mean() - real.mean()
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


def csem_loss(
    latent: torch.Tensor, right: torch.Tensor, wrong: torch.Tensor | None = None
) -> torch.Tensor:
    """Softplus of batch means: log(1 + exp(mean cos(h(f_w), c) - mean cos(h(f), c))).

    All are rows (B, E). Without a wrong class the first cosine is left out (the paper does not
    say).

    >>> one, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    >>> round(float(csem_loss(one, one, other)), 4)
    0.3133
    """
    mapped = torch.stack([right] if wrong is None else [right, wrong])
    cosines = functional.cosine_similarity(mapped, latent, dim=-1).mean(-1)
    return functional.softplus(cosines[1:].sum() - cosines[0])
