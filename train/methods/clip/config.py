"""The settings of `clip`."""

from __future__ import annotations

from dataclasses import dataclass

from zscr.train.methods.contract import Need
from zscr.train.methods.settings import check_settings


@dataclass(frozen=True)
class Config:
    """The settings; the defaults were chosen on validation items (docs/experiments.md)."""

    dim: int = 256  # of the embeddings, at most
    image_penalty: float = 0.0  # of the start, beside a mean square of 1; 0 chooses on validation
    text_penalty: float = 0.0  # the same; 1000 leaves texts as they are, which is ridge regression
    power: float = 0.0  # of the canonical correlations in the start; 0 chooses on validation
    batch_size: int = 512  # pairs; each is a negative of the others
    chunk: int = 4096  # pairs whose graph is kept; a larger batch is encoded twice (GradCache)
    lr: float = 1e-4
    weight_decay: float = 0.0
    dropout: float = 0.3  # of features that are mapped
    temperature: float = 0.05  # to begin with: it is learnt
    warmup: float = 0.1  # share of the updates in which the rate rises; then it falls as a cosine
    rounds: int = 10  # passes over all texts
    validate_every: int = 1
    select_by: str = "Recall@10"  # the figure on validation items that the best weights maximise
    precision: str = "fp32"  # of matrix products on a GPU: fp32, tf32 or bf16
    seed: int = 7

    def __post_init__(self) -> None:
        check_settings(self)


def needs(config: Config) -> tuple[Need, ...]:
    """Return the tables that are trained on: items with an image and texts of their own."""
    return Need("image", per="item"), Need("text", per="item")
