"""The char-CNN-RNN text encoder of Reed, Akata, Lee and Schiele (CVPR 2016), trained here.

The network is that of the released code (`train_sje_hybrid.lua` with `modules/HybridCNN.lua`); how
it is trained stands in `joint_embedding`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from zscr.data.collection import Collection
from zscr.infer.encoder import Encoder
from zscr.infer.inputs.characters import CharacterInput
from zscr.train.encoders.folder import OUTPUT, write_encoder
from zscr.train.encoders.joint_embedding import Training, load_pairs, train_jointly
from zscr.train.encoders.onnx import require_parity, trace

# As released: the hyphen stands in it twice, and its second place is the one that counts.
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/\\|_@#$%^&*~`+-=<>()[]{} "
KERNEL, POOL = 4, 3  # characters of a convolution, rows of a pooling
STRIDES = (3, 3, 2)  # of the poolings
TOLERANCE = 1e-5  # of the largest component


@dataclass(frozen=True)
class CharCnnRnnConfig:
    """The released sizes (the defaults of `train_sje_hybrid.lua`)."""

    widths: tuple[int, int, int] = (384, 512, 256)  # of the convolutions; the last is the RNN's
    length: int = 201  # characters; longer texts are cut
    init: float = 0.08  # every weight and bias begins uniform in [-init, init]
    training: Training = Training()

    @property
    def spec(self) -> dict[str, Any]:
        """The manifest's entry of the graph's input."""
        return {
            "field": "text",
            "kind": "characters",
            "names": ["characters"],
            "dtype": "int64",
            "shape": ["batch", self.length],
            "max_length": self.length,
            "unit": "characters",
            "alphabet": ALPHABET,
            "lowercase": "A-Z",
            "unknown": 0,
            "padding": 0,
        }


class CharCnnRnn(nn.Module):
    """Three temporal convolutions and a ReLU RNN: character ids (B, L) -> (B, D).

    Rows keep the norm that the training gave them, as the published vectors do.
    """

    def __init__(self, config: CharCnnRnnConfig, dim: int) -> None:
        super().__init__()
        one_hot = torch.eye(len(ALPHABET) + 1)[:, 1:]  # id 0, no character, is a row of zeros
        self.register_buffer("one_hot", one_hot, persistent=False)
        self.one_hot: torch.Tensor
        blocks: list[nn.Module] = []
        befores = (len(ALPHABET), *config.widths[:-1])
        for before, after, stride in zip(befores, config.widths, STRIDES, strict=True):
            blocks += [nn.Conv1d(before, after, KERNEL), nn.Threshold(1e-6, 0)]
            blocks += [nn.MaxPool1d(POOL, stride)]
        self.blocks = nn.Sequential(*blocks)
        self.input = nn.Linear(config.widths[-1], config.widths[-1])
        self.recurrent = nn.Linear(config.widths[-1], config.widths[-1])
        self.output = nn.Linear(config.widths[-1], dim)

    def forward(self, characters: torch.Tensor) -> torch.Tensor:
        """Encode character ids; the RNN's states are averaged over time."""
        columns = self.one_hot[characters].transpose(1, 2)
        inputs = self.input(self.blocks(columns).transpose(1, 2)).unbind(1)
        # Unlike nn.RNN, the first step has neither a state before it nor the bias of one.
        states = [functional.relu(inputs[0])]
        for row in inputs[1:]:
            states.append(functional.relu(row + self.recurrent(states[-1])))
        features: torch.Tensor = self.output(torch.stack(states).mean(0))
        return features


def new_network(config: CharCnnRnnConfig, dim: int) -> CharCnnRnn:
    """Return a network with fresh weights, uniform in [-init, init] as released."""
    with torch.random.fork_rng([]), torch.no_grad():
        torch.manual_seed(config.training.seed)
        network = CharCnnRnn(config, dim)
        for parameter in network.parameters():
            parameter.uniform_(-config.init, config.init)
    return network


def train_char_cnn_rnn(
    collection: Collection, image: Encoder | None, out: Path, name: str, config: CharCnnRnnConfig
) -> None:
    """Train on the seen classes' texts and image features; write the frozen encoder `out`.

    Args:
        collection: with texts; the validation classes choose the epoch.
        image: the frozen image encoder; None where the collection has image vectors. Its
            dimension is the encoder's own.
        out: the encoder's folder; must not exist.
        name: short name for files and messages.
        config: the recipe.

    Raises:
        CollectionError: a seen class has no image or no text.
        InputError: image features that are all the same, or a text without a known character.
        ParityError: the ONNX graph differs from the trained network.
    """
    seen, val = load_pairs(collection, image, CharacterInput(config.spec, out))
    network = new_network(config, seen["image"].rows.shape[1])
    best = train_jointly(network, seen, val, config.training)
    texts = seen["text"].rows
    axes = {"characters": {0: "batch"}}
    model = trace(network, {"characters": texts[:2]}, OUTPUT, dynamic=axes)
    with torch.no_grad():
        expected = network(texts[:8]).numpy()
    feeds, tolerance = {"characters": texts[:8].numpy()}, TOLERANCE * max(1.0, abs(expected).max())
    difference = require_parity("the char-CNN-RNN's graph", model, feeds, expected, tolerance)
    about: dict[str, Any] = {
        "source": f"trained on {len(texts)} texts of seen classes",
        "config": asdict(config),
    }
    about |= {"validation": asdict(best), "max_abs_difference_to_torch": difference}
    write_encoder(out, name, model, config.spec, about)
