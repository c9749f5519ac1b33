"""The settings of `cmaan`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zscr.errors import ConfigError
from zscr.train.methods.alignment.fusion import HEADS, PAIRINGS, Pairing
from zscr.train.methods.alignment.towers import FROZEN, KINDS, UPPER
from zscr.train.methods.alignment.triplet import DISTANCES, Distance
from zscr.train.methods.settings import check_settings, keep_places

SHARED = "shared"
NO_TEXTS = "none"
SOURCES = (NO_TEXTS, "names", "templates", "collection", "descriptions")  # or a JSON file
READING = (
    "described",
    "lambda_tri",
    "lambda_rn",
)  # weights of losses that texts may have a part in
LOSSES = ("contrast", "proxies", *READING)
QUESTIONS = (1, 2, 4)  # that a class may be described by


@dataclass(frozen=True)
class Config:
    """The settings, none of them from the paper, whose constants are not known here.

    A tower is `upper` (a frozen encoder cut in two, all behind the cut trained), `tokens` (a small
    transformer on a frozen encoder's map), `whole` (trained from the pixels on) or `frozen`; that
    of images may be the sketches' own, `shared`. The defaults were chosen on validation classes
    (docs/experiments.md).
    """

    backbone: str = "mobilenet_v2"  # a name, a folder, or a hub name
    backbone_sha256: str = ""  # filled in
    cut: str = ""  # of `upper`: a map's name; of a transformer, how many blocks stay frozen
    second: str = ""  # another image encoder, which stays frozen beside the towers
    second_sha256: str = ""  # filled in
    share: float = 0.5  # of the second one in a cosine
    sketch: str = UPPER
    image: str = SHARED  # one tower for both; or a kind of its own
    closed_form: bool = True  # begin at ridge regression onto the classes' codes; or at random
    penalty: float = 2e-3  # of this regression, beside rows of mean square 1
    dim: int = 256  # of the embeddings, without the second encoder's
    dropout: float = 0.3  # of pooled features
    contrast: float = 1.0  # weight of InfoNCE between the sketches and the images of a batch
    proxies: float = 1.0  # weight of the cross-entropy of both against a vector of each class
    described: float = 0.0  # weight of the same against the texts of each class
    temperature: float = 0.1  # of all three
    lambda_tri: float = 0.0  # weight of the triplets, with cross-attention where there are texts
    distance: Distance = "euclidean"  # of the triplets: this, of rows of any length, or cosine
    margin: float = 1.0  # of the triplets; ZSE-SBIR's, and of cosines .3 is usual
    lambda_rn: float = 0.0  # weight of the relation network
    tri_pre: bool = True  # triplets of what is deployed, too, which no text was fused to
    rn_pre: bool = False  # relations of tokens that no text was fused to, too: a query's
    width: int = 256  # of tokens that are aligned, and inside the transformer of `tokens`
    layers: int = 1  # of that transformer
    texts: str = NO_TEXTS  # what describes the classes in training: one of SOURCES, or a JSON file
    texts_sha256: str = ""  # filled in
    text_encoder: str = "all-MiniLM-L6-v2"  # a frozen one, as `--text-encoder` takes it
    prompts: int = 4  # texts of a class, at most
    text_pairing: Pairing = "anchor"  # all of a tuple sees the anchor's text, or each its own
    views: bool = True  # other views of the same sketches and images, too
    edges: float = 0.2  # share of the sketches that are edge maps of images
    batch_classes: int = 16
    batch_each: int = 3  # sketches of each of these, and as many images
    lr: float = 3e-4  # of towers
    head_lr: float = 2e-4  # of what is behind them
    weight_decay: float = 1e-2
    warmup: float = 0.1  # share of the updates in which the rates rise; then they fall as a cosine
    rounds: int = 5  # passes over as many sketches as there are
    validate_every: int = 5  # the start and the last round: before, the rates are not low yet
    select_by: str = "mAP"  # the figure on validation classes that the best weights maximise
    precision: str = "bf16"  # of the towers' products; everything behind them is in float32
    seed: int = 7

    def __post_init__(self) -> None:
        choices = {"sketch": KINDS, "image": (*KINDS, SHARED), "text_pairing": PAIRINGS}
        choices["distance"] = DISTANCES
        check_settings(self, choices)
        for name in ("dropout", "share"):
            if not getattr(self, name) < 1:
                raise ConfigError(f"setting {name}={getattr(self, name)} must be below 1")
        for name in ("edges", "warmup"):
            if not getattr(self, name) <= 1:
                raise ConfigError(f"setting {name}={getattr(self, name)} must be at most 1")
        if not 0.01 <= self.temperature <= 1:
            raise ConfigError(f"setting temperature={self.temperature} must be from 0.01 to 1")
        if self.prompts not in QUESTIONS:
            asked = ", ".join(map(str, QUESTIONS))
            raise ConfigError(f"setting prompts={self.prompts} must be one of {asked}")
        if self.batch_classes < 2:
            raise ConfigError(
                f"setting batch_classes={self.batch_classes} leaves no other class to tell a "
                f"sketch from; set 2 or more"
            )
        if self.rounds and not any(getattr(self, name) for name in LOSSES):
            raise ConfigError(
                f"{', '.join(LOSSES)} are 0, so there is nothing to train by; set one of them, or "
                f"rounds=0 for the start alone"
            )
        trained = {*map(self.kind_of, ("sketch", "image"))} != {FROZEN} and self.lr
        if self.rounds and not (trained or self.head_lr):
            raise ConfigError(
                f"lr={self.lr} of towers (sketch={self.sketch}, image={self.image}) and "
                f"head_lr={self.head_lr} train nothing; set head_lr, or rounds=0 "
                f"for the start alone"
            )
        self._check_towers()
        self._check_texts()

    @property
    def shared(self) -> bool:
        """Whether one tower takes sketches and images."""
        return self.image == SHARED

    def kind_of(self, domain: str) -> str:
        """Return what is trained of the network below a domain, one of `KINDS`."""
        return self.sketch if domain == "sketch" or self.shared else self.image

    @property
    def relates(self) -> bool:
        """Whether relations are learnt of tokens that no text was fused to: a query has no text."""
        return bool(self.lambda_rn) and (self.rn_pre or self.texts == NO_TEXTS)

    def _check_towers(self) -> None:
        if self.cut and UPPER not in (self.sketch, self.image):
            raise ConfigError(
                f"cut={self.cut} is of {UPPER} towers; set sketch or image to {UPPER}"
            )
        if self.second and not self.share:
            raise ConfigError(
                f"share=0 leaves nothing of second={self.second}; give it a share, or leave it out"
            )
        if self.second and self.second == self.backbone:
            raise ConfigError(
                f"second={self.second} is the backbone itself and would add nothing; name another "
                f"encoder, or leave it out"
            )
        keep_places(self, "backbone", "second")

    def _check_texts(self) -> None:
        if self.width % HEADS:
            raise ConfigError(f"setting width={self.width} must be a multiple of {HEADS}")
        if self.texts not in SOURCES and not Path(self.texts).is_file():
            raise ConfigError(
                f"setting texts={self.texts!r} is unknown; use one of {', '.join(SOURCES)}, or "
                f"name a JSON file of descriptions"
            )
        if self.texts == NO_TEXTS and self.text_pairing != "anchor":
            raise ConfigError(
                f"text_pairing={self.text_pairing} says which texts are read, and texts=none; set "
                f"texts, or leave it out"
            )
        if self.text_pairing != "anchor" and not (self.lambda_tri or self.lambda_rn):
            raise ConfigError(
                f"text_pairing={self.text_pairing} says which texts sketches and images attend to, "
                f"and lambda_tri and lambda_rn are 0; set one of them, or leave it out"
            )
        if self.texts == NO_TEXTS and self.lambda_tri and not self.tri_pre:
            raise ConfigError(
                "tri_pre=false leaves the triplets behind the attention, of which there is none "
                "where texts=none; set texts, or lambda_tri=0"
            )
        if self.rn_pre and not self.lambda_rn:
            raise ConfigError("rn_pre=true is of a loss whose weight is lambda_rn=0; set it")
        if self.texts != NO_TEXTS and not any(getattr(self, name) for name in READING):
            raise ConfigError(
                f"texts={self.texts} are read by none of the losses; set one of the weights "
                f"{', '.join(READING)}, or texts={NO_TEXTS}"
            )
        if self.described and self.texts == NO_TEXTS:
            raise ConfigError(
                f"described={self.described} is the weight of a loss against texts, and "
                f"texts={NO_TEXTS}; set texts to one of {', '.join(SOURCES[1:])}, or a JSON file"
            )
        if self.texts not in SOURCES:
            keep_places(self, "texts")
