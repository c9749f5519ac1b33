"""From the name of a pretrained image network, and what of it is trained, to a `Backbone`."""

from __future__ import annotations

from zscr.errors import ConfigError
from zscr.train.vision.frozen import Frozen
from zscr.train.vision.network import open_network
from zscr.train.vision.states import features_of, tokens_of, upper_of
from zscr.train.vision.tokens import Tokens
from zscr.train.vision.tower import Backbone
from zscr.train.vision.transformer import Transformer
from zscr.train.vision.upper import Upper
from zscr.train.vision.whole import Whole

KINDS = ("frozen", "upper", "tokens", "whole")


def open_backbone(
    name: str, kind: str, *, cut: str = "", whole: bool = False, offline: bool | None = None
) -> Backbone:
    """Open a pretrained image network.

    Args:
        name: as `--image-encoder` takes it, or of a vision transformer of transformers.
        kind: what of it is trained: one of `KINDS`. `frozen`: nothing, its features are the rows.
            `upper`: what is behind a map, or the last blocks, below which are the rows. `tokens`:
            nothing, the places of its last map are the rows. `whole`: a transformer, of which
            pixels are the rows.
        cut: of `upper`: the name of that map in the graph; empty for the end of the first stage
            whose maps have at most `zscr.train.vision.cuts.LARGEST` numbers. Of a transformer, how
            many of its first blocks stay frozen; empty for half of them.
        whole: take the transformer where a graph lies beside it, as another tower that is `whole`
            does; of two networks in one folder both are to be the same.
        offline: ask no hub.

    Raises:
        ConfigError: there is no such kind, or nothing of that name can be had.
        InputError: the network cannot be used like that.
    """
    if kind not in KINDS:
        raise ConfigError(f"a backbone is used as one of {', '.join(KINDS)}, not {kind!r:.60}")
    network = open_network(name, whole=whole or kind == "whole", offline=offline)
    if isinstance(network, Transformer):
        return _of_transformer(network, kind, cut)
    if kind == "upper":
        return Upper(network, cut)
    return Tokens(network) if kind == "tokens" else Frozen(network)


def _of_transformer(network: Transformer, kind: str, cut: str) -> Backbone:
    if kind == "upper":
        return upper_of(network, cut)
    if kind == "tokens":
        return tokens_of(network)
    return features_of(network) if kind == "frozen" else Whole(network)
