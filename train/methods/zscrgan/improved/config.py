"""The settings of `zscrgan`."""

from __future__ import annotations

from dataclasses import dataclass

from zscr.train.methods.contract import Need
from zscr.train.methods.settings import check_settings


@dataclass(frozen=True)
class Config:
    """The settings; the defaults were chosen on validation classes (docs/experiments.md)."""

    batch_size: int = 32  # different classes a batch: each is a negative of all others
    gf_dim: int = 256  # width of the generator's hidden layer
    df_dim: int = 256  # width of the critic
    embed_dim: int = 512  # at most; the latent has no more axes than the texts
    z_dim: int = 64  # noise of the generator
    generator_lr: float = 2e-4
    discriminator_lr: float = 2e-4
    e_steps: int = 30  # generator updates in a round's E-step
    critic_steps: int = 3  # critic updates before each generator update
    rounds: int = 6
    text_shrink: float = 0.0  # of the texts' whitening; 0 chooses on the validation classes
    csem_penalty: float = 0.0  # of CSEM, an image; 0 chooses on the validation classes
    csem_width: float = 1.0  # of CSEM's kernel; scaled images have length 1
    landmarks: int = 2048  # of CSEM's kernel, drawn among the real images; all of fewer
    latent_noise: float = 0.05  # deviation of a latent around its mean
    adversarial: float = 0.1  # weight of the critic in the generator's loss
    reconstruction: float = 10.0  # weight of |imagined - real|, mean over dimensions
    contrast: float = 10.0  # inverse temperature of the contrastive losses
    correction_decay: float = 1.0  # pulls the text encoder to where it began
    ema: float = 0.98  # decay of the averaged weights, which imagine for CSEM and for queries
    imagined: int = 2048  # imagined images in an M-step
    imagined_share: float = 0.3  # their weight beside the real ones
    mixing: float = 0.5  # an imagined latent is up to this share of a second class
    query_imagined: float = 0.25  # share of CSEM(imagined image) in a query, or 0 as folds choose
    validate_every: int = 1
    select_by: str = "mAP"  # the figure on validation classes that the best weights maximise
    precision: str = "fp32"  # of matrix products on a GPU: fp32, tf32 or bf16
    seed: int = 7

    def __post_init__(self) -> None:
        check_settings(self)


def needs(config: Config) -> tuple[Need, ...]:
    """Return the tables that are trained on: two images or more and one text or more a class."""
    return Need("image", least=2), Need("text")
