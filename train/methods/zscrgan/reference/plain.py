"""The released ZSCRGAN training loop, ported as plainly as it is written: the speed's baseline.

Every update takes a fresh batch, every branch has its own forward pass, the critic runs three
times, and its weights are clipped after the step. Losses and optimisers are written out here once
more, so that a test can hold the fast round against them; no arithmetic is shared with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.nn import functional

from zscr.train.methods.zscrgan.reference.config import Config
from zscr.train.methods.zscrgan.reference.plain_batches import Batch
from zscr.train.methods.zscrgan.reference.plain_optimizers import Adam, RMSProp


class Plain:
    """The model and its three updates.

    Args:
        config: the settings.
        weights: state dict of a `Method`, which is copied.
    """

    def __init__(self, config: Config, weights: Mapping[str, torch.Tensor]) -> None:
        self.config = config
        found = {name: value.clone().requires_grad_() for name, value in weights.items()}
        halves = (found["critic.image.weight"], found["critic.text.weight"])
        first = torch.cat(halves, 1).detach().requires_grad_()
        rest = ("image.bias", "score.weight", "score.bias")
        self.critic = [first, *(found[f"critic.{name}"] for name in rest)]
        self.encoder = [found["text_encoder.fc.weight"], found["text_encoder.fc.bias"]]
        names = [f"generator.fc{n}.{part}" for n in (1, 2, 3) for part in ("weight", "bias")]
        self.generator = [found[name] for name in names]
        self.csem = [found["csem.fc.weight"], found["csem.fc.bias"]]
        self.move_critic = RMSProp(self.critic, config.discriminator_lr)
        self.move_generator = RMSProp([*self.encoder, *self.generator], config.generator_lr)
        self.move_csem = Adam(self.csem, config.csem_lr)

    def round(self, batches: Iterator[Batch]) -> None:
        """Make an E-step and an M-step."""
        config = self.config
        for _ in range(config.e_steps):
            for _ in range(config.critic_steps if config.adversarial else 0):
                self.critic_update(next(batches))
            self.generator_update(next(batches))
        for _ in range(0 if config.joint else config.m_steps):
            self.csem_update(next(batches))

    def critic_update(self, batch: Batch) -> None:
        """Judge a fake, a real and a wrong pair, each in a pass of its own; step; clip."""
        with torch.no_grad():
            fake = self.imagine(batch.text, batch.eps[0], batch.z[0])[0]
        fakes, reals = self.judge(fake, batch.text).mean(), self.judge(batch.image, batch.text)
        if self.config.wrong_class == "none":
            loss = fakes - reals.mean()
        else:
            wrongs = self.judge(batch.wrong_image, batch.text).mean()
            loss = 0.5 * (fakes + wrongs) - reals.mean()
        self.move_critic.step(torch.autograd.grad(loss, self.critic))
        with torch.no_grad():
            for parameter in self.critic:
                parameter.clamp_(-self.config.clip_val, self.config.clip_val)

    def generator_update(self, batch: Batch) -> None:
        """Move text encoder and generator, and in joint training CSEM."""
        config = self.config
        fake, latent, divergence = self.imagine(batch.text, batch.eps[0], batch.z[0])
        distance = (fake - batch.image).abs().sum(1).mean()
        others = []
        if config.wrong_class != "none":
            wrong, _, wrong_divergence = self.imagine(batch.wrong_text, batch.eps[1], batch.z[1])
            others, divergence = [wrong], (divergence + wrong_divergence) / 2
            distance = distance - (fake - batch.wrong_image).abs().sum(1).mean()
        loss = config.mm_reg_coeff * (distance + 2.0) + config.kl_div_coefficient * divergence
        if config.adversarial:
            loss = loss - self.judge(fake, batch.text).mean()
        if config.triplet:
            loss = loss + self.triplet(latent, fake, *others)
        parameters = [*self.encoder, *self.generator, *(self.csem if config.joint else [])]
        gradients = torch.autograd.grad(loss, parameters)
        self.move_generator.step(gradients[: len(self.move_generator.parameters)])
        if config.joint:
            self.move_csem.step(gradients[-len(self.csem) :])

    def csem_update(self, batch: Batch) -> None:
        """Move CSEM by what the resting generator imagines."""
        with torch.no_grad():
            fake, latent, _ = self.imagine(batch.text, batch.eps[0], batch.z[0])
            others = []
            if self.config.wrong_class != "none":
                others = [self.imagine(batch.wrong_text, batch.eps[1], batch.z[1])[0]]
        loss = self.triplet(latent, fake, *others)
        self.move_csem.step(torch.autograd.grad(loss, self.csem))

    def imagine(self, text: torch.Tensor, eps: torch.Tensor, z: torch.Tensor) -> tuple[Any, ...]:
        """Return the imagined features (B, I), the latents (B, E) and J of a text."""
        mu, sigma = leaky(functional.linear(text, *self.encoder)).chunk(2, 1)
        middle = (mu + sigma) / 2
        pulls = [(-middle + 0.5 * ((2 * middle).exp() - 1 + a**2)).mean() for a in (mu, sigma)]
        latent = mu + sigma.exp() * eps
        hidden = leaky(functional.linear(torch.cat([latent, z], 1), *self.generator[:2]))
        hidden = leaky(functional.linear(hidden, *self.generator[2:4]))
        features = functional.linear(hidden, *self.generator[4:]).relu()
        return features, latent, 0.5 * (pulls[0] + pulls[1])

    def judge(self, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Score pairs (B, 1)."""
        hidden = leaky(functional.linear(torch.cat([image, text], 1), *self.critic[:2]))
        return functional.linear(hidden, *self.critic[2:])

    def triplet(
        self, latent: torch.Tensor, fake: torch.Tensor, wrong: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the softplus of the difference of mean cosines."""
        cosines = [
            functional.cosine_similarity(leaky(functional.linear(image, *self.csem)), latent).mean()
            for image in (fake, wrong)
            if image is not None
        ]
        return torch.log(1 + torch.exp((cosines[1] if len(cosines) > 1 else 0) - cosines[0]))

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the weights under the names of a `Method`."""
        width = self.generator[4].shape[0]
        named = {"text_encoder.fc": self.encoder, "csem.fc": self.csem}
        named |= {f"generator.fc{n}": self.generator[2 * n - 2 : 2 * n] for n in (1, 2, 3)}
        named |= {"critic.image": [self.critic[0][:, :width], self.critic[1]]}
        named |= {"critic.text": [self.critic[0][:, width:]], "critic.score": self.critic[2:]}
        return {
            f"{name}.{part}": tensor.detach()
            for name, tensors in named.items()
            for part, tensor in zip(("weight", "bias"), tensors, strict=False)
        }


def leaky(rows: torch.Tensor) -> torch.Tensor:
    """Leaky ReLU with TensorFlow's slope."""
    return functional.leaky_relu(rows, 0.2)
