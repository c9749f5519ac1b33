"""From a base and the seen tables to what a mapper is trained on, and to what it begins with."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from zscr.errors import ConfigError
from zscr.infer.inputs.sentence import CAPTION
from zscr.train.methods.losses import unit
from zscr.train.methods.pic2word.base import Base
from zscr.train.methods.pic2word.composed import Mapped
from zscr.train.methods.pic2word.config import DOMAIN, IMAGES, NAMES, TEXTS, Config
from zscr.train.methods.pic2word.edits import Edits
from zscr.train.methods.pic2word.masking import DETERMINERS, read_quirks
from zscr.train.methods.pic2word.nouns import Nouns
from zscr.train.methods.pic2word.objective import Images, Objective
from zscr.train.methods.pic2word.sentence_rows import SentenceRows
from zscr.train.methods.pic2word.sentences import Sentences, make_sentences, own_sentences
from zscr.train.methods.pic2word.tagger import Tagger
from zscr.train.methods.pic2word.vocabulary import Vocabulary
from zscr.train.methods.pic2word.words import whole_words
from zscr.train.tables import TensorSplit, owners

BLOCK = 256  # sentences that are embedded at once before training
WORD = "a photo of {}"  # that the vocabulary's words are put in


def require_room(config: Config, base: Base, domains: Collection[str]) -> None:
    """Refuse sentences of which the base does not read all that stands around an image and a text.

    Raises:
        ConfigError: the template, without any text, or a sentence of training would be cut.
    """
    words, most = config.words, base.language.longest
    rows = SentenceRows(base.tokenizer, longest=sys.maxsize, words=words)
    asked = most if "pad_to" in base.language.spec else min(config.length, most)
    told = [("template", config.template.replace(CAPTION, ""), asked)]
    told += [("sentence", config.sentence.replace(CAPTION, name), most) for name in domains]
    for name, sentence, room in told:
        if (count := rows([sentence]).shape[1]) > room:
            raise ConfigError(
                f"the {name} {sentence!r} takes {count} tokens, {words} of them for the image, and "
                f"the model reads {room}; make it shorter, or set fewer words"
            )


@dataclass(frozen=True)
class Fitting:
    """What is fitted, and what to.

    Attributes:
        seen: the tables `image`, `text` or both, on the device.
    """

    config: Config
    base: Base
    seen: TensorSplit
    device: torch.device

    @torch.no_grad()
    def domains(self) -> list[torch.Tensor]:
        """Return the embeddings (N, D) of each domain's images."""
        return [*self._by_domain(self._images(), "image")]

    @torch.no_grad()
    def vocabulary(self, mapper: Vocabulary) -> None:
        """Fit the closed form to the words that the tower knows and that are not held out."""
        tower, config = self.base.language.tower, self.config
        words = whole_words(self.base.tokenizer, config.held_out.split())
        said = self._said([WORD.format(word) for word in words])
        if config.centre == DOMAIN:
            said = unit(said - said.mean(0))
        ids = torch.tensor([[*words.values()]], device=self.device)
        mapper.fit(said, tower.embeddings(ids)[0], config.penalty, config.gain)

    @torch.no_grad()
    def objective(self, mapped: Mapped) -> Objective:
        """Return what the setting `train_on` names; a centre is fitted already."""
        config, rows = self.config, self.rows()
        if config.train_on == IMAGES:
            images = self._images()
            sentences = [config.sentence.replace("{}", name) for name in self.seen.groups]
            prompts, owner = rows(sentences).to(self.device), owners(self.seen["image"])
            return Images(mapped.centre(images), images, prompts, owner)
        if config.train_on == TEXTS:
            return self._sentences()
        texts, wanted = self.seen["text"].texts, self.base.text(self.seen["text"].rows)
        given = self._centred_texts(wanted)
        return Edits(texts, given, wanted, rows, config.template, config.noise)

    def rows(self) -> SentenceRows:
        """Return what tokenises sentences for the base's tower."""
        language = self.base.language
        return SentenceRows(
            self.base.tokenizer,
            longest=language.longest,
            words=self.config.words,
            pad_to=language.spec.get("pad_to"),
        )

    def _sentences(self) -> Sentences:
        config, quirks = self.config, read_quirks(self.config.quirks)
        names = config.nouns.split("\t")
        find = Nouns(names) if config.finder == NAMES else Tagger(determiners=DETERMINERS in quirks)
        texts = own_sentences(config) if config.texts else self.seen["text"].texts
        asked: dict[str, Any] = {"quirks": quirks, "noise": config.noise, "device": self.device}
        return make_sentences(texts, find, self.base.language.tower, self.rows(), **asked)

    def _images(self) -> torch.Tensor:
        embedded: torch.Tensor = self.base.image(self.seen["image"].rows)
        return embedded

    def _said(self, sentences: Sequence[str]) -> torch.Tensor:
        """Embed plain sentences -> (N, D), of length 1."""
        rows, tower = self.rows()(sentences).to(self.device), self.base.language.tower
        none = torch.zeros(1, 1, tower.width, device=self.device)
        blocks = torch.split(rows, BLOCK)
        parts = [tower.compose(part, none.expand(len(part), -1, -1)) for part in blocks]
        return unit(torch.cat(parts))

    def _centred_texts(self, rows: torch.Tensor) -> torch.Tensor:
        """Take from each text the mean of its own domain's texts, as images lose that of theirs."""
        if self.config.centre != DOMAIN:
            return rows
        rows, names = unit(rows), [*dict.fromkeys(self.seen.groups)]
        means = torch.stack([own.mean(0) for own in self._by_domain(rows, "text")])
        place = torch.tensor([names.index(name) for name in self.seen.groups], device=self.device)
        centred = unit(rows - means[place[owners(self.seen["text"])]])
        sized: torch.Tensor = centred * rows.shape[1] ** 0.5
        return sized

    def _by_domain(self, rows: torch.Tensor, table: str) -> Iterator[torch.Tensor]:
        """Yield each domain's rows (N, D); a refit has a domain's groups of both splits."""
        owner = owners(self.seen[table])
        for name in dict.fromkeys(self.seen.groups):
            same = torch.tensor([one == name for one in self.seen.groups], device=rows.device)
            yield rows[same[owner]]
