"""A bundle as a model that is judged; needs no torch."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from zscr.data.collection import Collection, read_collection
from zscr.data.records import Query
from zscr.data.tasks import Task
from zscr.errors import ArtefactError, ConfigError, MismatchError
from zscr.infer.bundle import Bundle
from zscr.infer.composition.composition import Composition
from zscr.infer.encoder import Encoder
from zscr.infer.evaluation.naming import PRETRAINED
from zscr.infer.features.encoded import Encoded, encode_cached
from zscr.infer.pair import Pair, encode_tokens
from zscr.infer.runners.runner import Runtime
from zscr.place import find_remembered
from zscr.schema import (
    PATH,
    SHA256,
    anything,
    flag,
    integer,
    mapping,
    maybe,
    one_of,
    record,
    text,
)
from zscr.train.evaluation.bundle_composition import TaskComposer, composition_of, vocabulary_of
from zscr.train.evaluation.model import Model
from zscr.train.evaluation.reranking import Pairing

_SOURCES = record({"collection": record({"path": PATH, "relative": PATH, "sha256": SHA256})})
_PROVENANCE = {"selection": text(), "refitted": flag, "seed": integer(0, 1 << 53)}
_PROVENANCE |= {"config": mapping(anything), "versions": mapping(anything), "sources": _SOURCES}
# Of the provenance, for reports.
KEPT = ("selection", "refitted", "seed", "config", "versions", "sources")
_COPIED = {"kind": one_of(PRETRAINED), "family": text(200), "source": PATH}
_COPIED |= {"versions": mapping(anything)}
_MAY_BE = {"revision": maybe(text(200)), "licence": maybe(text(1000)), "score": text(2000)}


def _provenance(value: Any, where: str) -> None:
    """Take what is said of weights that were trained here, or of a pretrained model's."""
    pretrained = isinstance(value, dict) and value.get("kind") == PRETRAINED
    (record(_COPIED, _MAY_BE) if pretrained else record(_PROVENANCE))(value, where)


_EVALUATED = record(
    {"method": text(200), "head_settings": mapping(anything), "provenance": _provenance}
)


def open_bundle_model(
    folder: Path,
    collection: Path | None = None,
    compose: str | None = None,
    runtime: Runtime | None = None,
) -> Model:
    """Open a bundle with the collection that it was trained on, or the one at a path.

    Args:
        folder: the bundle.
        collection: another one than it was trained on.
        compose: the composition that answers queries of several fields; None is the bundle's first.
        runtime: how its graphs are run.

    Raises:
        MismatchError: the bundle's own collection has changed since.
    """
    bundle = Bundle.open(folder, runtime)
    try:
        _EVALUATED(bundle.manifest.body, "")
    except ValueError as error:
        raise ArtefactError(
            f"{folder} does not say where it comes from ({error}); export it again"
        ) from error
    found = bundle_collection(bundle, collection)
    body = bundle.manifest.body
    about = {"kind": "bundle", "method": body["method"], "head_settings": body["head_settings"]}
    about |= _about(body["provenance"])

    # Several tasks have many of their images in common: each is encoded once while this is open.
    store = Path(tempfile.mkdtemp(prefix="zscr-"))
    weakref.finalize(bundle, shutil.rmtree, store, ignore_errors=True)

    def encode(queries: Sequence[Query]) -> Encoded:
        return _encoded(bundle.route(queries[0].fields), queries, found, store)

    def encode_gallery(queries: Sequence[Query]) -> Encoded:
        return _encoded(bundle.gallery, queries, found, store)

    def encode_feature(queries: Sequence[Query]) -> Encoded:
        both = _encoded(bundle.gallery_and_feature, queries, found, store)
        return replace(both, rows=both.rows[:, bundle.dim :])

    @cache
    def composer_of(composition: Composition) -> TaskComposer:
        return TaskComposer(bundle, composition)

    def composer(task: Task) -> TaskComposer | None:
        composition = composition_of(bundle, task, compose)
        return composer_of(composition) if composition else None

    return Model(
        bundle.folder,
        about,
        found,
        bundle.answers,
        bundle.gallery.fields,
        encode,
        encode_gallery,
        encode_feature=encode_feature if bundle.has_feature else None,
        composer=composer,
        vocabulary=lambda: vocabulary_of(bundle),
        pairing=cache(partial(_pairing, bundle)),
    )


def _pairing(bundle: Bundle) -> Pairing:
    """Return what re-ranks; what was chosen when it was exported, the manifest holds.

    Raises:
        InputError: the bundle has no such graph; says why, where that is known.
    """
    pair, told = Pair(bundle), bundle.manifest.body.get("reranking")
    return Pairing(
        pair.name,
        pair.fields,
        partial(encode_tokens, pair.asked),
        partial(encode_tokens, pair.gallery),
        pair.logits,
        lambda: told or {"mix": 1.0},
    )


def _about(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return what reports say of where the weights come from."""
    if provenance.get("kind") != PRETRAINED:
        weights = {name: provenance.get(name) for name in ("run_sha256", "step")}
        return {**{name: provenance[name] for name in KEPT}, "weights": weights}
    about = {name: provenance.get(name) for name in (*_COPIED, *_MAY_BE) if name != "kind"}
    of_training = {"selection": PRETRAINED, "refitted": False, "seed": None, "config": {}}
    of_training |= {"versions": provenance["versions"], "sources": {}, "weights": None}
    return of_training | {PRETRAINED: about}


def _encoded(
    encoder: Encoder, queries: Sequence[Query], collection: Collection, store: Path
) -> Encoded:
    """Encode queries; images that cannot be used are left out where they come alone."""
    if encoder.fields not in ({"image"}, {"text"}):
        return Encoded.whole(encoder.encode(queries))
    return encode_cached(store, encoder, queries, collection)


def bundle_collection(bundle: Bundle, path: Path | None = None) -> Collection:
    """Read the collection that a bundle was trained on, or the one at `path`.

    Raises:
        ArtefactError: it is not where it was; names the places.
        ConfigError: it was trained elsewhere, and there is no `path`.
        MismatchError: the bundle's own has changed since; names both hashes.
    """
    provenance = bundle.manifest.body["provenance"]
    if path is not None:
        return read_collection(path)
    if provenance.get("kind") == PRETRAINED:
        raise ConfigError(
            f"{bundle.folder} is a pretrained model that has no collection of its own; name one "
            f"with --collection, such as a folder of images with captions.txt"
        )
    trained_on: dict[str, Any] = provenance["sources"]["collection"]
    found = read_collection(find_remembered("collection", trained_on, bundle.folder))
    if found.manifest.sha256 != trained_on["sha256"]:
        raise MismatchError(
            f"{bundle.folder} was trained on collection {trained_on['sha256'][:12]} of "
            f"{found.folder}, which is now {found.manifest.sha256[:12]}; restore it, or name a "
            f"collection with --collection"
        )
    return found
