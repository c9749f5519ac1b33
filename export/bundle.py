"""From a run to a bundle: graphs, tokenizer, examples, proof; published only if the proof holds."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from zscr.artefact import Stage, dump_jsonl, read_manifest, staged
from zscr.data.collection import Collection
from zscr.data.records import Query
from zscr.disk import require_space
from zscr.errors import CollectionError
from zscr.export.card import CARD, card_of, data_of
from zscr.export.composition import IMAGES, composed_by_graphs, graphs_of, told, write_compositions
from zscr.export.heads import Build, DeployedHead, build_graph, deployed_heads
from zscr.export.pairs import kept_heads, write_pair
from zscr.export.parity import by_torch
from zscr.export.proof import opened, proven
from zscr.export.samples import samples_of
from zscr.export.words import Words, read_words
from zscr.infer.bundle import GALLERY, KIND, Bundle
from zscr.infer.bundle_manifest import PAIR
from zscr.infer.encoder import Encoder, Rows
from zscr.progress import say
from zscr.train.heads import tokens_of
from zscr.train.methods.contract import Head
from zscr.train.methods.settings import as_dict, make_head_settings
from zscr.train.pairs import pair_of
from zscr.train.run import Run, versions
from zscr.train.sources import load_sources, sources_of

EXAMPLES = 10  # texts a class kept in the bundle, to mark answers right or wrong


def export_run(
    run: Run,
    out: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    build: Build | None = None,
    numbered: bool = False,
    words: Words | None = None,
    reranking: Mapping[str, Any] | None = None,
) -> Bundle:
    """Write the bundle `out` from a run's final weights.

    Args:
        run: a validated run.
        out: the bundle's folder; must not exist.
        settings: of the method's heads, such as `{"noise_samples": 8}`.
        build: makes the graph of a head; None is `build_graph`.
        numbered: make the first `<out>-<number>` that is free.
        words: that its compositions are made with; None are zscr's own.
        reranking: what was chosen of it; None tries it on the validation classes.

    Raises:
        ArtefactError: the run has no final weights, or `out` exists.
        ConfigError: the heads have no such setting, a graph could not be fed by queries, or there
            are words of a user's for a model that composes nothing.
        MismatchError: the collection or an encoder has changed since the training.
        ParityError: a graph differs from the trained model; nothing is written.
    """
    collection, encoders = load_sources(run)
    method = run.load_model()
    chosen = make_head_settings(run.method, method, settings or {})
    heads, told_of_pair = kept_heads(run, method.heads(**chosen), chosen, reranking)
    pair = pair_of(heads)
    alone = {name: head for name, head in heads.items() if head.role != PAIR}
    deployed = deployed_heads(alone, encoders, run.shapes)
    require_space(out, sum(_size(encoder) for one in deployed for encoder in one.encoders))
    with staged(out, KIND, numbered=numbered) as stage:
        stage.body |= {"method": run.method, "head_settings": chosen}
        words = words or read_words()
        made_of = _provenance(run, sources_of(collection, encoders, out))
        made_of |= {"words": words.files, "data": data_of(collection)}
        stage.body |= {"provenance": made_of}
        for one in deployed:
            say(f"exporting {one.name}.onnx")
            onnx.save((build or build_graph)(one), stage.folder / f"{one.name}.onnx")
        _copy_tokenizers(stage, deployed)
        if any(spec["field"] == "text" for one in deployed for spec in one.specs):
            _write_examples(stage, collection)
        samples = {one.name: samples_of(collection, one) for one in deployed}
        stage.body |= told_of_pair | proven(stage, deployed, samples)
        if pair:
            stage.body["graphs"][pair[0]] = _pair_entry(stage, *pair, deployed, samples)
        stage.body |= _composed(stage, run.method, collection, deployed, words)
        (stage.folder / CARD).write_text(card_of(stage.body), "utf-8")
    return Bundle.open(stage.path)


def _pair_entry(
    stage: Stage,
    name: str,
    head: Head,
    deployed: Sequence[DeployedHead],
    samples: Mapping[str, Sequence[Query]],
) -> dict[str, Any]:
    """Write the graph that re-ranks, once those whose tokens it takes are proven."""
    say(f"exporting {name}.onnx")
    of = {one.name: one for one in deployed}
    tokens = {}
    for port in head.ports:
        one = of[port.name]
        giving = tokens_of(one.head)
        assert giving is not None, "check_pair has let it pass"
        tokens[port.name] = str(one.tokens), by_torch(replace(one, head=giving), samples[port.name])
    return write_pair(stage, name, head, tokens)


def _composed(
    stage: Stage,
    method: str,
    collection: Collection,
    deployed: Sequence[DeployedHead],
    words: Words,
) -> dict[str, Any]:
    """Return what the manifest says of compositions, once the graphs are there."""
    graphs, heads = stage.body["graphs"], {one.name: one for one in deployed}
    own, by_field = composed_by_graphs(method, graphs), graphs_of(graphs)
    text = heads.get(by_field.get("text", ""))
    encoder = images = None
    if text is not None and "image" in by_field:
        encoder = opened(stage, text, text.output)
        images = _seen_images(stage, collection, heads[GALLERY])
    entries = own | write_compositions(stage, graphs, encoder, stage.body["dim"], words, images)
    return told(entries)


def _seen_images(stage: Stage, collection: Collection, gallery: DeployedHead) -> Rows | None:
    """Embed images of the seen classes; None of a collection that has none, which is told."""
    try:
        seen = samples_of(collection, gallery, split="seen", most=IMAGES)
    except CollectionError as error:
        say(f"{error}; without them BASIC is measured on each index")
        return None
    return opened(stage, gallery, gallery.output).encode(seen)


def _size(encoder: Encoder | None) -> int:
    """Return the bytes of a frozen encoder, which becomes part of a graph."""
    return encoder.graph.stat().st_size if encoder else 0


def _copy_tokenizers(stage: Stage, deployed: Sequence[DeployedHead]) -> None:
    """Add the files that prepare the texts of the graphs."""
    for encoder in (encoder for one in deployed for encoder in one.encoders if encoder):
        for name in (str(spec["tokenizer"]) for spec in encoder.specs if "tokenizer" in spec):
            shutil.copyfile(encoder.graph.with_name(name), stage.folder / name)


def _write_examples(stage: Stage, collection: Collection) -> None:
    """Add example texts of unseen classes with the class that is right, if there are any.

    A text of several classes, such as a product's title, is no example: it has no right class.
    """
    texts = collection.texts(collection.splits["unseen"])
    owners = Counter(text for group in texts.values() for text in set(group))
    rows = [
        {"text": text, "class": name}
        for name, group in texts.items()
        for text in _spread(group)
        if owners[text] == 1
    ]
    if rows:
        (stage.folder / "examples.jsonl").write_bytes(dump_jsonl(rows))


def _spread(texts: list[str]) -> list[str]:
    """Pick at most EXAMPLES of a class's texts, evenly, without the first: its description."""
    rest = texts[1:] or texts
    return rest[:: max(1, len(rest) // EXAMPLES)][:EXAMPLES]


def _provenance(run: Run, sources: Mapping[str, Any]) -> dict[str, Any]:
    """Return where the weights come from: the run, its seed, its sources, what chose them."""
    assert run.best is not None
    return {
        "run": str(run.folder),
        "run_sha256": read_manifest(run.folder, "run").sha256,
        "selection": run.selection,
        "refitted": run.refitted,
        "step": run.best["step"],
        "seed": run.config.seed,
        "config": as_dict(run.config),
        "validation": run.best["figures"],
        "sources": dict(sources),
        "versions": versions(),
    }
