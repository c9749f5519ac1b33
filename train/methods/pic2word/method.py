"""`pic2word`: a mapper that turns an image into words of a sentence (Saito et al., CVPR 2023).

The dual encoder below it stays as it is: the gallery and plain texts are embedded by it, and only
the mapper is trained. docs/pic2word.md has the algebra.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from zscr.data.collection import Collection
from zscr.train.encoders.raw import raw_prompts
from zscr.train.language.mappers import Im2Text, Phi
from zscr.train.methods import contract
from zscr.train.methods.clip.schedule import rate_at
from zscr.train.methods.contract import Head, Need, Port
from zscr.train.methods.losses import unit
from zscr.train.methods.pic2word.base import Base
from zscr.train.methods.pic2word.centre import Centre
from zscr.train.methods.pic2word.composed import Composed, Mapped
from zscr.train.methods.pic2word.config import DOMAIN, IM2TEXT, IMAGES, NAMES, PHI, TEXTS, Config
from zscr.train.methods.pic2word.edits import Edits
from zscr.train.methods.pic2word.masking import DETERMINERS, read_quirks
from zscr.train.methods.pic2word.nouns import Nouns
from zscr.train.methods.pic2word.objective import Images, Objective
from zscr.train.methods.pic2word.opening import open_base
from zscr.train.methods.pic2word.sentence_rows import SentenceRows
from zscr.train.methods.pic2word.sentences import Sentences, make_sentences
from zscr.train.methods.pic2word.tagger import Tagger
from zscr.train.methods.pic2word.vocabulary import Vocabulary
from zscr.train.methods.pic2word.words import held_out_words, seen_names, whole_words
from zscr.train.methods.registry import Shapes
from zscr.train.methods.seeded import seeded
from zscr.train.tables import TensorSplit, owners

__all__ = ["Config", "Method", "needs", "settled"]

SEEDS = 2**62
BLOCK = 256  # sentences that are embedded at once before training
WORD = "a photo of {}"  # that the vocabulary's words are put in


def settled(config: Config, collection: Collection) -> Config:
    """Return the settings with the base's hash, the domains' number and the words held out."""
    domains = {item.attributes.get(DOMAIN) for item in collection.split("seen")}
    return replace(
        config,
        base_sha256=open_base(config).sha256,
        domains=len(domains) if config.centre == DOMAIN else 1,
        held_out=" ".join(sorted(held_out_words(collection))),
        nouns="\t".join(sorted(seen_names(collection))) if config.finder == NAMES else "",
    )


def needs(config: Config) -> tuple[Need, ...]:
    """Return what is fitted to and what queries are made of; the base's encoders make the rows."""
    base = open_base(config)
    per: Literal["domain", "image"] = "domain" if config.by_domain else "image"
    of_texts = config.train_on != IMAGES
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


