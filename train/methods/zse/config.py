"""The settings of `zse`."""

from __future__ import annotations

from dataclasses import dataclass

from zscr.errors import ConfigError
from zscr.train.methods.alignment.fusion import HEADS
from zscr.train.methods.alignment.towers import FROZEN, KINDS, UPPER
from zscr.train.methods.alignment.triplet import DISTANCES, Distance
from zscr.train.methods.settings import check_settings, keep_places


@dataclass(frozen=True)
class Config:
    """The settings; where the released code has the like, its values are the defaults.

    The released code trains a whole ViT-B/16 (`tower=whole`, `width=768`).
    """

    backbone: str = "mobilenet_v2"  # a name, a folder, or a hub name
    backbone_sha256: str = ""  # filled in
    tower: str = UPPER  # what is trained, of sketches and images alike: upper, tokens or whole
    cut: str = ""  # of `upper`: a map's name; of a transformer, how many blocks stay frozen
    width: int = 256  # of what is fused and deployed
    layers: int = 1  # of the transformer of `tokens`
    dropout: float = 0.1  # in it
    lambda_tri: float = 2.0  # weight of the triplets
    tri_pre: bool = False  # triplets of what is deployed, too
    distance: Distance = "euclidean"  # of the triplets: this, of rows of any length, or cosine
    margin: float = 1.0  # of the triplets
    lambda_rn: float = 4.0  # weight of the relation network
    rn_pre: bool = False  # relations of tokens before attention, too
    tuples: int = 10_000  # in a round
    batch_size: int = 15  # tuples, of two sketches and two images each
    lr: float = 1e-5
    weight_decay: float = 1e-2  # of all weights
    rounds: int = 30
    validate_every: int = 1
    select_by: str = "mAP"  # the figure on validation classes that the best weights maximise
    select_on_test: bool = False  # select on the unseen classes, as released
    precision: str = "fp32"  # of matrix products
    seed: int = 7

    def __post_init__(self) -> None:
        kinds = [kind for kind in KINDS if kind != FROZEN]
        check_settings(self, {"tower": kinds, "distance": DISTANCES})
        if not self.dropout < 1:
            raise ConfigError(f"setting dropout={self.dropout} must be below 1")
        if self.width % HEADS:
            raise ConfigError(f"setting width={self.width} must be a multiple of {HEADS}")
        if self.cut and self.tower != UPPER:
            raise ConfigError(f"cut={self.cut} is of the tower {UPPER}; set tower={UPPER}")
        if not (self.lambda_tri or self.lambda_rn):
            raise ConfigError("lambda_tri and lambda_rn are 0, so nothing is trained; set one")
        if self.rounds and not self.lr:
            raise ConfigError(
                f"lr={self.lr} trains nothing; raise it, or set rounds=0 for the start alone"
            )
        for part, weight in (("tri_pre", "lambda_tri"), ("rn_pre", "lambda_rn")):
            if getattr(self, part) and not getattr(self, weight):
                raise ConfigError(
                    f"{part}=true is of a loss whose weight is {weight}=0; set {weight}, or leave "
                    f"{part} out"
                )
        if self.batch_size > self.tuples:
            raise ConfigError(
                f"setting batch_size={self.batch_size} is more than the {self.tuples} tuples of a "
                f"round; lower it"
            )
        keep_places(self, "backbone")
