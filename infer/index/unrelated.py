"""Texts that an index has nothing for, of the bundle's own examples, to calibrate it by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from zscr.arrays import npy_from
from zscr.artefact import read_verified
from zscr.data.records import Query
from zscr.errors import ArtefactError
from zscr.infer.bundle import Bundle
from zscr.infer.encoder import Encoder, Rows
from zscr.infer.index.calibration import MOST, Unrelated
from zscr.infer.index.entry import Entry
from zscr.infer.reading import encode_readable

TEXT = frozenset({"text"})
FILE = "unrelated.npy"  # of a bundle: its embeddings of `_CAPTIONS`' mixes, the same for any index
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
    bundle: Bundle, entries: Iterable[Entry], known: Unrelated | None
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
    if not bundle.examples:
        return _common(bundle, graph)
    examples = bundle.examples
    texts = _sample([*examples]) if by_class else _mixes([*examples])
    rows, vectors = encode_readable(bundle.route(TEXT), Query.of("text", texts))
    if not rows:
        return None
    if by_class:
        own = tuple(examples[texts[row]] for row in rows)
        return Unrelated(graph, "examples, each without the images of its class", vectors, own)
    return Unrelated(graph, "mixes of the examples' words", vectors, (None,) * len(rows))


def common_mixes(encoder: Encoder) -> Rows:
    """Embed mixes of common English words -> (N, D), for a bundle that has no examples."""
    return encode_readable(encoder, Query.of("text", _mixes(_CAPTIONS)))[1]


def _common(bundle: Bundle, graph: str) -> Unrelated | None:
    """Return the bundle's own embeddings of common words' mixes, or make them."""
    kept = FILE in bundle.manifest.files
    vectors = _kept(bundle) if kept else common_mixes(bundle.route(TEXT))
    if not len(vectors):
        return None
    return Unrelated(graph, "mixes of common English words", vectors, (None,) * len(vectors))


def _kept(bundle: Bundle) -> Rows:
    """Read what was embedded when the bundle was made.

    Raises:
        ArtefactError: it is damaged, or no unit rows of the bundle's dimension.
    """
    raw = read_verified(bundle.folder, bundle.manifest, FILE)
    try:
        rows = npy_from(raw, FILE)
    except ValueError as error:
        raise ArtefactError(f"{bundle.folder / FILE}: {error}") from error
    fits = rows.dtype == np.float32 and rows.ndim == 2 and rows.shape[1] == bundle.dim
    if not fits or len(rows) > MOST or not np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3):
        raise ArtefactError(
            f"{bundle.folder / FILE} holds no unit rows of {bundle.dim} numbers, at most {MOST}; "
            f"export the bundle again"
        )
    return rows


def _sample(texts: Sequence[str]) -> list[str]:
    places = np.unique(np.linspace(0, len(texts) - 1, MOST).astype(np.int64))
    return [texts[place] for place in places]


def _mixes(texts: Sequence[str]) -> list[str]:
    """Return texts as long as the given ones, of words that are drawn from all of these."""
    rng, words = np.random.default_rng(0), [word for text in texts for word in text.split()]
    lengths = [len(texts[number % len(texts)].split()) for number in range(MOST)]
    return [" ".join(rng.choice(words, length)) for length in lengths]
