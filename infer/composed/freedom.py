"""FreeDom over an index: a query's image as words of its neighbours, each before the text."""

from __future__ import annotations

import numpy as np

from zscr.errors import ArtefactError, InputError
from zscr.infer.composed.batch import Batch
from zscr.infer.composed.channels import Reader, tell_cut
from zscr.infer.composed.files import Files
from zscr.infer.composed.gallery import Images
from zscr.infer.composition.affine import Scores
from zscr.infer.composition.composition import Channel, Vocabulary
from zscr.infer.composition.freedom import Words, frequent_words, proxies


class FreeDom:
    """Makes the vectors of a batch: Σ w_i t("{word_i} {text}"), searched as they are."""

    def __init__(
        self, vocabulary: Vocabulary, files: Files, reader: Reader, gallery: Images
    ) -> None:
        self._vocabulary, self._gallery, self._reader = vocabulary, gallery, reader
        self._names = files.words(vocabulary.words)
        self._vectors = files.rows(vocabulary.vectors)
        if len(self._names) != len(self._vectors):
            raise ArtefactError(
                f"{vocabulary.words} has {len(self._names)} words, {vocabulary.vectors} "
                f"{len(self._vectors)} rows; make the bundle anew"
            )

    def vectors(self, batch: Batch, images: Scores, text: Channel) -> Scores:
        """Return the vectors (B, D) of the images' rows (B, D) and the queries' texts."""
        found = np.zeros_like(images)
        for place in batch.sound:
            words = self._words(images[place])
            said = [self._names[row] for row in words.rows]
            batch.tell(place, f"the image is said in words: {', '.join(said)}")
            asked = text.template.replace("{}", str(batch.queries[place].text))
            try:
                rows, cut = self._reader.phrases(text.graph, [f"{word} {asked}" for word in said])
            except InputError as error:
                batch.faults[place] = f"query {batch.queries[place].id} cannot be read: {error}"
                continue
            tell_cut(batch, place, cut)
            found[place] = np.array(words.weights) @ rows
        return found

    def _words(self, image: Scores) -> Words:
        how = self._vocabulary
        near, cosines = self._gallery.nearest(image.astype(np.float32), how.images)
        voters = proxies(image, self._gallery.vectors_of(near), cosines, how.images)
        return frequent_words(voters, self._vectors, how.nearest, how.kept)
