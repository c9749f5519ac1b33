"""What the text encoder and the generator make of many texts in one pass, kept for the way back."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zscr.train.methods.zscrgan.draws import Draws
from zscr.train.methods.zscrgan.networks import Networks
from zscr.train.methods.zscrgan.reference import dense


@dataclass(frozen=True)
class Encoded:
    """Texts (R, T) encoded: both halves (R, 2E) after the leaky ReLU, mu and log-sigma."""

    both: torch.Tensor

    @property
    def mu(self) -> torch.Tensor:
        """(R, E)."""
        return self.both[:, : self.both.shape[1] // 2]

    @property
    def log_sigma(self) -> torch.Tensor:
        """(R, E)."""
        return self.both[:, self.both.shape[1] // 2 :]

    def __getitem__(self, rows: slice) -> Encoded:
        """Return some of the rows."""
        return Encoded(self.both[rows])


@dataclass(frozen=True)
class Imagined:
    """Latents (P, E), what every layer of the generator was given, and the features (P, I)."""

    latent: torch.Tensor
    given: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    features: torch.Tensor

    def __getitem__(self, rows: slice) -> Imagined:
        """Return some of the rows."""
        first, second, third = (table[rows] for table in self.given)
        return Imagined(self.latent[rows], (first, second, third), self.features[rows])


def branches(draws: Draws, wrong: str, wrong_for: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Number the texts to encode, and of those the ones to imagine.

    Args:
        draws: batches (n, B), all of which need their right branch.
        wrong: where wrong texts come from: `previous`, the row before; `drawn`; or `none`.
        wrong_for: of how many batches, the last ones, the wrong branch is needed, too.

    Returns:
        index (R,) into the texts, and pairs (P,) into these: right rows, then wrong ones.
    """
    rows = torch.arange(draws.texts.numel(), device=draws.texts.device).view_as(draws.texts)
    index, pairs = [draws.texts], [rows]
    if wrong == "previous":
        pairs.append(rows[-wrong_for:].roll(1, 1))
    elif wrong == "drawn":
        index.append(draws.wrong_texts[-wrong_for:])
        pairs.append(rows.numel() + rows[:wrong_for])
    return torch.cat(index).flatten(), torch.cat(pairs).flatten()


def encode(networks: Networks, texts: torch.Tensor, index: torch.Tensor) -> Encoded:
    """Encode texts by number (R,); none twice where there are fewer texts than numbers."""
    layer = networks.text_encoder.fc
    if len(texts) > len(index):
        return Encoded(dense.leaky(dense.forward(layer, texts.index_select(0, index))))
    return Encoded(dense.leaky(dense.forward(layer, texts)).index_select(0, index))


def imagine(
    networks: Networks, encoded: Encoded, pairs: torch.Tensor, eps: torch.Tensor, z: torch.Tensor
) -> Imagined:
    """Imagine features of encoded texts, by number (P,), with noise eps (P, E) and z (P, Z)."""
    generator = networks.generator
    mu, sigma = (table.index_select(0, pairs) for table in (encoded.mu, encoded.log_sigma.exp()))
    latent = torch.addcmul(mu, sigma, eps)
    first = torch.cat([latent, z], 1)
    second = dense.leaky(dense.forward(generator.fc1, first))
    third = dense.leaky(dense.forward(generator.fc2, second))
    features = dense.forward(generator.fc3, third).relu_()
    return Imagined(latent, (first, second, third), features)
