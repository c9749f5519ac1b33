"""What a bundle gets to compose queries by: measured with its text graph on words, and its images.

Its gallery graph, and so its space, is as it would be without.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zscr.artefact import Stage
from zscr.disk import save_array
from zscr.errors import ConfigError
from zscr.export.words import Known, Words, embed_words
from zscr.infer.bundle import GALLERY
from zscr.infer.bundle_manifest import fields_of
from zscr.infer.composition.affine import Numbers
from zscr.infer.composition.basic import HARRIS, Basic, even_samples
from zscr.infer.composition.context import WORDS
from zscr.infer.composition.statistics import Statistics
from zscr.infer.composition.words import evenly
from zscr.infer.encoder import Encoder, Rows
from zscr.progress import say

COMPOSED = "composed"  # a graph of several fields
IMAGES = 256  # of a collection, by which BASIC's minima are measured
_LEAST = {"objects": 32, "styles": 8}  # of zscr's own words, that a text graph must know
_LEAST_OWN = 2  # of a list that somebody chose: a mean and a direction need no fewer
_ABOUT = {
    "arithmetic": "image + text - what the text replaces, or else the mean of styles and contexts",
    "basic": "BASIC: image, projected onto what things differ in, and text, fused by Harris",
    "basic-expanded": "the same, the image first replaced by its mean with the 25 images most like",
    "freedom": "FreeDom: the image in words of a vocabulary, each before the text",
}
_EXPANSION = {"images": 25, "sharpness": 0.1}

Channels = Sequence[Mapping[str, Any]]  # entries of the image's and of the text's


def graphs_of(graphs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return field -> the graph that takes it alone, of a manifest's entries of graphs."""
    found = dict[str, str]()
    for name, graph in sorted(graphs.items(), key=lambda one: one[0] == GALLERY):  # it comes last
        fields = fields_of(graph)
        if len(fields) == 1 and (graph["role"] == "query" or name == GALLERY):
            [field] = fields
            found.setdefault(field, name)
    return found


