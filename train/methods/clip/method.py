"""`clip`: a dual encoder trained on pairs of images and texts (Radford et al. 2021).

Behind frozen encoders (LiT: Zhai et al. 2022) it begins at a closed form that is chosen on the
validation items and is a candidate itself. Towers of its own begin at random, or as a pretrained
checkpoint's. docs/clip.md has the algebra.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from zscr.errors import ConfigError
from zscr.progress import say
from zscr.train.methods import contract
from zscr.train.methods.clip.choice import Judge
from zscr.train.methods.clip.config import FROZEN, Config
from zscr.train.methods.clip.pairs import Pairs
from zscr.train.methods.clip.projection import Projection
from zscr.train.methods.clip.schedule import rate_at
from zscr.train.methods.clip.start import IMAGE_PENALTIES, POWERS, TEXT_PENALTIES, ClosedForm, Maps
from zscr.train.methods.clip.step import Embeddings, backward, cut
from zscr.train.methods.clip.towers import make_towers, pixels_for, tokens_for
from zscr.train.methods.contract import Head, Need, Port
from zscr.train.methods.optimizer import adamw
from zscr.train.methods.registry import Shapes
from zscr.train.methods.seeded import draw_seeds
from zscr.train.methods.unit_rows import Unit
from zscr.train.ranks import rank_count
from zscr.train.tables import TensorSplit

__all__ = ["ABLATIONS", "DISTRIBUTED", "Config", "Method", "needs"]

DISTRIBUTED = True  # torchrun's processes share out each batch
ABLATIONS: Mapping[str, Mapping[str, Any]] = {"before round 1": {"rounds": 0}}
MOST_SCALE = 100.0  # inverse temperature, as in CLIP


def needs(config: Config) -> tuple[Need, ...]:
    """Return the tables that are trained on: items with an image and texts of their own."""
    image = None if config.image == FROZEN else partial(pixels_for, config)
    text = None if config.text == FROZEN else partial(tokens_for, config)
    return Need("image", "item", encoder=image), Need("text", "item", encoder=text)


class Method(nn.Module):
    """The trainable model. See `zscr.train.methods.contract.Method` for the contract."""

    def __init__(self, config: Config, shapes: Shapes, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.config, self.device = config, torch.device(device)
        with torch.random.fork_rng([]):
            torch.manual_seed(config.seed)
            self.image, self.text, scale = make_towers(config, shapes)
        self.log_scale = nn.Parameter(torch.tensor(math.log(min(scale, MOST_SCALE))))
        self.to(self.device)
        self.noise = torch.Generator(device).manual_seed(config.seed)
        self.sampling: dict[str, torch.Tensor] = {}
        self.chosen: dict[str, Any] = {}
        learnt = [one for one in self.parameters() if one.requires_grad]
        self.optimizers = {"adamw": adamw(learnt, config.lr, config.weight_decay)}

    def bind(self, seen: TensorSplit, val: TensorSplit | None) -> None:
        """Take the tables `image` and `text` of the seen and of the validation items."""
        self._pairs, self._val = Pairs.of(seen), val
        drawn = min(self.config.batch_size, len(self._pairs.texts))
        if drawn < rank_count():
            raise ConfigError(
                f"a batch has {drawn} pairs and {rank_count()} processes share it out; start fewer "
                f"or set a larger batch_size"
            )

    @torch.no_grad()
    def start(self) -> None:
        """Fit what has a closed form: scalings, and the maps if features are mapped to features."""
        self.eval()  # or the candidates would be judged with features dropped
        self.sampling = {"step": torch.zeros((), dtype=torch.int64)}
        given = (self.image, self._pairs.images), (self.text, self._pairs.texts)
        frozen = [(one, rows) for one, rows in given if isinstance(one, Projection)]
        for projection, rows in frozen:
            projection.scaling.fit(rows)
        if len(frozen) == len(given):
            self._start_closed(*(projection for projection, _ in frozen))

    def _start_closed(self, image: Projection, text: Projection) -> None:
        """Begin at the closed form that does best on validation items, or at the one chosen."""
        candidates = self._candidates(image, text)

        def begin(maps: Maps) -> None:
            image.begin(maps.image, self._pairs.images)
            text.begin(maps.text, self._pairs.texts)

        if self._val is None:
            begin(next(candidates))
            return
        judge = Judge(self.config.select_by, self._val)
        best, quality = None, -math.inf
        for maps in candidates:
            begin(maps)
            if (found := judge(self.heads())) > quality:
                best, quality = maps, found
        assert best is not None, "there are candidates"
        begin(best)
        self.chosen = best.settings
        told = ", ".join(f"{name}={value:g}" for name, value in self.chosen.items())
        say(f"validation items chose {told} ({judge.figure} {quality:.3f} before round 1)")

    def _candidates(self, image: Projection, text: Projection) -> Iterator[Maps]:
        """Yield the closed forms of what is set, or of all values that can be chosen."""
        config, pairs = self.config, self._pairs
        scaled = image.scaling(pairs.images), text.scaling(pairs.texts)
        grid = (
            (config.image_penalty,) if config.image_penalty else IMAGE_PENALTIES,
            (config.text_penalty,) if config.text_penalty else TEXT_PENALTIES,
            (config.power,) if config.power else POWERS,
        )
        return ClosedForm(*scaled, pairs.owner).maps(*grid, config.dim)

    def train_round(self) -> dict[str, torch.Tensor]:
        """Go through all texts once, in batches of pairs."""
        self.train()
        batches = [*self._pairs.batches(self.config.batch_size, self.noise)]
        total = len(batches) * self.config.rounds
        each = iter(draw_seeds(len(self._pairs.texts), self.noise))  # waits, as the step does
        begun, losses = int(self.sampling["step"]), []
        for step, batch in enumerate(batches, begun):
            share = rate_at(step, total, self.config.warmup)
            losses.append(self._update(batch, each, self.config.lr * share))
        self.sampling["step"] += len(batches)
        return {"loss/nce": torch.stack(losses).mean()}

    def _update(self, batch: torch.Tensor, seeds: Iterator[int], rate: float) -> torch.Tensor:
        """Make one update at a rate of learning, and return the loss of its batch."""
        optimizer = self.optimizers["adamw"]
        for group in optimizer.param_groups:
            group["lr"] = rate
        chunks = cut(batch, self.config.chunk, rank_count(), seeds)
        hidden = self._pairs.hidden(batch)
        loss = backward(self, self._encode, chunks, hidden, self.log_scale)
        optimizer.step()
        self.log_scale.data.clamp_(max=math.log(MOST_SCALE))
        return loss

    def _encode(self, batch: torch.Tensor) -> Embeddings:
        pairs = self._pairs
        return self.image(pairs.images[pairs.owner[batch]]), self.text(pairs.texts[batch])

    def heads(self) -> dict[str, Head]:
        """Return the query and the gallery head."""
        return {
            "text": Head(Unit(self.text), (Port("text"),), "query"),
            "gallery": Head(Unit(self.image), (Port("image"),), "gallery"),
        }


_CONTRACT: type[contract.Method] = Method  # for mypy: the class keeps the contract
