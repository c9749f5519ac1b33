"""The contenders of the speed benchmark: one update of Pic2Word's recipe, with less waste each.

All make the same update of the same mapper; each leaves out one thing more than the one before:

- `naive`: the image tower and the text tower in every step, 77 tokens, and gradients of the text
  tower's weights, which nobody reads, as in the released loop.
- `cached features`: no image tower; its embeddings are computed once.
- `frozen weights`: no gradients of weights that stay as they are.
- `own length`: no tokens behind the end token, which a causal tower does not look at.
- `prefix once`: no tokens before the slot, whose states are always the same.
- `compiled`, `recorded`: the same by torch.compile, and as a CUDA graph; that also of 1,024 images.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import CLIPConfig, CLIPModel

from zscr.train.cuda_graph import Replay
from zscr.train.language.families import CausalText
from zscr.train.language.prefix import AfterPrefix
from zscr.train.methods.losses import info_nce

Turn = Callable[[], torch.Tensor]
Tower = Callable[[torch.Tensor], torch.Tensor]  # words (B, 1, W) -> embeddings (B, D)
SENTENCE, SLOT = (49406, 320, 1125, 539, 265, 49407), 4  # "a photo of *" by CLIP's tokenizer
FULL, SCALE = 77, 100.0
CACHED = 8192  # embeddings that batches are drawn of


@dataclass(frozen=True)
class Size:
    """Shapes of a published CLIP: of its text tower, of its image tower, and of their space."""

    text: dict[str, int]
    image: dict[str, int]
    dim: int
    naive_on_cpu: int  # images of a step with 77 tokens, which take memory


SIZES = {
    "L/14": Size(
        {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
        {"hidden_size": 1024, "num_hidden_layers": 24, "patch_size": 14},
        768,
        4,
    ),
    "B/32": Size(
        {"hidden_size": 512, "num_attention_heads": 8, "intermediate_size": 2048},
        {"hidden_size": 768, "num_hidden_layers": 12, "patch_size": 32},
        512,
        16,
    ),
}


class Loop:
    """Random weights of one size, a mapper and its optimizer: what every contender steps with."""

    def __init__(self, size: Size, device: torch.device, seed: int) -> None:
        torch.manual_seed(seed)
        self.device = device
        with device:  # drawn there: the CPU takes ten seconds for 428 million weights
            self.clip = new_clip(size)
        text = self.clip.text_model, self.clip.text_projection
        self.text = Text(*text)
        self.learning = Text(*copy.deepcopy(text))  # with gradients that nobody reads
        self.clip.requires_grad_(False)
        self.mapper = new_mapper(size).to(device)
        self.optimizer = torch.optim.AdamW(
            [*self.mapper.parameters()],
            1e-4,
            (0.9, 0.98),
            1e-6,
            0.1,
            capturable=device.type == "cuda",
        )
        self.embedded = torch.randn(CACHED, size.dim, device=device)
        self.ids = torch.tensor(SENTENCE, device=device)
        self.padded = torch.cat([self.ids, self.ids.new_zeros(FULL - len(self.ids))])

    def drawn(self, count: int) -> torch.Tensor:
        """Draw cached embeddings (count, D)."""
        return self.embedded[torch.randint(CACHED, (count,), device=self.device)]

    def loss(self, images: torch.Tensor, tower: Tower) -> torch.Tensor:
        """Return the loss of embeddings of images (B, D) by a tower of the sentence."""
        return info_nce(images, tower(self.mapper(images)[:, None]).float(), SCALE)

    def step(self, images: torch.Tensor, tower: Tower) -> torch.Tensor:
        """Make one update, with no gradients but the mapper's."""
        loss, weights = self.loss(images, tower), [*self.mapper.parameters()]
        for one, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            one.grad = gradient
        self.optimizer.step()
        return loss.detach()

    def step_with_all(self, images: torch.Tensor) -> torch.Tensor:
        """Make one update as the released loop: backward reaches every weight of the text tower."""
        loss = self.loss(images, lambda words: self.learning(self.padded, words))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def after_prefix(self) -> AfterPrefix:
        """Return the tower of the sentence that computes its beginning once."""
        model, projection = self.text.model, self.text.projection
        body = CausalText(model, model.final_layer_norm, projection, highest=False)
        return AfterPrefix(body, self.ids, SLOT)