def composed_by_graphs(method: str, graphs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the entries of the graphs that take several fields at once."""
    entries = {}
    for name, graph in graphs.items():
        fields = sorted(fields_of(graph))
        if len(fields) > 1 and graph["role"] == "query":
            about = f"{' and '.join(fields)} at once, by a graph that was trained for it"
            entries[method if name == COMPOSED else name] = {"about": about, "graph": name}
    return entries


def told(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the manifest says of compositions, of which the first is the default."""
    return {"compositions": dict(entries), "composition": next(iter(entries))} if entries else {}


def write_compositions(
    stage: Stage,
    graphs: Mapping[str, Mapping[str, Any]],
    text: Encoder | None,
    dim: int,
    words: Words,
    images: Rows | None = None,
) -> dict[str, Any]:
    """Write the files of a bundle's compositions; return their entries in the manifest.

    Args:
        stage: the bundle.
        graphs: the manifest's entries.
        text: the graph of texts, whose rows begin with their `dim` numbers; None without one.
        words: what it is asked about.
        images: unit rows (M, D) of images of a collection, by which minima are measured; without
            them they are measured on each index.

    Raises:
        ConfigError: the user's own words are for a bundle without a graph of texts and one of
            images.
    """
    by_field = graphs_of(graphs)
    if text is None or "text" not in by_field or "image" not in by_field:
        if words.files:
            raise ConfigError(
                f"--{' and --'.join(words.files)} are for a model of texts and images, which this "
                f"is not; leave them out"
            )
        return {}
    begun = time.monotonic()
    objects = embed_words(text, dim, "things", words.objects)
    styles = embed_words(text, dim, "styles", words.styles)
    channels = [{"field": field, "graph": by_field[field]} for field in ("image", "text")]
    own = words.files or {}
    least = {name: _LEAST_OWN if name in own else count for name, count in _LEAST.items()}
    entries = _arithmetic(stage, channels, styles, least)
    entries |= _basic(stage, channels, (objects, styles), least, images)
    if words.vocabulary:
        known = embed_words(text, dim, "the vocabulary", words.vocabulary)
        entries |= _freedom(stage, channels, known)
    asked = len(words.objects) + len(words.styles) + len(words.vocabulary)
    made = ", ".join(entries) or "with no data of their own"
    say(f"compositions {made}: {asked} words in {time.monotonic() - begun:.1f} s")
    return entries


def _arithmetic(
    stage: Stage, channels: Channels, styles: Known, least: Mapping[str, int]
) -> dict[str, Any]:
    """Return image + t(new) - t(old), with the styles' mean for what a query does not say.

    The old text is one of the kind that new ones are of. What all of them share, which is most of
    what a text graph makes of any text, goes with their mean.
    """
    image, text = channels
    if len(styles.words) < least["styles"]:
        say(
            f"the model knows {len(styles.words)} of the words for styles, and fewer than "
            f"{least['styles']} make no mean: arithmetic needs what each text replaces, then"
        )
        return {}
    _save(stage, "instead.npy", styles.rows.mean(axis=0, dtype=np.float64))
    text = {**text, "replaces": True, "instead": "instead.npy"}
    return {"arithmetic": {"about": _ABOUT["arithmetic"], "channels": [image, text]}}


def _basic(
    stage: Stage,
    channels: Channels,
    words: tuple[Known, Known],
    least: Mapping[str, int],
    images: Rows | None,
) -> dict[str, Any]:
    """Return BASIC without and with its expansion; nothing where the words do not carry it."""
    objects, styles = words
    if len(objects.words) < least["objects"] or len(styles.words) < least["styles"]:
        say(
            f"the model knows {len(objects.words)} of the words for things and "
            f"{len(styles.words)} of those for styles: too few for BASIC, which takes "
            f"{least['objects']} and {least['styles']} and is left out"
        )
        return {}
    known = Basic.of(objects.rows, styles.rows)
    if not known.columns.shape[1]:
        say(
            f"the {len(objects.words)} words for things differ in no direction more than the "
            f"{len(styles.words)} for styles: BASIC is left out; give other --objects or --styles"
        )
        return {}
    samples = even_samples(objects.rows, styles.rows)
    _save(stage, "text_mean.npy", known.text_mean)
    _save(stage, "projection.npy", known.columns)
    (stage.folder / "context.txt").write_text("\n".join(evenly(objects.words, WORDS)) + "\n")
    image = {**channels[0], "centred": True, "projection": "projection.npy"}
    text = {**channels[1], "centred": True, "mean": "text_mean.npy", "context": "context.txt"}
    fusion = {"kind": HARRIS.kind, "value": HARRIS.number}
    entry = {"about": _ABOUT["basic"], "channels": [image, text], "fusion": fusion}
    if images is None:
        _save(stage, "samples.npy", samples)
        text["samples"] = "samples.npy"
    else:
        found = Statistics(images)
        _save(stage, "gallery_mean.npy", found.mean)
        image["least"] = found.least()
        text["least"] = found.least(samples - known.text_mean)
        entry["gallery_mean"] = "gallery_mean.npy"
    expanded = {**entry, "about": _ABOUT["basic-expanded"], "expansion": _EXPANSION}
    return {"basic": entry, "basic-expanded": expanded}


def _freedom(stage: Stage, channels: Channels, vocabulary: Known) -> dict[str, Any]:
    if not vocabulary.words:
        raise ConfigError(
            "the model knows no word of the vocabulary; give words that its texts are made of"
        )
    _save(stage, "vocabulary.npy", vocabulary.rows)
    (stage.folder / "vocabulary.txt").write_text("\n".join(vocabulary.words) + "\n")
    named = {"words": "vocabulary.txt", "vectors": "vocabulary.npy"}
    entry = {"about": _ABOUT["freedom"], "channels": [*channels], "vocabulary": named}
    return {"freedom": entry}


def _save(stage: Stage, name: str, rows: Numbers) -> None:
    save_array(stage.folder / name, np.ascontiguousarray(rows, np.float32))
