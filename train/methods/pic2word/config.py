"""The settings of `pic2word`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zscr.errors import ConfigError
from zscr.infer.inputs.sentence import CAPTION, PLACE, Template
from zscr.train.methods.contract import LOSS
from zscr.train.methods.pic2word.masking import read_quirks
from zscr.train.methods.settings import check_settings, keep_places

IMAGES, TEXTS, EDITS = CORPORA = ("images", "texts", "edits")
IM2TEXT, PHI, VOCABULARY = MAPPERS = ("im2text", "phi", "vocabulary")
NONE, DOMAIN = CENTRES = ("none", "domain")
MOST_WORDS = 64  # of an image, as a bundle's manifest holds them
TAGGER, NAMES = FINDERS = ("tagger", "names")


@dataclass(frozen=True)
class Config:
    """The settings; the defaults are the published ones, for a mapper that is trained briefly.

    `base` and what follows from it and from the collection are filled in when a run begins.
    """

    base: str = ""  # a run of `clip`, or a pretrained dual encoder's folder or hub name
    base_sha256: str = ""  # of its manifest or of its files, filled in
    language: str = ""  # the checkpoint of a run's text encoder, if its name is not its own
    train_on: str = IMAGES  # Pic2Word; `texts`: LinCIR; `edits`: pairs of texts, one word apart
    mapper: str = IM2TEXT  # Pic2Word's; `phi`: SEARLE's and LinCIR's; or from the tower's own words
    words: int = 1  # pseudo-words that an image becomes
    centre: str = NONE  # what is taken from an embedding: nothing, or the mean of its `domain`
    domains: int = 1  # how many there are, filled in
    template: str = "a photo of * , {}"  # around a query's text, unless that has a `*` itself
    length: int = 77  # tokens of such a sentence at most, as far as the tower reads them
    sentence: str = "a photo of *"  # that images are trained in; its {} is an image's domain
    held_out: str = ""  # words of names that are not trained on; filled in for `vocabulary`
    gain: float = 3.0  # of the vocabulary's ridge
    penalty: float = 30.0  # of the same
    width: int = 512  # of the mapper's hidden layers; of `phi` four times its input's
    dropout: float = 0.1
    noise: float = 1.0  # of texts: of what is added, u · z; of edits: of z, the embedding being 1
    finder: str = TAGGER  # of `texts`: finds nouns; or the collection's `names`, or those of a file
    nouns: str = ""  # these names, filled in
    quirks: str = ""  # of `texts`: ways of LinCIR's release, with commas between
    texts: str = ""  # of `texts`: a file of sentences; without one, the collection's seen texts
    column: str = ""  # of such a file, where it is a table
    texts_sha256: str = ""  # of this file, filled in
    batch_size: int = 128
    lr: float = 1e-4
    weight_decay: float = 0.1  # of matrices
    warmup: float = 0.1  # share of the updates in which the rate rises
    falls: bool = True  # as a cosine behind that; or stays
    temperature: float = 0.05  # of InfoNCE; 0 is the base's own
    rounds: int = 200  # updates
    validate_every: int = 20
    task: str = ""  # whose validation queries select; several, joined by +, by their mean
    select_by: str = ""  # a figure of the task; without one a loss: loss/nce, of `texts` loss/mse
    precision: str = "fp32"  # of matrix products: fp32, on a GPU tf32, or bf16
    seed: int = 7

    @property
    def by_domain(self) -> bool:
        """Whether it is of interest which images are of one domain."""
        return self.centre == DOMAIN or CAPTION in self.sentence

    def __post_init__(self) -> None:
        if not self.select_by and not self.task:
            loss = "mse" if self.train_on == TEXTS else "nce"
            object.__setattr__(self, "select_by", f"{LOSS}{loss}")
        choices = {"train_on": CORPORA, "mapper": MAPPERS, "centre": CENTRES}
        check_settings(self, choices)
        if self.finder not in FINDERS and not Path(self.finder).is_file():
            raise ConfigError(
                f"setting finder={self.finder!r} is unknown; use one of {', '.join(FINDERS)}, or "
                f"name a file of nouns, one a line"
            )
        read_quirks(self.quirks)
        if self.train_on == TEXTS and self.centre != NONE:
            raise ConfigError(
                f"sentences are of no domain, so train_on={TEXTS} has no centre={self.centre}; "
                f"set centre={NONE}, or train_on={IMAGES} or {EDITS}"
            )
        if self.texts and self.train_on != TEXTS:
            raise ConfigError(
                f"setting texts={self.texts} is a file of sentences, and train_on={self.train_on} "
                f"has no use for such; set train_on={TEXTS}, or leave it out"
            )
        self._check_ranges()
        if bool(self.task) == self.select_by.startswith(LOSS):
            raise ConfigError(
                f"select_by={self.select_by} with task={self.task!r}: a figure is of the queries "
                f"of a task, so set both, or task= and a loss"
            )
        Template(self.template)
        if self.sentence.split().count(PLACE) != 1 or self.sentence.count(PLACE) != 1:
            raise ConfigError(
                f"setting sentence={self.sentence!r} must have one * for the image, with spaces "
                f"around it, as in 'a photo of *'"
            )
        keep_places(self, "base", "texts")

    def _check_ranges(self) -> None:
        if self.words > MOST_WORDS:
            raise ConfigError(f"setting words={self.words} must be at most {MOST_WORDS}")
        if not self.dropout < 1:
            raise ConfigError(f"setting dropout={self.dropout} must be below 1")
        if not self.warmup <= 1:
            raise ConfigError(f"setting warmup={self.warmup} must be at most 1")
