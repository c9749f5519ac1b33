"""How a bundle composes a query of several fields, as its manifest says: data, no code a method.

A composition is of one of two kinds. A graph of its own takes all fields at once, such as one that
turns the image into a word of the sentence. Or each field is a channel: it is embedded by its own
graph, and the channels' scores s_c = scale · (a·x) + shift, where a is the channel's vector and x
an image's, are fused into one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zscr.schema import anything, file_name, integer, listing, maybe, number, one_of, record, text

FUSIONS = ("sum", "weights", "slerp", "product", "harris", "cdf")
_CHANNEL = record(
    {"field": one_of("text", "image", "sketch"), "graph": text(200, least=1)},
    {
        "template": text(1000, least=1),
        "mean": file_name,
        "instead": file_name,
        "context": file_name,
        "projection": file_name,
        "least": number(),
        "divisor": number(),
    },
)
_FUSION = record(
    {"kind": one_of(*FUSIONS)}, {"weights": listing(number(), 1, 8), "value": number()}
)
_EXPANSION = record({"images": integer(1, 1000), "sharpness": number(0)})
# What a composition's entry in a manifest may be.
COMPOSITION = record(
    {"about": text(1000)},
    {
        "graph": text(200, least=1),
        "channels": listing(_CHANNEL, 1, 8),
        "fusion": _FUSION,
        "expansion": maybe(_EXPANSION),
        "vocabulary": anything,
    },
)


@dataclass(frozen=True)
class Channel:
    """One field of a query as a score.

    With the unit rows v of the query's field and x of an image, and what is given of the others:
    q = v - mean (for a text: the mean of its contextualised forms, minus mean), a = P q,
    s = a·(x - gallery mean); then, where `least` is given, (s - least) / divisor, floored at 0.

    Attributes:
        field: of the query; graph: of the bundle, which embeds it.
        template: of a text, with `{}` where it stands.
        mean: file of the row (D,) that is subtracted from the field's, or None.
        instead: file of the row (D,) that stands for what the text replaces, where a query does not
            say it (`instead_of`): text arithmetic; None where there is no such term.
        context: file of words that a text is put beside, each in front and behind; or None.
        projection: file of the (D, K) orthonormal columns V of P = V V', or None.
        least, divisor: of the normalisation; None leaves the score as it is.
    """

    field: str
    graph: str
    template: str = "{}"
    mean: str | None = None
    instead: str | None = None
    context: str | None = None
    projection: str | None = None
    least: float | None = None
    divisor: float | None = None


@dataclass(frozen=True)
class Fusion:
    """How the channels' scores, or their vectors, become one.

    Attributes:
        kind: `sum`, `weights` and `slerp` make one vector; `product`, `harris` and `cdf` fuse
            scores, so need two lists of candidates.
        weights: of `weights`, one a channel; value: alpha of `slerp`, lambda of `harris`, the
            text's share of `cdf`.
    """

    kind: str
    weights: tuple[float, ...] = ()
    value: float | None = None


@dataclass(frozen=True)
class Composition:
    """A way to answer queries of several fields.

    Attributes:
        name: such as `arithmetic`, `average`, `product`, `slerp`, `basic`, `freedom`, `pic2word`.
        about: one sentence for people.
        graph: of the bundle, which takes all fields at once; then there are no channels.
        channels: one a field, in the order of `Fusion.weights`.
        expansion: `images` and `sharpness` of a second search with the best images' mean; or None.
        vocabulary: files and numbers of FreeDom's words; or None.
    """

    name: str
    about: str
    graph: str | None = None
    channels: tuple[Channel, ...] = ()
    fusion: Fusion = Fusion("sum")
    expansion: Mapping[str, Any] | None = None
    vocabulary: Mapping[str, Any] | None = field(default=None)

    @property
    def fields(self) -> frozenset[str]:
        """The fields of a query that the channels take; empty where a graph takes them."""
        return frozenset(channel.field for channel in self.channels)
