"""The update of generator and text encoder, the gradient of each term in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zscr.train.methods.zscrgan.losses import latent_divergence, regulariser
from zscr.train.methods.zscrgan.networks import Networks
from zscr.train.methods.zscrgan.reference import dense
from zscr.train.methods.zscrgan.reference.config import Config
from zscr.train.methods.zscrgan.reference.csem_step import contrast
from zscr.train.methods.zscrgan.reference.imagine import Encoded, Imagined
from zscr.train.methods.zscrgan.reference.optimizers import Optimizers


@dataclass(frozen=True)
class GeneratorBatch:
    """One generator update's rows: R = B texts encoded, or 2B where the wrong ones are drawn.

    Attributes:
        text: (R, T); encoded: the same, encoded.
        imagined: (S·B rows) right and wrong; pairs: (S·B,) the encoded text of each.
        eps: (S·B, E).
        images: (S, B, I) real ones of the right and of the wrong class.
    """

    text: torch.Tensor
    encoded: Encoded
    imagined: Imagined
    pairs: torch.Tensor
    eps: torch.Tensor
    images: torch.Tensor


class GeneratorStep:
    """Moves text encoder and generator down -D(f,t) + Lc + 2 R + J; in joint training CSEM, too."""

    def __init__(self, config: Config, networks: Networks, optimizers: Optimizers) -> None:
        self.config, self.networks = config, networks
        self.generator, self.csem = optimizers.generator, optimizers.csem

    def __call__(self, batch: GeneratorBatch) -> torch.Tensor:
        """Make one update; return the loss before it."""
        config, features = self.config, batch.imagined.features
        to_features = torch.zeros_like(features)
        right = to_features[: config.batch_size]
        loss = self._regulariser(batch, right)
        if config.adversarial:
            loss = loss - self._score(batch, right)
        to_latent = torch.zeros_like(batch.imagined.latent[: config.batch_size])
        if config.triplet:
            loss = loss + self._contrast(batch, to_features, to_latent)
        into_latents = self._through_generator(batch.imagined, to_features)
        into_latents[: config.batch_size] += to_latent
        loss = loss + self._through_encoder(batch, into_latents)
        self.generator.update()
        if config.joint:
            self.csem.update()
        return loss

    def _regulariser(self, batch: GeneratorBatch, right: torch.Tensor) -> torch.Tensor:
        """R's gradient is the sign of f - x, less that of f - x_w."""
        coefficient, fake = self.config.mm_reg_coeff, batch.imagined.features[: len(right)]
        signs = (fake - batch.images).sign_()
        signs[1:].neg_()
        right.add_(signs.sum(0), alpha=coefficient / len(right))
        return coefficient * regulariser(fake, *batch.images)

    def _score(self, batch: GeneratorBatch, right: torch.Tensor) -> torch.Tensor:
        """Return the mean of D(f, t) and take its gradient off."""
        critic, size = self.networks.critic, len(right)
        hidden = dense.forward(critic.image, batch.imagined.features[:size])
        hidden = dense.leaky(hidden.add_(dense.forward(critic.text, batch.text[:size])))
        weight = critic.score.weight
        gradient = dense.leaky_back((weight / size).repeat(size, 1), hidden)
        right.sub_(dense.back(critic.image, gradient))
        return torch.mv(hidden, weight[0]).mean() + critic.score.bias[0]

    def _contrast(
        self, batch: GeneratorBatch, to_features: torch.Tensor, to_latent: torch.Tensor
    ) -> torch.Tensor:
        """Add the gradients of Lc; its anchor c is not cut off, so it moves the text encoder."""
        layer, features = self.networks.csem.fc, batch.imagined.features
        mapped = dense.leaky(dense.forward(layer, features))
        latent = batch.imagined.latent[: len(to_latent)]
        found = contrast(mapped.view(-1, *latent.shape), latent)
        gradient = dense.leaky_back(found.to_mapped.flatten(0, 1), mapped)
        if self.config.joint:
            dense.keep(self.csem, layer, features, gradient)
        to_features.add_(dense.back(layer, gradient))
        to_latent.add_(found.to_latent)
        return found.loss

    def _through_generator(self, imagined: Imagined, gradient: torch.Tensor) -> torch.Tensor:
        """Keep the generator's gradients; return that of its latents (S·B, E)."""
        generator, (first, second, third) = self.networks.generator, imagined.given
        gradient = torch.ops.aten.threshold_backward(gradient, imagined.features, 0)
        dense.keep(self.generator, generator.fc3, third, gradient)
        gradient = dense.leaky_back(dense.back(generator.fc3, gradient), third)
        dense.keep(self.generator, generator.fc2, second, gradient)
        gradient = dense.leaky_back(dense.back(generator.fc2, gradient), second)
        dense.keep(self.generator, generator.fc1, first, gradient)
        return dense.back(generator.fc1, gradient)[:, : imagined.latent.shape[1]]

    def _through_encoder(self, batch: GeneratorBatch, gradient: torch.Tensor) -> torch.Tensor:
        """Keep the text encoder's gradients, those of J among them; return J's share of the loss.

        J = mean[(e^t - 1 - t) / 2 + (mu² + s²) / 4] with t = mu + s has the gradient
        (e^t - 1 + mu) / 2 towards mu, and towards s the same with s for mu.
        """
        coefficient, mu, log_sigma = (
            self.config.kl_div_coefficient,
            batch.encoded.mu,
            batch.encoded.log_sigma,
        )
        grown = (mu + log_sigma).expm1_()
        to_both = torch.cat([grown, grown], 1).add_(batch.encoded.both)
        to_both.mul_(0.5 * coefficient / mu.numel())
        width = mu.shape[1]
        to_both[:, :width].index_add_(0, batch.pairs, gradient)
        spread = log_sigma.exp().index_select(0, batch.pairs).mul_(batch.eps).mul_(gradient)
        to_both[:, width:].index_add_(0, batch.pairs, spread)
        layer = self.networks.text_encoder.fc
        dense.keep(self.generator, layer, batch.text, dense.leaky_back(to_both, batch.encoded.both))
        return coefficient * latent_divergence(mu, log_sigma)
