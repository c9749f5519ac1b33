"""How a bundle composes a query of several fields, as its manifest says: data, no code a method.

A composition is of one of three kinds. A graph of its own takes all fields at once, such as one
that turns the image into a word of the sentence. Or each field is a channel: it is embedded by its
own graph, and the channels' scores s_c = scale · (a·x) + shift, where a is the channel's vector and
x an image's, are fused into one. Or the text is asked for beside words of a vocabulary that the
image's neighbours are nearest to (FreeDom).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from zscr.errors import ConfigError
from zscr.infer.composition.fields import VALUES

LINEAR = ("sum", "weights", "slerp")  # the score of one vector
FUSIONS = (*LINEAR, "product", "harris", "cdf")
PAIRS = ("slerp", "harris", "cdf")  # of two channels, and with a value


@dataclass(frozen=True)
class Channel:
    """One field of a query as a score.

    With the unit rows v of the query's field and x of an image, s = a·x with a = v; for a text v
    may be the unit mean of what it is among other words. Of a channel that is `centred`,
    s = a·(x - the gallery's mean), a = P (v - mean); of `harris`, s is then normalised: see
    `Fusion.divisor`.

    Attributes:
        field: of the query; graph: of the bundle, which embeds it.
        template: of a text, with `{}` where it stands.
        centred: whether means are subtracted from the field's rows and from the gallery's.
        mean: file of the row (D,) that is subtracted from the field's; None is the gallery's mean.
        replaces: of a text, whether the row of what it replaces is subtracted: that of the query's
            `instead_of`, or where it says none the row (D,) in the file `instead`, if there is one.
        context: file of words, one a line, that a text is put beside, in front and behind; or None.
        projection: file of the (D, K) orthonormal columns V of P = V V', or None.
        least: the minimum that scores are normalised by; None measures it on the gallery, for a
            text with the rows of the file `samples` (T, D), unit embeddings of texts of any kind.
    """

    field: str
    graph: str
    template: str = "{}"
    centred: bool = False
    mean: str | None = None
    replaces: bool = False
    instead: str | None = None
    context: str | None = None
    projection: str | None = None
    least: float | None = None
    samples: str | None = None


@dataclass(frozen=True)
class Fusion:
    """How the channels' scores, or their vectors, become one.

    Attributes:
        kind: `sum`, `weights` and `slerp` make one vector; `product`, `harris` and `cdf` fuse
            scores, so need two lists of candidates.
        weights: of `weights`, one a channel.
        value: alpha of `slerp` and l of `cdf`, the share of the second channel; lambda of `harris`.
        divisor: of `harris`, whose scores become (s - m) / d with the channel's minimum m: `first`
            is d = |m| of the first channel for all, as the published code does, `own` each
            channel's own, as the paper says.

    Raises:
        ConfigError: an unknown kind or divisor, or a value or weights that the kind does not take.
    """

    kind: str
    weights: tuple[float, ...] = ()
    value: float | None = None
    divisor: str = "first"

    def __post_init__(self) -> None:
        if self.kind not in FUSIONS:
            raise ConfigError(f"fusion '{self.kind}' is unknown; use one of {', '.join(FUSIONS)}")
        if bool(self.weights) != (self.kind == "weights") or not all(
            map(math.isfinite, self.weights)
        ):
            raise ConfigError(
                f"the fusion {self.kind} has the weights {[*self.weights]}; give numbers to "
                f"'weights' alone, one a channel"
            )
        low, high = VALUES.get(self.kind, (None, None))
        if low is None or high is None:
            if self.value is not None:
                raise ConfigError(f"the fusion {self.kind} takes no value; leave {self.value} out")
        elif self.value is None or not low <= self.value <= high:
            raise ConfigError(
                f"the fusion {self.kind} has the value {self.value}; give one from {low:g} to "
                f"{high:g}"
            )
        if self.divisor not in ("first", "own"):
            raise ConfigError(f"divisor '{self.divisor}' is unknown; use first or own")

    @property
    def is_linear(self) -> bool:
        """Say whether the fused score is that of one vector."""
        return self.kind in LINEAR

    @property
    def number(self) -> float:
        """The value of a kind that has one."""
        assert self.value is not None, "slerp, harris and cdf have one"
        return self.value

    def check(self, channels: int) -> None:
        """Refuse another number of channels than it takes.

        Raises:
            ConfigError: says both.
        """
        wanted = 2 if self.kind in PAIRS else len(self.weights) or channels
        if channels != wanted or not channels:
            raise ConfigError(
                f"the fusion {self.kind} takes {wanted or 'some'} channels, not {channels}; use "
                f"another for a query of so many fields"
            )


@dataclass(frozen=True)
class Expansion:
    """A second search with the weighted mean of the best images and the query (BASIC).

    Attributes:
        images: how many; sharpness: what their scores are multiplied with before the softmax that
            weighs them.
    """

    images: int = 25
    sharpness: float = 0.1


@dataclass(frozen=True)
class Vocabulary:
    """FreeDom's words (Efthymiadis et al., WACV 2025).

    Attributes:
        words: file of W words, one a line; vectors: file of their unit embeddings (W, D).
        images: the query image's neighbours in the gallery that vote; nearest: words of each;
            kept: the most frequent of these, each of which is put in front of the text.
    """

    words: str
    vectors: str
    images: int = 20
    nearest: int = 7
    kept: int = 7


@dataclass(frozen=True)
class Composition:
    """A way to answer queries of several fields.

    Attributes:
        name: such as `arithmetic`, `average`, `product`, `slerp`, `basic`, `freedom`, `pic2word`.
        about: one sentence for people.
        graph: of the bundle, which takes all fields at once; then there are no channels.
        channels: one a field, in the order of `Fusion.weights`.
        gallery_mean: file of the row (D,) that is subtracted from the gallery's where channels are
            centred; None takes the mean of the index that is searched.
        moments: file (D + 1, D) of the gallery's mean and, below it, covariance, for `cdf`; None
            takes those of the index that is searched.
        expansion: of the image's channel; or None.
        vocabulary: FreeDom's words; or None.
    """

    name: str
    about: str
    graph: str | None = None
    channels: tuple[Channel, ...] = ()
    fusion: Fusion = Fusion("sum")
    gallery_mean: str | None = None
    moments: str | None = None
    expansion: Expansion | None = None
    vocabulary: Vocabulary | None = None

    @property
    def fields(self) -> frozenset[str]:
        """The fields of a query that the channels take; empty where a graph takes them."""
        return frozenset(channel.field for channel in self.channels)
