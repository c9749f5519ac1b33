"""From the name of a pretrained image network, and what of it is trained, to a `Backbone`."""

from __future__ import annotations

from zscr.errors import ConfigError
from zscr.train.vision.folder import open_published
from zscr.train.vision.frozen import Frozen
from zscr.train.vision.tokens import Tokens
from zscr.train.vision.tower import Backbone
from zscr.train.vision.transformer import open_transformer
from zscr.train.vision.upper import Upper
from zscr.train.vision.whole import Whole

KINDS = ("frozen", "upper", "tokens", "whole")


def open_backbone(
    name: str,
    kind: str,
    *,
    cut: str = "",
    width: int = 0,
    blocks: int | None = None,
    offline: bool | None = None,
) -> Backbone:
    """Open a pretrained image network.

    Args:
        name: as `--image-encoder` takes it; of `whole`, of a vision transformer of transformers.
        kind: what of it is trained: one of `KINDS`. `frozen`: nothing, its features are the rows.
            `upper`: what is behind a map, which are the rows. `tokens`: nothing, the places of its
            last map are the rows. `whole`: a vision transformer, of which pixels are the rows.
        cut: of `upper`: the name of that map in the graph; empty for the end of the first stage
            whose maps have at most `zscr.train.vision.cuts.LARGEST` numbers.
        width: of `tokens`: 0 for the map's own, or how many directions they are reduced to, which
            are fitted to the collection that `Backbone.encoder` is given.
        blocks: of `whole`: how many of the last ones are trained; None for all of it.
        offline: ask no hub.

    Raises:
        ConfigError: there is no such kind, or nothing of that name can be had.
        InputError: the network cannot be used like that.
    """
    if kind not in KINDS:
        raise ConfigError(f"a backbone is used as one of {', '.join(KINDS)}, not {kind!r:.60}")
    if kind == "whole":
        return Whole(open_transformer(name, offline=offline), blocks)
    published = open_published(name, offline=offline)
    if kind == "upper":
        return Upper(published, cut)
    return Tokens(published, width) if kind == "tokens" else Frozen(published)
