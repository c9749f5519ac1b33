"""One round of ZSCRGAN's expectation-maximisation, restructured without changing its mathematics.

The generator rests while the critic makes its five steps and during the whole M-step, so what it
imagines for them comes from one large forward pass each, and its own update goes on from the same
pass. Wrong pairs that are the rows before are index arithmetic on what has been computed. The
algebra stands in README.md.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from zscr.train.cuda_graph import Replay
from zscr.train.methods.zscrgan.class_order import State
from zscr.train.methods.zscrgan.draws import Draws
from zscr.train.methods.zscrgan.networks import Networks
from zscr.train.methods.zscrgan.reference.config import Config
from zscr.train.methods.zscrgan.reference.critic_step import CriticStep
from zscr.train.methods.zscrgan.reference.csem_step import CsemStep
from zscr.train.methods.zscrgan.reference.draws import CsemChunk, Iteration, RoundDraws, noise_of
from zscr.train.methods.zscrgan.reference.generator_step import GeneratorBatch, GeneratorStep
from zscr.train.methods.zscrgan.reference.imagine import branches, encode, imagine
from zscr.train.methods.zscrgan.reference.optimizers import Optimizers
from zscr.train.methods.zscrgan.sampler import ClassSampler


class Round:
    """One E-step and one M-step over features that stay on the device.

    Shapes: S = 2 branches, right and wrong (1 without a wrong class); batches of B rows; k critic
    updates before each generator update.

    Args:
        config: the settings.
        networks: the four networks, updated in place.
        optimizers: of the networks.
        sampler: draws rows, and has the tables that are trained on.
    """

    def __init__(
        self, config: Config, networks: Networks, optimizers: Optimizers, sampler: ClassSampler
    ) -> None:
        self.config, self.networks, self.sampler = config, networks, sampler
        self.texts, self.images = (_with_zeros(sampler.rows[n].rows) for n in ("text", "image"))
        wrong = config.wrong_class
        self.wrong = wrong if wrong in ("previous", "none") else "drawn"
        size, device = config.batch_size, self.images.device
        self.move_critic = CriticStep(
            networks.critic, optimizers.critic, batch=size, wrong=self.wrong
        )
        self.move_generator = GeneratorStep(config, networks, optimizers)
        self.move_csem = Replay(CsemStep(networks.csem, optimizers.csem), device)
        self.iterate = Replay(self._iterate, device)

    def draws(self, sampling: State, noise: torch.Generator) -> RoundDraws:
        """Draw what a round leaves to chance: the rows at once, their noise when it is needed.

        Row numbers are those of `texts` and `images`, whose last row is zeros.
        """
        config = self.config
        batches = config.e_steps * (config.critic_updates + 1) + config.csem_updates
        rows = self.sampler.draw(batches, sampling, noise)
        return noise_of(config, rows.within(len(self.texts), len(self.images)), noise)

    @torch.no_grad()
    def run(self, draws: Iterable[Iteration | CsemChunk]) -> dict[str, torch.Tensor]:
        """Make the round; return mean losses as scalars on the device."""
        of_e = torch.zeros(2, device=self.images.device)  # critic, generator
        of_m = torch.zeros((), device=self.images.device)
        for part in draws:
            if isinstance(part, Iteration):
                of_e += self.iterate(*part.rows.tables, part.eps, part.z)
            else:
                self._move_csem(part, of_m)
        config, losses = self.config, {}
        if config.critic_updates:
            losses["loss/critic"] = of_e[0] / (config.e_steps * config.critic_updates)
        losses["loss/generator"] = of_e[1] / config.e_steps
        if config.csem_updates:
            losses["loss/csem"] = of_m / config.csem_updates
        return losses

    def _iterate(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Make k critic updates and one generator update; return the sums of both losses (2,).

        Args:
            inputs: the fields of an `Iteration`, its rows one by one.
        """
        *tables, eps, z = inputs
        draws, k, size = Draws(*tables), self.config.critic_updates, self.config.batch_size
        index, pairs = branches(draws, self.wrong, wrong_for=1)
        eps, z = eps.flatten(0, 1), z.flatten(0, 1)
        encoded = encode(self.networks, self.texts, index)
        imagined = imagine(self.networks, encoded, pairs, eps, z)
        text, own = self.texts.index_select(0, index), slice(k * size, None)
        losses = [torch.zeros((), device=eps.device)]
        fakes = imagined.features.view(-1, size, self.images.shape[1])[:k]
        batches = zip(self._judged(fakes, draws[:k]), torch.split(text, size), strict=False)
        losses += [self.move_critic(*batch) for batch in batches]
        sides = [draws.images[k], draws.wrong_images[k]][: self.config.branches]
        batch = GeneratorBatch(
            text=text[own],
            encoded=encoded[own],
            imagined=imagined[own],
            pairs=pairs[own] - k * size,
            eps=eps[own],
            images=_rows(self.images, torch.stack(sides)),
        )
        return torch.stack([torch.stack(losses).sum(), self.move_generator(batch)])

    def _judged(self, fakes: torch.Tensor, draws: Draws) -> torch.Tensor:
        """Return the images of k critic updates (k, 2B or 3B, I): f, x and, if drawn, x_w."""
        images = [fakes, _rows(self.images, draws.images)]
        if self.wrong == "drawn":
            images.append(_rows(self.images, draws.wrong_images))
        return torch.cat(images, 1)

    def _move_csem(self, chunk: CsemChunk, total: torch.Tensor) -> None:
        """Make CSEM's updates on imagined features, and add their losses to the total."""
        eps, z, count = chunk.eps, chunk.z, len(chunk.rows.texts)
        index, pairs = branches(chunk.rows, self.wrong, wrong_for=count)
        encoded = encode(self.networks, self.texts, index)
        made = imagine(self.networks, encoded, pairs, eps.flatten(0, 2), z.flatten(0, 2))
        latents = made.latent.view_as(eps)[0]
        features = made.features.view(*z.shape[:3], -1)
        for step in range(count):
            total += self.move_csem(latents[step], features[:, step])


def _with_zeros(table: torch.Tensor) -> torch.Tensor:
    """Append a row of zeros, which is row -1."""
    return torch.cat([table, table.new_zeros(1, table.shape[1])])


def _rows(table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Take rows by number, of any shape; `table[index]` takes five times as long on a CPU."""
    return table.index_select(0, index.flatten()).view(*index.shape, table.shape[1])
