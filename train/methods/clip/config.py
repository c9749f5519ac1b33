"""The settings of `clip`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zscr.errors import ConfigError
from zscr.train.methods.settings import check_settings

FROZEN, TRAINED, LOCKED = KINDS = ("frozen", "trained", "locked")
BYTES, SPECIAL = 256, 3  # that any vocabulary has
STRIDE = 16  # pixels of a side that become one token


@dataclass(frozen=True)
class Config:
    """The settings; the defaults were chosen on validation items (docs/experiments.md).

    A tower is `frozen` (features of a frozen encoder, mapped linearly), `trained` (pixels or token
    ids through a network) or `locked` (the network of `init` as it is).
    """

    image: str = FROZEN
    text: str = FROZEN
    init: str = ""  # the folder of a pretrained dual encoder that trained towers begin with
    dim: int = 256  # of the embeddings, at most; with `init` they have its own
    image_penalty: float = 0.0  # of the start, beside a mean square of 1; 0 chooses on validation
    text_penalty: float = 0.0  # the same; 1000 leaves texts as they are, which is ridge regression
    power: float = 0.0  # of the canonical correlations in the start; 0 chooses on validation
    pixels: int = 64  # side of the images that a trained tower sees
    vocabulary: int = 4000  # byte pairs that a trained tower knows, at most
    length: int = 32  # tokens of a text that it reads
    width: int = 192  # of trained towers
    layers: int = 3  # of each
    batch_size: int = 512  # pairs; each is a negative of the others
    chunk: int = 4096  # pairs whose graph is kept; a larger batch is encoded twice (GradCache)
    lr: float = 1e-3
    weight_decay: float = 0.0  # of matrices
    dropout: float = 0.3  # of features that are mapped
    temperature: float = 0.05  # to begin with: it is learnt
    warmup: float = 0.1  # share of the updates in which the rate rises; then it falls as a cosine
    rounds: int = 10  # passes over all texts
    validate_every: int = 1
    select_by: str = "Recall@10"  # the figure on validation items that the best weights maximise
    precision: str = "fp32"  # of matrix products on a GPU: fp32, tf32 or bf16
    seed: int = 7

    def __post_init__(self) -> None:
        check_settings(self, {"image": KINDS, "text": KINDS})
        if not 0.01 <= self.temperature <= 1:
            raise ConfigError(f"setting temperature={self.temperature} must be from 0.01 to 1")
        if not self.dropout < 1:
            raise ConfigError(f"setting dropout={self.dropout} must be below 1")
        if not self.warmup <= 1:
            raise ConfigError(f"setting warmup={self.warmup} must be at most 1")
        if self.pixels % STRIDE:
            raise ConfigError(f"setting pixels={self.pixels} must be a multiple of {STRIDE}")
        if self.width % 8:
            raise ConfigError(f"setting width={self.width} must be a multiple of 8")
        if self.vocabulary < BYTES + SPECIAL:
            raise ConfigError(
                f"setting vocabulary={self.vocabulary} must be at least {BYTES + SPECIAL}: "
                f"{BYTES} bytes and {SPECIAL} special tokens"
            )
        self._check_init()

    def _check_init(self) -> None:
        if self.init:  # a run is gone on with from any folder
            object.__setattr__(self, "init", str(Path(self.init).absolute()))
        kinds = {self.image, self.text}
        if LOCKED in kinds and not self.init:
            raise ConfigError(f"a tower that is {LOCKED} is that of init=FOLDER, which is not set")
        if kinds == {LOCKED}:
            raise ConfigError(f"both towers are {LOCKED}, so nothing is trained; set one otherwise")
        if self.init and kinds == {FROZEN}:
            raise ConfigError(
                f"init={self.init} is for towers that are trained; set image={TRAINED} or "
                f"text={TRAINED}, or leave init out"
            )