class Unit(nn.Module):
    """A side of the base, its rows scaled to length 1."""

    def __init__(self, side: nn.Module) -> None:
        super().__init__()
        self.side = side

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Embed rows of a port."""
        return unit(self.side(rows))


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
            self.mapped = _mapped(config, base)
        self.to(self.device)
        self.noise = torch.Generator(device).manual_seed(config.seed)
        self.sampling: dict[str, torch.Tensor] = {}
        self.chosen: dict[str, Any] = {}
        learnt = [*self.mapped.mapper.parameters()]
        groups: list[dict[str, Any]] = [
            {"params": [one for one in learnt if one.ndim > 1]},
            {"params": [one for one in learnt if one.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "adamw": torch.optim.AdamW(groups, config.lr, (0.9, 0.98), 1e-6, config.weight_decay)
        }

    @property
    def base(self) -> Base:
        """What the mapper stands on; its weights are not this module's."""
        return self._base[0]

    def bind(self, seen: TensorSplit, val: TensorSplit | None) -> None:
        """Take the tables that are fitted to: `image`, `text` or both."""
        self._seen = seen
        self._objective = None  # made when it is needed: `start` may have a centre to fit

    @torch.no_grad()
    def start(self) -> None:
        """Fit what has a closed form: the domains' means, and the vocabulary's ridge."""
        self.sampling = {"step": torch.zeros((), dtype=torch.int64)}
        if isinstance(self.mapped.centre, Centre):
            self.mapped.centre.fit([rows for _, rows in _by_domain(self._seen, self._images())])
        if isinstance(self.mapped.mapper, Vocabulary):
            self._fit_vocabulary(self.mapped.mapper)

    def _fit_vocabulary(self, mapper: Vocabulary) -> None:
        """Fit the closed form to the words that the tower knows and that are not held out."""
        language, config = self.base.language, self.config
        words = whole_words(_tokenizer(self.base), config.held_out.split())
        said = self._said([WORD.format(word) for word in words])
        if config.centre == DOMAIN:
            said = unit(said - said.mean(0))
        ids = torch.tensor([[*words.values()]], device=self.device)
        mapper.fit(said, language.tower.embeddings(ids)[0], config.penalty, config.gain)

    def _said(self, sentences: Sequence[str]) -> torch.Tensor:
        """Embed plain sentences -> (N, D), of length 1."""
        rows, tower = self._rows()(sentences).to(self.device), self.base.language.tower
        none = torch.zeros(1, 1, tower.width, device=self.device)
        parts = [tower.compose(part, none.expand(len(part), -1, -1)) for part in rows.split(BLOCK)]
        return unit(torch.cat(parts))

    def _rows(self) -> SentenceRows:
        longest = int(self.base.language.spec["max_length"])
        return SentenceRows(_tokenizer(self.base), longest=longest, words=self.config.words)

    @torch.no_grad()
    def _images(self) -> torch.Tensor:
        return self.base.image(self._seen["image"].rows)

    @torch.no_grad()
    def _made_objective(self) -> Objective:
        config, rows = self.config, self._rows()
        if config.train_on == IMAGES:
            images = self._images()
            sentences = [config.sentence.replace("{}", name) for name in self._seen.groups]
            prompts, owner = rows(sentences).to(self.device), owners(self._seen["image"])
            return Images(self.mapped.centre(images), images, prompts, owner)
        if config.train_on == TEXTS:
            return self._sentences()
        texts, wanted = self._seen["text"], self.base.text(self._seen["text"].rows)
        given = self._centred_texts(wanted)
        made_of = texts.texts, given, wanted, rows
        return Edits(*made_of, config.template, config.noise)

    def _sentences(self) -> Sentences:
        config, quirks = self.config, read_quirks(self.config.quirks)
        names = config.nouns.split("\t")
        find = Nouns(names) if config.finder == NAMES else Tagger(determiners=DETERMINERS in quirks)
        texts, tower = self._seen["text"].texts, self.base.language.tower
        asked: dict[str, Any] = {"quirks": quirks, "noise": config.noise, "device": self.device}
        return make_sentences(texts, find, tower, self._rows(), **asked)

    def _centred_texts(self, rows: torch.Tensor) -> torch.Tensor:
        """Take from each text the mean of its own domain's texts, as images lose that of theirs."""
        if self.config.centre != DOMAIN:
            return rows
        rows, owner = unit(rows), owners(self._seen["text"])
        means = torch.stack([own.mean(0) for _, own in _by_domain(self._seen, rows, "text")])
        return unit(rows - means[owner]) * rows.shape[1] ** 0.5

    def train_round(self) -> dict[str, torch.Tensor]:
        """Make one update."""
        if self._objective is None:
            self._objective = self._made_objective()
        self.train()
        step, config = int(self.sampling["step"]), self.config
        optimizer = self.optimizers["adamw"]
        for group in optimizer.param_groups:
            group["lr"] = config.lr * rate_at(step, config.rounds, config.warmup)
        batch = self._objective.batch(config.batch_size, self.noise)
        [seed] = torch.randint(SEEDS, (1,), generator=self.noise, device=self.device).tolist()
        with seeded(seed, self.device):
            words = self.mapped.words_of(batch.given)
        found = self.base.language.tower.compose(batch.prompts, words).float()
        scale = 1 / config.temperature if config.temperature else self.base.scale
        losses = self._objective.losses(found, batch.wanted, scale)
        optimizer.zero_grad()
        torch.stack([*losses.values()]).sum().backward()
        optimizer.step()
        self.sampling["step"] += 1
        return {f"loss/{name}": loss.detach() for name, loss in losses.items()}

    def heads(self) -> dict[str, Head]:
        """Return the query heads and the gallery; all but the first are the base's own."""
        base = self.base
        composed = Composed(base.image, self.mapped, base.language.tower)
        return {
            "composed": Head(composed, (Port("image"), Port("prompt")), "query"),
            "text": Head(Unit(base.text), (Port("text"),), "query"),
            "gallery": Head(Unit(base.image), (Port("image"),), "gallery"),
        }


def _tokenizer(base: Base) -> bytes:
    return base.language.files[base.language.spec["tokenizer"]]


def _mapped(config: Config, base: Base) -> Mapped:
    """Return a fresh mapper of the kind that is set."""
    tower, words = base.language.tower, config.words
    sizes = tower.dim, words * tower.width
    if config.mapper == IM2TEXT:
        mapper: nn.Module = Im2Text(*sizes, config.width, dropout=config.dropout)
    elif config.mapper == PHI:
        mapper = Phi(*sizes, dropout=config.dropout)
    else:
        mapper = Vocabulary(tower.dim, tower.width, words, config.width, config.dropout)
    centre = Centre(tower.dim, config.domains) if config.centre == DOMAIN else nn.Identity()
    return Mapped(centre, mapper, words)


def _by_domain(
    split: TensorSplit, rows: torch.Tensor, table: str = "image"
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield each domain with its rows (N, D); a refit has a domain's groups of both splits."""
    owner = owners(split[table])
    for name in dict.fromkeys(split.groups):
        same = torch.tensor([one == name for one in split.groups], device=rows.device)
        yield name, rows[same[owner]]


_CONTRACT: type[contract.Method] = Method  # for mypy: the class keeps the contract
