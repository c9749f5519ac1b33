"""LinCIR: a mapper that is trained on sentences alone (Gu et al., CVPR 2024).

A sentence's own embedding e is put, with noise, where an image's will be: the mapper's words of it
stand in all places of the masked sentence, which is to be embedded as e is, in mean square. The
noise u · z has u uniform in [0, 1), one a sentence, and z normal, one a component: an image's
embedding is not where its sentence's is, and a mapper that has seen e alone is lost there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from zscr.artefact import hash_file
from zscr.data.sources.sentences import read_sentences
from zscr.errors import ConfigError, InputError, MismatchError
from zscr.progress import progress, say
from zscr.train.encoders.raw import NO_TOKEN, SLOT
from zscr.train.language.tower import LanguageTower
from zscr.train.methods.pic2word.config import Config
from zscr.train.methods.pic2word.masking import PHOTO, PHOTO_QUIRK, PLACE, Finder, cleaned, masked
from zscr.train.methods.pic2word.objective import Batch
from zscr.train.methods.pic2word.sentence_rows import SentenceRows, narrowed

FEWEST = 2  # of one sentence there is nothing to learn but that sentence
_AT_ONCE = 10_000  # sentences, so that millions take no more memory than their rows


@dataclass(frozen=True)
class Sentences:
    """Sentences, and the same with places, as rows of ids; see `Objective`.

    Attributes:
        tower: frozen, that embeds them; its device is theirs.
        whole, masked: int32 (N, L), -1 where there is no token; of the masked -2 where a word of
            the embedding stands.
        noise: factor of u · z; the published one is 1, for embeddings that are not normalised.
    """

    tower: LanguageTower
    whole: torch.Tensor
    masked: torch.Tensor
    noise: float = 1.0

    def batch(self, size: int, noise: torch.Generator) -> Batch:
        """Draw sentences, embed them, and add noise."""
        count = min(size, len(self.whole))
        where: dict[str, Any] = {"generator": noise, "device": noise.device}
        drawn = torch.randint(len(self.whole), (count,), **where)
        whole, places = narrowed(self.whole[drawn]), narrowed(self.masked[drawn])
        with torch.no_grad():
            wanted = self.tower.compose(whole, whole.new_zeros(count, 1, self.tower.width).float())
        share = torch.rand(count, 1, **where)
        added = share * torch.randn(wanted.shape, **where)
        return Batch(wanted + self.noise * added, places.long(), wanted)

    def losses(
        self, found: torch.Tensor, wanted: torch.Tensor, scale: float
    ) -> Mapping[str, torch.Tensor]:
        """Mean square of what is between the embeddings, neither of which is normalised."""
        return {"mse": functional.mse_loss(found, wanted)}


def hash_of(path: str) -> str:
    """Return the sha256 of a file of sentences.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return hash_file(Path(path))
    except OSError as error:
        raise InputError(f"texts={path} cannot be read ({error.strerror}); name a file") from error


def own_sentences(config: Config) -> tuple[str, ...]:
    """Read the file of sentences that a run was begun with.

    Raises:
        InputError: it cannot be read, or has no sentence.
        MismatchError: it has changed since.
    """
    path = Path(config.texts)
    found = read_sentences(path, config.column)
    if config.texts_sha256 and hash_of(config.texts) != config.texts_sha256:
        raise MismatchError(f"{path} has changed since the run was begun; restore it or train anew")
    return found.texts


def make_sentences(
    texts: Sequence[str],
    find: Finder,
    tower: LanguageTower,
    rows: SentenceRows,
    *,
    quirks: Collection[str] = (),
    noise: float = 1.0,
    device: torch.device | str = "cpu",
) -> Sentences:
    """Clean, mask and tokenise sentences; count and tell what was passed over.

    Args:
        texts: sentences of a collection, or of a file.
        find: what they name.
        tower: that will embed them; rows: its tokenizer.
        quirks: of `masking.QUIRKS`.
        noise: see `Sentences`.
        device: of the rows.

    Raises:
        ConfigError: fewer than 2 sentences are left, or they are all the same.
    """
    passed: Counter[str] = Counter()
    parts = list(_parts(texts, find, rows, quirks, passed))
    left = sum(len(whole) for whole, _ in parts)
    told = ", ".join(f"{count} {reason}" for reason, count in (+passed).items())
    told = f" ({told})" if told else ""
    if left < FEWEST:
        raise ConfigError(
            f"a mapper is trained on {FEWEST} sentences or more, and {left} of {len(texts)} can "
            f"be used{told}; name a file with more of them, or other nouns to mask"
        )
    if told:
        say(f"{left} of {len(texts)} sentences are trained on{told}")
    whole, places = (_stacked(side).to(device) for side in zip(*parts, strict=True))
    if (whole == whole[:1]).all():
        raise ConfigError(
            f"all {left} sentences are the same to the text tower, and of one there is nothing to "
            f"learn but that one; name a file with others"
        )
    return Sentences(tower, whole, places, noise)


def _parts(
    texts: Sequence[str],
    find: Finder,
    rows: SentenceRows,
    quirks: Collection[str],
    passed: Counter[str],
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield rows of sentences, and of the same with places, some thousand at a time."""
    with progress("masking", len(texts)) as bar:
        for start in range(0, len(texts), _AT_ONCE):
            given = texts[start : start + _AT_ONCE]
            clean = [text for text in map(cleaned, given) if text]
            passed["blank"] += len(given) - len(clean)
            if clean:
                yield _pair(clean, find, rows, quirks, passed)
            bar.advance(len(given))


def _pair(
    clean: Sequence[str],
    find: Finder,
    rows: SentenceRows,
    quirks: Collection[str],
    passed: Counter[str],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows of cleaned sentences and of the same with places: of those that have one."""
    told = [masked(one, runs, quirks) for one, runs in zip(clean, find(clean), strict=True)]
    whole, places = rows(clean).int(), rows(told, PLACE).int()
    has_place = (places == SLOT).any(1)  # within what the model reads
    if PHOTO_QUIRK in quirks:
        kept = zip(told, has_place.tolist(), strict=True)
        return whole, rows([one if has else PHOTO for one, has in kept], PLACE).int()
    passed["without anything to mask"] += int((~has_place).sum())
    return whole[has_place], places[has_place]


def _stacked(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return rows of several lengths as one block, with -1 behind the shorter ones."""
    width = max(part.shape[1] for part in parts)
    return torch.cat(
        [functional.pad(part, (0, width - part.shape[1]), value=NO_TOKEN) for part in parts]
    )
