"""`pic2word`: a mapper that turns an image into words of a sentence (Saito et al., CVPR 2023).

The dual encoder below it stays as it is: the gallery and plain texts are embedded by it, and only
the mapper is trained. docs/pic2word.md has the algebra.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from zscr.data.collection import Collection
from zscr.data.sources.sentences import read_sentences
from zscr.errors import CollectionError
from zscr.train.encoders.raw import raw_prompts
from zscr.train.language.prefix import one_sentence
from zscr.train.methods import contract
from zscr.train.methods.clip.schedule import rate_at
from zscr.train.methods.contract import Head, Need, Port
from zscr.train.methods.optimizer import adamw
from zscr.train.methods.pic2word.base import Base
from zscr.train.methods.pic2word.centre import Centre
from zscr.train.methods.pic2word.composed import Composed, fresh
from zscr.train.methods.pic2word.config import DOMAIN, IMAGES, NAMES, TAGGER, Config
from zscr.train.methods.pic2word.fitting import Fitting, require_room
from zscr.train.methods.pic2word.objective import Images, Objective
from zscr.train.methods.pic2word.opening import open_base
from zscr.train.methods.pic2word.sentences import hash_of
from zscr.train.methods.pic2word.vocabulary import Vocabulary
from zscr.train.methods.pic2word.words import held_out_words, seen_names
from zscr.train.methods.registry import Shapes
from zscr.train.methods.seeded import draw_seeds, seeded
from zscr.train.methods.unit_rows import Unit
from zscr.train.tables import TensorSplit

__all__ = ["Config", "Method", "needs", "settled"]


def settled(config: Config, collection: Collection) -> Config:
    """Return the settings with the base's hash, the domains' number and the words held out."""
    domains = {item.attributes.get(DOMAIN, "") for item in collection.split("seen")}
    if config.by_domain and not any(domains):
        raise CollectionError(
            f"'{collection.name}' tells of no seen image of which domain it is, which "
            f"centre={config.centre} and sentence={config.sentence!r} ask for; set centre=none and "
            f"leave {{}} out of the sentence"
        )
    base = open_base(config)
    require_room(config, base, domains)
    return replace(
        config,
        base_sha256=base.sha256,
        domains=len(domains) if config.centre == DOMAIN else 1,
        texts_sha256=hash_of(config.texts) if config.texts else "",
        held_out=" ".join(sorted(held_out_words(collection))),
        nouns="\t".join(_nouns(config.finder, collection)),
        finder=TAGGER if config.finder == TAGGER else NAMES,
    )


def _nouns(finder: str, collection: Collection) -> list[str]:
    """Return the names that are masked: none, the collection's, or a file's."""
    if finder == TAGGER:
        return []
    return sorted(seen_names(collection) if finder == NAMES else read_sentences(Path(finder)).texts)


def needs(config: Config) -> tuple[Need, ...]:
    """Return what is fitted to and what queries are made of; the base's encoders make the rows."""
    base = open_base(config)
    per: Literal["domain", "image"] = "domain" if config.by_domain else "image"
    of_texts = config.train_on != IMAGES and not config.texts
    of_images = config.train_on == IMAGES or config.centre == DOMAIN

    def prompts(_: Collection) -> Path:
        spec = base.language.prompts(config.template, config.words)
        if "pad_to" not in spec:  # a tower of any length
            spec["max_length"] = min(config.length, spec["max_length"])
        return raw_prompts(spec, base.language.files)

    return (
        Need("image", per, encoder=lambda _: base.encoders["image"], fitted=of_images),
        Need("text", per, encoder=lambda _: base.encoders["text"], fitted=of_texts),
        Need("prompt", per, encoder=prompts, fitted=False),
    )


class Method(nn.Module):
    """The trainable model. See `zscr.train.methods.contract.Method` for the contract."""

    def __init__(self, config: Config, shapes: Shapes, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.config, self.device = config, torch.device(device)
        base = open_base(config)
        self._base = (base,)  # in a tuple, or the modules would be this one's, and in checkpoints
        base.image.to(self.device), base.text.to(self.device), base.language.tower.to(self.device)
        with torch.random.fork_rng([]):
            torch.manual_seed(config.seed)
            self.mapped = fresh(config, base)
        self.to(self.device)
        self.noise = torch.Generator(device).manual_seed(config.seed)
        self.sampling: dict[str, torch.Tensor] = {}
        self.chosen: dict[str, Any] = {}
        learnt = self.mapped.mapper.parameters()
        self.optimizers = {"adamw": adamw(learnt, config.lr, config.weight_decay)}

    @property
    def base(self) -> Base:
        """What the mapper stands on; its weights are not this module's."""
        return self._base[0]

    def bind(self, seen: TensorSplit, val: TensorSplit | None) -> None:
        """Take the tables that are fitted to: `image`, `text` or both."""
        self._fitting = Fitting(self.config, self.base, seen, self.device)
        self._objective: Objective | None = None  # made when it is needed: after a centre is fitted
        self._sentence: tuple[Callable[[torch.Tensor], torch.Tensor], ...] = ()  # a tuple, as above

    def start(self) -> None:
        """Fit what has a closed form: the domains' means, and the vocabulary's ridge."""
        self.sampling = {"step": torch.zeros((), dtype=torch.int64)}
        if isinstance(self.mapped.centre, Centre):
            self.mapped.centre.fit(self._fitting.domains())
        if isinstance(self.mapped.mapper, Vocabulary):
            self._fitting.vocabulary(self.mapped.mapper)

    def _made_objective(self) -> Objective:
        """Make what is trained on; where all sentences are one, its beginning is computed once."""
        objective = self._fitting.objective(self.mapped)
        if isinstance(objective, Images) and len(objective.prompts) == 1:
            self._sentence = (one_sentence(self.base.language.tower, objective.prompts[0]),)
        return objective

    def train_round(self) -> dict[str, torch.Tensor]:
        """Make one update."""
        if self._objective is None:
            self._objective = self._made_objective()
        self.train()
        step, config = int(self.sampling["step"]), self.config
        optimizer = self.optimizers["adamw"]
        for group in optimizer.param_groups:
            share = rate_at(step, config.rounds, config.warmup, falls=config.falls)
            group["lr"] = config.lr * share
        batch = self._objective.batch(config.batch_size, self.noise)
        [seed] = draw_seeds(1, self.noise)
        with seeded(seed, self.device):
            words = self.mapped.words_of(batch.given)
        found = self._embedded(batch.prompts, words).float()
        scale = 1 / config.temperature if config.temperature else self.base.scale
        losses = self._objective.losses(found, batch.wanted, scale)
        optimizer.zero_grad()
        torch.autograd.backward(torch.stack([*losses.values()]).sum())
        optimizer.step()
        self.sampling["step"] += 1
        return {f"loss/{name}": loss.detach() for name, loss in losses.items()}

    def _embedded(self, prompts: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Embed sentences with words in them."""
        if self._sentence:
            [embed] = self._sentence
            return embed(words)
        return self.base.language.tower.compose(prompts, words)

    def heads(self) -> dict[str, Head]:
        """Return the query heads and the gallery; all but the first are the base's own."""
        base = self.base
        composed = Composed(base.image, self.mapped, base.language.tower)
        return {
            "composed": Head(composed, (Port("image"), Port("prompt")), "query"),
            "text": Head(Unit(base.text), (Port("text"),), "query"),
            "gallery": Head(Unit(base.image), (Port("image"),), "gallery"),
        }


_CONTRACT: type[contract.Method] = Method  # for mypy: the class keeps the contract
