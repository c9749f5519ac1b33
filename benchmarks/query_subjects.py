"""What `query_latency.py` compares: a searcher, and the same query by eager torch and hnswlib."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hnswlib
import numpy as np
import onnx
import torch
from torch import nn
from transformers import AutoModel
from zscrgan_turns import SIZES, new_method

from zscr.artefact import dump_jsonl, hash_file, staged
from zscr.data.records import Query
from zscr.export.heads import DeployedHead, build_graph
from zscr.infer.bundle import KIND, Bundle, space_of
from zscr.infer.encoder import Rows
from zscr.infer.index.entry import Entry
from zscr.infer.index.index import Index
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher
from zscr.train.encoders.resolve import packaged_minilm
from zscr.train.methods.zscrgan.reference.method import Config, Method
from zscr.train.run import open_run

K = 10
M, EF_CONSTRUCTION, EF = 16, 200, 64  # of the plain hnswlib index
_CLASSES = 200  # CUB's
_SAMPLE = 256  # other queries, by which the index chooses its search
_SAME = 1e-5  # of a component: both must be the same model


@dataclass(frozen=True)
class Subject:
    """A model and its images, by zscr and by torch.

    Attributes:
        searcher: what is measured; fields: of its queries.
        queries: what is asked, in this order.
        embed: the same model in eager torch, of one query.
        found: the nearest images of a row, by plain hnswlib.
    """

    searcher: Searcher
    fields: frozenset[str]
    queries: list[Query]
    embed: Callable[[Query], Rows]
    found: Callable[[Rows], Any]

    def check(self) -> None:
        """Prove that both embed a query alike."""
        encoder = self.searcher.bundle.route(self.fields)
        ours, theirs = encoder.encode(self.queries[:1]), self.embed(self.queries[0])
        difference = float(np.abs(ours - theirs).max())
        if difference > _SAME:
            raise SystemExit(f"they are not the same model: {difference:.1e}")

    def recall(self) -> dict[str, float]:
        """Return the share of the exact first K that each way to search finds."""
        index, encoder = self.searcher.index, self.searcher.bundle.route(self.fields)
        rows = encoder.encode(self.queries[:200])
        exact = np.argsort(-rows @ np.asarray(index.vectors, np.float32).T, axis=1)[:, :K]
        row_of = {entry.id: row for row, entry in enumerate(index.entries)}
        ours = [[row_of[match.entry.id] for match in one] for one in index.search(rows, K)]
        return {"zscr": shared(exact, ours), "hnswlib": shared(exact, self.found(rows)[0])}


def shared(exact: Any, found: Any) -> float:
    pairs = zip(np.asarray(exact).tolist(), np.asarray(found).tolist(), strict=True)
    return float(np.mean([len({*a} & {*map(int, b)}) / len(a) for a, b in pairs]))


def plain_hnswlib(vectors: Rows) -> Callable[[Rows], Any]:
    """Return hnswlib's own search over vectors, on one thread."""
    index = hnswlib.Index("ip", vectors.shape[1])
    index.init_index(len(vectors), M=M, ef_construction=EF_CONSTRUCTION, random_seed=7)
    index.add_items(vectors, num_threads=1)
    index.set_ef(EF)
    return lambda rows: index.knn_query(rows, K, num_threads=1)


def demo(folder: Path, count: int, runtime: Runtime, seed: int) -> Subject:
    """Ask captions of a bundle that was trained on MiniLM's features."""
    searcher = Searcher.open(folder, runtime=runtime)
    body = searcher.bundle.manifest.body
    method = open_run(Path(body["provenance"]["run"])).load_model()
    head = method.heads(**body["head_settings"])["text"].module
    encoder = searcher.bundle.route(frozenset({"text"}))
    if "attention_mask" not in encoder.inputs[0].names:
        raise SystemExit(f"{folder} has no MiniLM; zscr train --text-encoder all-MiniLM-L6-v2")
    model = AutoModel.from_pretrained(packaged_minilm()).eval()

    @torch.inference_mode()
    def embed(query: Query) -> Rows:
        feeds = {
            name: torch.from_numpy(array) for name, array in encoder.prepare([query]).feeds.items()
        }
        states = model(**feeds).last_hidden_state
        weight = feeds["attention_mask"][:, :, None].float()
        pooled = (states * weight).sum(1) / weight.sum(1)
        return head(torch.nn.functional.normalize(pooled, dim=1)).numpy()

    rng = np.random.default_rng(seed)
    texts = map(str, rng.choice(list(searcher.bundle.examples), count))
    found = plain_hnswlib(np.asarray(searcher.index.vectors, np.float32))
    return Subject(searcher, frozenset({"text"}), Query.of("text", texts), embed, found)


