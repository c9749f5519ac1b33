"""The settings of `zscrgan-reference`, and what follows from them for a round."""

from __future__ import annotations

from dataclasses import dataclass

from zscr.errors import ConfigError
from zscr.train.methods.contract import Need
from zscr.train.methods.settings import check_settings
from zscr.train.methods.zscrgan.sampler import WRONG


@dataclass(frozen=True)
class Config:
    """The settings; the defaults are the released ones unless the comment says otherwise."""

    batch_size: int = 32
    gf_dim: int = 2048  # width of the generator's first layer; its second is twice as wide
    df_dim: int = 1024  # width of the critic
    embed_dim: int = 1024  # dimension of mu, of log-sigma and of the embedding
    z_dim: int = 256  # noise of the generator
    csem_lr: float = 2e-3
    generator_lr: float = 2e-4
    discriminator_lr: float = 2e-4
    kl_div_coefficient: float = 1.0
    mm_reg_coeff: float = 2.0  # multiplies the regulariser, it is no margin; ablation: 0 removes it
    clip_val: float = 0.01  # critic weights and biases stay within ± this
    e_steps: int = 100  # generator updates in a round's E-step
    critic_steps: int = 5  # critic updates before each generator update
    m_steps: int = 100  # CSEM updates in a round's M-step
    rounds: int = 600  # not published: there is no stopping rule; the curve peaks near 550
    class_texts: str = "first"  # "first": a class's first text only, as released; or "all"
    wrong_class: str = "previous"  # or ablations: "random", "nearest", "none" (see ClassSampler)
    triplet: bool = True  # ablation: false leaves Lc out of the generator's loss; CSEM keeps it
    adversarial: bool = True  # ablation: false leaves the critic out, its updates and its term
    joint: bool = False  # ablation: generator updates move CSEM too, and there is no M-step
    zero_pad_tail: bool = True  # bug: trains on zero rows where a pass runs out of classes
    allow_same_class_wrong: bool = True  # bug: with few classes a wrong pair may be a right one
    select_on_test: bool = True  # bug: the best weights are chosen on the unseen classes
    validate_every: int = 1  # rounds between looks at the split that selects
    select_by: str = "Prec@50 macro"  # the figure that the best weights maximise
    precision: str = "fp32"  # of matrix products on a GPU: fp32, tf32 or bf16
    seed: int = 7

    def __post_init__(self) -> None:
        check_settings(self, {"class_texts": ("first", "all"), "wrong_class": WRONG})
        if self.joint and not self.triplet:
            raise ConfigError(
                "joint=true trains CSEM by the generator's triplet term alone, which triplet=false "
                "removes; leave one of them out"
            )

    @property
    def critic_updates(self) -> int:
        """k, the critic updates before each generator update."""
        return self.critic_steps if self.adversarial else 0

    @property
    def csem_updates(self) -> int:
        """CSEM updates of a round's M-step."""
        return 0 if self.joint else self.m_steps

    @property
    def branches(self) -> int:
        """S: 2, the right and the wrong texts and images, or 1 without a wrong class."""
        return 1 if self.wrong_class == "none" else 2


def needs(config: Config) -> tuple[Need, ...]:
    """Return the tables that are trained on: two images or more and one text or more a class."""
    return Need("image", least=2), Need("text")
