"""FreeDom as a control: an image becomes words of a vocabulary, each put in front of the text.

Efthymiadis et al., WACV 2025, whose published vocabulary is that of Open Images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from zscr.infer.composition.composition import Vocabulary
from zscr.infer.composition.freedom import Words, frequent_words, proxies
from zscr.infer.evaluation.controls.control import unit
from zscr.infer.evaluation.controls.fusions import Parts, Way
from zscr.infer.evaluation.controls.neighbours import neighbours
from zscr.infer.evaluation.controls.selected import Values
from zscr.infer.evaluation.embedded import Embedded, Vectors
from zscr.infer.evaluation.ranked import Ranked
from zscr.infer.evaluation.ranking import Cosines

Encode = Callable[[Sequence[str]], Vectors]  # texts -> unit rows (N, D)


def freedom_way(words: Sequence[str], vectors: Vectors, encode: Encode, about: str) -> Way:
    """Return FreeDom with its published numbers.

    Args:
        words: W of a vocabulary; vectors: their unit embeddings (W, D).
        encode: embeds texts in the same space.
        about: which vocabulary it is.
    """
    sizes = Vocabulary("", "")  # no files: the published numbers

    def rank(parts: Parts, _: Values) -> Ranked:
        voted = _voted(parts, vectors, sizes)
        asked = [
            [f"{words[row]} {text}" for row in one.rows]
            for one, text in zip(voted, parts.texts, strict=True)
        ]
        place = {text: n for n, text in enumerate(dict.fromkeys(t for each in asked for t in each))}
        rows = encode([*place])
        queries = [
            np.array(one.weights) @ rows[[place[text] for text in texts]]
            for one, texts in zip(voted, asked, strict=True)
        ]
        return Embedded(parts.task, unit(np.stack(queries)), parts.gallery)

    return Way("FreeDom", rank, about=about)


def _voted(parts: Parts, vectors: Vectors, sizes: Vocabulary) -> list[Words]:
    """Return the words that each query's neighbours in the gallery are nearest to."""
    found = neighbours(parts.task, Cosines(parts.image, parts.gallery), sizes.images)
    return [
        frequent_words(
            proxies(query, parts.gallery[places], scores, sizes.images),
            vectors,
            sizes.nearest,
            sizes.kept,
        )
        for query, (places, scores) in zip(parts.image, found, strict=True)
    ]
