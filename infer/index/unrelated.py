"""Texts that an index has nothing for, of the bundle's own examples, to calibrate it by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zscr.data.records import Query
from zscr.infer.bundle import Bundle
from zscr.infer.index.calibration import MOST, Unrelated
from zscr.infer.index.entry import Entry
from zscr.infer.reading import encode_readable

TEXT = frozenset({"text"})
# Captions of things of every kind, for a model that comes without examples of its own.
_CAPTIONS = """a brown dog asleep on a wooden chair
two children play football in the park after school
an old map of the city with streets and rivers
a bowl of green soup beside bread and a silver spoon
the engineer repairs a yellow engine in the workshop
a red bicycle leans against a brick wall in the rain
snow on a mountain above a quiet frozen lake
people wait for the night train under a clock
a doctor writes a letter about medicine and money
fresh oranges and fish at the market near the harbour
a black and white drawing of a dancing woman
three horses run along the beach at sunset
a computer screen full of numbers and small letters
the bride holds white flowers in front of a church
a broken glass bottle in the grass behind the garage
musicians with violins and drums on a large stage
a small plane flies over fields of yellow wheat
a cat looks out of the kitchen window at the birds
a soldier in a blue uniform carries a heavy box
the teacher points at a chart of the human heart""".splitlines()


def unrelated_texts(
    bundle: Bundle, entries: Sequence[Entry], known: Unrelated | None
) -> Unrelated | None:
    """Embed texts of which it is known to which images they are unrelated.

    Where all images have classes, these are the bundle's examples: each is unrelated to the images
    of other classes. Where they do not, as in a folder of photos, nobody can tell which examples
    are about them; then they are mixes of the examples' words, which describe nothing. A bundle
    without examples, such as one of a pretrained model, has mixes of common English words.

    Args:
        bundle: that answers queries of text; of any other there is None.
        entries: all images of the index, in the state that is to be calibrated.
        known: what the index holds already.

    Returns:
        At most `MOST` texts; None where there are none, or `known` will do.
    """
    if TEXT not in bundle.takes:
        return None
    graph = bundle.key_of(TEXT)
    by_class = bool(bundle.examples) and all(entry.class_id for entry in entries)
    if known is not None and (known.graph, known.has_classes) == (graph, by_class):
        return None
    examples = dict(bundle.examples)
    texts = _sample([*examples]) if by_class else _mixes([*examples] or _CAPTIONS)
    rows, vectors = encode_readable(bundle.route(TEXT), Query.of("text", texts))
    if not rows:
        return None
    if by_class:
        own = tuple(examples[texts[row]] for row in rows)
        return Unrelated(graph, "examples, each without the images of its class", vectors, own)
    of = "mixes of the examples' words" if examples else "mixes of common English words"
    return Unrelated(graph, of, vectors, (None,) * len(rows))


def _sample(texts: Sequence[str]) -> list[str]:
    places = np.unique(np.linspace(0, len(texts) - 1, MOST).astype(np.int64))
    return [texts[place] for place in places]


def _mixes(texts: Sequence[str]) -> list[str]:
    """Return texts as long as the given ones, of words that are drawn from all of these."""
    rng, words = np.random.default_rng(0), [word for text in texts for word in text.split()]
    lengths = [len(texts[number % len(texts)].split()) for number in range(MOST)]
    return [" ".join(rng.choice(words, length)) for length in lengths]