def published(folder: Path, count: int, images: int, runtime: Runtime, seed: int) -> Subject:
    """Ask vectors of ZSCRGAN at its published sizes, with random weights.

    Texts are drawn around 200 classes. Images lie where training would have put them: where other
    texts of their class are, moved by one vector that all of them share, as long as a text is from
    the mean of all. (An untrained CSEM maps images to one place, and texts to another.)
    """
    method = published_method(seed)
    heads = method.heads()
    bundle = write_published(folder / "published", method, runtime)
    rng, size = np.random.default_rng(seed), SIZES["published"]
    centres = rng.standard_normal((_CLASSES, size.text), np.float32)
    encoder = bundle.route(frozenset({"vector"}))

    def drawn(number: int) -> list[Query]:
        noise = rng.standard_normal((number, size.text), np.float32)
        return Query.of("vector", centres[rng.integers(0, _CLASSES, number)] + noise)

    vectors = encoder.encode(drawn(images))
    apart = np.linalg.norm(vectors - vectors.mean(axis=0), axis=1).mean()
    gap = rng.standard_normal(vectors.shape[1], np.float32)
    vectors += apart * gap / np.linalg.norm(gap)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    entries = [Entry(f"{number:06}", f"{number:064x}") for number in range(images)]
    queries, rows = drawn(count), encoder.encode(drawn(_SAMPLE))
    index = Index.create(
        folder / "published.index",
        space=bundle.space,
        bundle_name=bundle.name,
        entries=entries,
        vectors=vectors,
        queries=rows,
    )

    @torch.inference_mode()
    def embed(query: Query) -> Rows:
        return heads["text"].module(torch.from_numpy(query.vector)[None]).numpy()

    searcher = Searcher(bundle, index)
    return Subject(searcher, frozenset({"vector"}), queries, embed, plain_hnswlib(vectors))


def published_method(seed: int) -> Method:
    """Make ZSCRGAN as it was published, untrained."""
    return new_method(SIZES["published"], Config(seed=seed), "cpu")


def write_published(folder: Path, method: Method, runtime: Runtime) -> Bundle:
    """Write the bundle of a method that takes published vectors, without its proof."""
    size = SIZES["published"]
    shapes = {"text": (size.text,), "gallery": (size.image,)}
    deployed = [
        DeployedHead(name, head, (None,), (shapes[name],)) for name, head in method.heads().items()
    ]
    with staged(folder, KIND) as stage:
        for one in deployed:
            onnx.save(build_graph(one), stage.folder / f"{one.name}.onnx")
        (stage.folder / "examples.jsonl").write_bytes(dump_jsonl([]))
        dim, gallery = method.config.embed_dim, deployed[1]
        space = space_of(hash_file(stage.folder / "gallery.onnx"), gallery.specs, dim, "cosine")
        graphs = {
            one.name: {
                "role": one.head.role,
                "output": one.output,
                "inputs": one.specs,
                "variants": {"fp32": {"file": f"{one.name}.onnx"}},
            }
            for one in deployed
        }
        stage.body |= {"dim": dim, "space": space, "default_precision": "fp32", "graphs": graphs}
    return Bundle.open(folder, runtime)


class Imagining(nn.Module):
    """Generator and CSEM alone, from latents: what the bandwidth floor is of."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.generator, self.csem = method.networks.generator, method.networks.csem
        self.noise = method.config.z_dim

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Map (B, E) -> (B, E)."""
        silent = torch.zeros_like(latents[:, :1]).expand(-1, self.noise)
        found: torch.Tensor = self.csem(self.generator(latents, silent))
        return found

    @property
    def bytes(self) -> int:
        """Of the weights, each of which a query reads once."""
        return sum(4 * one.numel() for one in self.parameters())
