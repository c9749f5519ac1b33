"""One round of ZSCRGAN's expectation-maximisation, restructured without changing its mathematics.

The generator rests while the critic makes its five steps and during the whole M-step, so what it
imagines for them comes from one large forward pass each, and its own update goes on from the same
pass. Wrong pairs that are the rows before are index arithmetic on what has been computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from zscr.train.cuda_graph import Replay
from zscr.train.methods import Rows
from zscr.train.methods.zscrgan.networks import Networks
from zscr.train.methods.zscrgan.noise import draw_eps, draw_z
from zscr.train.methods.zscrgan.reference.critic_step import CriticStep
from zscr.train.methods.zscrgan.reference.csem_step import CsemStep
from zscr.train.methods.zscrgan.reference.generator_step import Draw, GeneratorStep
from zscr.train.methods.zscrgan.reference.imagine import encode, imagine
from zscr.train.methods.zscrgan.reference.optimizers import TFAdam, TFRMSprop
from zscr.train.methods.zscrgan.sampler import ClassSampler, Draws, State

if TYPE_CHECKING:
    from zscr.train.methods.zscrgan.reference.method import Config

M_CHUNK = 20  # CSEM updates whose features the CPU imagines in one pass; bounds the memory


class Round:
    """One E-step and one M-step over features that stay on the device.

    Shapes: S = 2 branches, right and wrong (1 without a wrong class); batches of B rows.

    Args:
        config: settings of the mode.
        networks: the four networks, updated in place.
        critic, generator, csem: their optimizers; the generator's has the text encoder, too.
        rows: all features of the seen classes.
        sampler: draws row numbers of the texts and images that are trained on.
    """

    def __init__(
        self,
        config: Config,
        networks: Networks,
        critic: TFRMSprop,
        generator: TFRMSprop,
        csem: TFAdam,
        rows: Rows,
        sampler: ClassSampler,
    ) -> None:
        self.config, self.networks = config, networks
        self.rows, self.sampler = rows, sampler
        self.texts, self.images = _with_zeros(sampler.rows.texts), _with_zeros(rows.images)
        self.critic_steps = config.critic_steps if config.adversarial else 0
        self.m_steps = 0 if config.joint else config.m_steps
        self.wrong = config.wrong_class if config.wrong_class in ("previous", "none") else "drawn"
        self.sides = 1 if self.wrong == "none" else 2
        size = config.batch_size
        self.move_critic = CriticStep(networks.critic, critic, batch=size, wrong=self.wrong)
        self.move_generator = GeneratorStep(config, networks, generator, csem)
        self.move_csem = Replay(CsemStep(networks.csem, csem), rows.images.device)
        self.iterate = Replay(self._e_iteration, rows.images.device)

    @torch.no_grad()
    def run(self, sampling: State, noise: torch.Generator) -> dict[str, torch.Tensor]:
        """Make the round; return mean losses as scalars on the device."""
        draws_of_e = self.config.e_steps * (self.critic_steps + 1)
        draws = self.sampler.draw(draws_of_e + self.m_steps, sampling, noise)
        draws = draws.within(len(self.texts), len(self.images))
        losses = self._e_step(draws[:draws_of_e], noise)
        if self.m_steps:
            losses["loss/csem"] = self._m_step(draws[draws_of_e:], noise)
        return losses

    def _e_step(self, draws: Draws, noise: torch.Generator) -> dict[str, torch.Tensor]:
        """Make the critic's and the generator's updates in turns."""
        turn, steps = self.critic_steps + 1, self.config.e_steps
        totals = torch.zeros(2, device=noise.device)  # critic, generator
        chunk = steps if noise.device.type == "cuda" else 1  # a GPU holds a whole round's noise
        for start in range(0, steps, chunk):
            eps, z = self._noise((chunk, self.critic_steps + self.sides), noise)
            for i in range(chunk):
                batches = draws[(start + i) * turn : (start + i + 1) * turn]
                totals += self.iterate(*batches.tables, eps[i], z[i])
        losses = {"loss/critic": totals[0] / (steps * self.critic_steps)} if turn > 1 else {}
        return losses | {"loss/generator": totals[1] / steps}

    def _e_iteration(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Make all critic updates and one generator update; return the sums of both losses (2,).

        Args:
            inputs: the tables of the draws of k + 1 batches, the last for the generator; then eps
                and z, (k + S, B, ·) each, the last S for the generator's branches.
        """
        *tables, eps, z = inputs
        draws, k, size = Draws(*tables), self.critic_steps, self.config.batch_size
        index, pairs = self._branches(draws, wrong_for=1)
        eps, z = eps.flatten(0, 1), z.flatten(0, 1)
        encoded = encode(self.networks, self.texts, index)
        imagined = imagine(self.networks, encoded, pairs, eps, z)
        text, own = self.texts.index_select(0, index), slice(k * size, None)
        losses = [torch.zeros((), device=eps.device)]
        images = [
            imagined.features.view(-1, size, self.images.shape[1])[:k],
            _rows(self.images, draws.images[:k]),
        ]
        if self.wrong == "drawn":
            images.append(_rows(self.images, draws.wrong_images[:k]))
        batches = zip(torch.cat(images, 1), torch.split(text, size), strict=False)
        losses += [self.move_critic(*batch) for batch in batches]
        sides = [draws.images[k], draws.wrong_images[k]][: self.sides]
        draw = Draw(
            text=text[own],
            encoded=encoded[own],
            imagined=imagined[own],
            pairs=pairs[own] - k * size,
            eps=eps[own],
            images=_rows(self.images, torch.stack(sides)),
        )
        return torch.stack([torch.stack(losses).sum(), self.move_generator(draw)])

    def _m_step(self, draws: Draws, noise: torch.Generator) -> torch.Tensor:
        """Make CSEM's updates; it sees imagined features only, real ones come at test time."""
        total, steps = torch.zeros((), device=noise.device), self.m_steps
        chunk = steps if noise.device.type == "cuda" else M_CHUNK
        for start in range(0, steps, chunk):
            batches = draws[start : start + chunk]
            count = len(batches.texts)
            eps, z = self._noise((self.sides, count), noise)
            index, pairs = self._branches(batches, wrong_for=count)
            encoded = encode(self.networks, self.texts, index)
            made = imagine(self.networks, encoded, pairs, eps.flatten(0, 2), z.flatten(0, 2))
            latents = made.latent.view_as(eps)[0]
            features = made.features.view(*z.shape[:3], -1)
            for step in range(count):
                total += self.move_csem(latents[step], features[:, step])
        return total / steps

    def _branches(self, draws: Draws, wrong_for: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Number the texts to encode, and of those the ones to imagine.

        Args:
            draws: batches (n, B), all of which need their right branch.
            wrong_for: of how many batches, the last ones, the wrong branch is needed, too.

        Returns:
            index (R,) into the texts, and pairs (P,) into these: right rows, then wrong ones.
        """
        rows = torch.arange(draws.texts.numel(), device=draws.texts.device).view_as(draws.texts)
        index, pairs = [draws.texts], [rows]
        if self.wrong == "previous":
            pairs.append(rows[-wrong_for:].roll(1, 1))
        elif self.wrong == "drawn":
            index.append(draws.wrong_texts[-wrong_for:])
            pairs.append(rows.numel() + rows[:wrong_for])
        return torch.cat(index).flatten(), torch.cat(pairs).flatten()

    def _noise(
        self, batches: tuple[int, int], noise: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw eps (…, B, E) and z (…, B, Z)."""
        config = self.config
        eps = draw_eps((*batches, config.batch_size, config.embed_dim), noise)
        return eps, draw_z((*batches, config.batch_size, config.z_dim), noise)


def _with_zeros(table: torch.Tensor) -> torch.Tensor:
    """Append a row of zeros, which is row -1."""
    return torch.cat([table, table.new_zeros(1, table.shape[1])])


def _rows(table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Take rows by number, of any shape; `table[index]` takes five times as long on a CPU."""
    return table.index_select(0, index.flatten()).view(*index.shape, table.shape[1])