@dataclass(frozen=True)
class Text:
    """A text tower of transformers, given a vector for the token at the slot."""

    model: Any
    projection: nn.Module

    def __call__(self, ids: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Embed a sentence of L tokens, each of which is computed: words (B, 1, W) -> (B, D)."""

        def put_in(module: object, inputs: object, output: torch.Tensor) -> torch.Tensor:
            return torch.cat([output[:, :SLOT], words, output[:, SLOT + 1 :]], 1)

        hook = self.model.embeddings.token_embedding.register_forward_hook(put_in)
        try:
            pooled = self.model(ids.expand(len(words), -1)).pooler_output
        finally:
            hook.remove()
        rows: torch.Tensor = self.projection(pooled)
        return rows


def new_clip(size: Size) -> CLIPModel:
    """Make a CLIP of random weights."""
    width = size.image["hidden_size"]
    vision = {**size.image, "num_attention_heads": width // 64, "intermediate_size": 4 * width}
    text = {**size.text, "bos_token_id": SENTENCE[0], "eos_token_id": SENTENCE[-1]}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=size.dim)
    return CLIPModel(config).eval()


def new_mapper(size: Size) -> nn.Sequential:
    """Make the published mapping network."""
    hidden = [
        layer
        for width in (size.dim, 512)
        for layer in (nn.Linear(width, 512), nn.Dropout(0.1), nn.ReLU())
    ]
    return nn.Sequential(*hidden, nn.Linear(512, size.text["hidden_size"]))


def naive(loop: Loop, count: int) -> Turn:
    """Return a step of both towers."""
    pixels = torch.randn(count, 3, 224, 224, device=loop.device)

    def turn() -> torch.Tensor:
        with torch.no_grad():
            states = loop.clip.vision_model(pixels).pooler_output
            images = loop.clip.visual_projection(states).float()
        return loop.step_with_all(images)

    return turn


def cached(loop: Loop, count: int) -> Turn:
    """Return a step of the text tower alone."""
    return lambda: loop.step_with_all(loop.drawn(count))


def frozen(loop: Loop, count: int) -> Turn:
    """Return a step without gradients of weights."""
    return lambda: loop.step(loop.drawn(count), lambda words: loop.text(loop.padded, words))


def own_length(loop: Loop, count: int) -> Turn:
    """Return a step of the sentence's own tokens."""
    return lambda: loop.step(loop.drawn(count), lambda words: loop.text(loop.ids, words))


def prefix_once(loop: Loop, count: int) -> Turn:
    """Return a step of the tokens from the slot on."""
    tower = loop.after_prefix()
    return lambda: loop.step(loop.drawn(count), tower)


def compiled(loop: Loop, count: int) -> Turn:
    """Return the same step with its tower compiled."""
    tower: Tower = torch.compile(loop.after_prefix())
    return lambda: loop.step(loop.drawn(count), tower)


def recorded(loop: Loop, count: int) -> Turn:
    """Return the same step, launched as one CUDA graph."""
    tower = loop.after_prefix()
    replay = Replay(lambda images: loop.step(images, tower), loop.device)
    return lambda: replay(loop.drawn(count))


WIDE: dict[str, Callable[[Loop, int], Turn]] = {  # 77 tokens a row
    "naive": naive,
    "cached features": cached,
    "frozen weights": frozen,
}
NARROW = {"own length": own_length, "prefix once": prefix_once}
WHOLE_BATCH = "recorded, 1,024 images"  # the published batch, which eight GPUs shared
ON_CUDA = {"compiled": compiled, "recorded": recorded, WHOLE_BATCH: recorded}
