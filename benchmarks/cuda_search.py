"""Embed and search for `cuda_query.py`: 64 texts against a gallery, on the device and on the CPU.

On the device: CLIP's text tower in fp16, one product with the whole gallery in fp16, the best 4 k
compared again in fp32. By torch nothing but ids goes there and comes back. zscr's runner brings the
rows back, which its search needs: it scores what is found in fp64 and proves that it is the best.
On the CPU: onnxruntime in fp32,
then numpy's exact search of the same gallery, or hnswlib over its first images, since HNSW of all
of them takes minutes to build. The gallery is made of the texts' own embeddings with noise as
wide as they are apart, so that neighbours exist.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from cuda_models import INPUT, OUTPUT, Model, text_tower, texts
from cuda_ways import Turn, timed
from torch.nn.functional import normalize

from zscr.infer.index.exact import search_exact
from zscr.infer.index.on_device.device import Device
from zscr.infer.index.on_device.search import DeviceSearch
from zscr.infer.runners.onnx import OnnxRunner
from zscr.infer.runners.runner import Runtime
from zscr.train.cuda_graph import cuda_graph

K, WIDER, ROWS = 10, 4, 64  # images a query, times as many compared again, texts of a batch
EFS = (32, 64, 128, 256)


@dataclass
class Gallery:
    """Unit rows on the device, in fp32 and in what the product takes."""

    full: torch.Tensor
    half: torch.Tensor

    def first(self, count: int) -> Gallery:
        """Return the first images."""
        return Gallery(self.full[:count], self.half[:count])

    def exact(self, rows: torch.Tensor) -> torch.Tensor:
        """Find the best K by fp32 alone -> (B, K)."""
        return (rows @ self.full.T).topk(K).indices

    def find(self, rows: torch.Tensor) -> torch.Tensor:
        """Find the best K by one product, and an fp32 comparison of the best of it -> (B, K)."""
        wide = (rows.to(self.half.dtype) @ self.half.T).topk(WIDER * K).indices
        scores = torch.einsum("bd,bkd->bk", rows.float(), self.full[wide])
        return wide.gather(1, scores.topk(K).indices)


def search(
    arguments: argparse.Namespace,
    device: torch.device,
    found: dict[str, Any],
    left: Callable[[], float],
) -> dict[str, Any]:
    """Time all of it in turns, and compare what is found with fp32's exact search."""
    half = torch.float16 if device.type == "cuda" else torch.float32
    torch.manual_seed(arguments.seed)
    model = text_tower(arguments.size, torch.float32)
    quick = text_tower(arguments.size, half)
    for module in (quick.plain, quick.fused):
        module.load_state_dict(model.plain.state_dict())
    full, fast = model.fused.to(device), quick.fused.to(device)
    gallery = new_gallery(full, arguments.images, device, half)
    ids = texts(ROWS)
    few = gallery.first(min(arguments.hnsw, arguments.images))
    found |= {"images": len(gallery.full), "images_in_hnsw": len(few.full), "texts": ROWS, "k": K}
    reference = {len(g.full): g.exact(embed(full, ids.to(device))).cpu() for g in (gallery, few)}
    turns: dict[str, Turn] = {}
    for one in (gallery, few):
        turns |= on_device(fast, one, ids, device)
    turns |= by_zscr(quick, (gallery, few), ids, device, found)
    turns |= on_cpu(model, gallery, few, ids, found, left)
    recalls = {
        name: recall(np.asarray(turn()), reference[int(name.rsplit(" ", 1)[1])].numpy())
        for name, turn in turns.items()
    }
    rows = embed(fast, ids.to(device)).float()
    alone = recall(gallery.find(rows).cpu().numpy(), gallery.exact(rows).cpu().numpy())
    found |= {"times": timed(turns, 3 * arguments.turn_seconds), "recall_at_10": recalls}
    return found | {"recall_at_10_of_the_search_alone_on_the_device": alone}


def embed(tower: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    return normalize(tower(ids), dim=1)


def new_gallery(
    tower: torch.nn.Module, count: int, device: torch.device, half: torch.dtype
) -> Gallery:
    """Make a gallery around embeddings of texts."""
    parts = [embed(tower, texts(512).to(device)) for _ in range(min(16, -(-count // 512)))]
    base = torch.cat(parts)
    wide, full = base.std(0).mean(), torch.empty(count, base.shape[1], device=device)
    for start in range(0, count, 1 << 16):
        part = full[start : start + (1 << 16)]
        middles = base[torch.randint(len(base), (len(part),), device=device)]
        part.copy_(normalize(middles + wide * torch.randn_like(middles), dim=1))
    return Gallery(full, full.to(half))


def on_device(
    tower: torch.nn.Module, gallery: Gallery, ids: torch.Tensor, device: torch.device
) -> dict[str, Turn]:
    """Return embed and search from ids of the host to ids of the host, eager and recorded."""
    there, images = ids.to(device), len(gallery.full)

    def whole() -> torch.Tensor:
        return gallery.find(embed(tower, there))

    def eager() -> torch.Tensor:
        there.copy_(ids)
        return whole().cpu()

    turns: dict[str, Turn] = {f"{device.type}, torch eager, {images}": eager}
    if device.type == "cuda":
        aside = torch.cuda.Stream()
        with torch.cuda.stream(aside):
            for _ in range(3):
                whole()
        torch.cuda.synchronize()
        replay, best = cuda_graph(whole)
        turns[f"cuda, CUDA graph, {images}"] = lambda: (there.copy_(ids), replay(), best.cpu())[2]
        rows = embed(tower, there)
        turns[f"cuda, the search alone, {images}"] = lambda: gallery.find(rows).cpu()
    return turns


def by_zscr(
    model: Model,
    galleries: Sequence[Gallery],
    ids: torch.Tensor,
    device: torch.device,
    found: dict[str, Any],
) -> dict[str, Turn]:
    """Return embed and search as zscr does both on the device, and the search alone.

    What is found is compared with exact search of the same rows on the CPU; how many queries each
    kind of products has proved is noted.
    """
    runner = OnnxRunner(model.graph, Runtime("ort-cuda" if device.type == "cuda" else "ort-cpu"))
    computes, turns = Device("cuda" if device.type == "cuda" else "cpu"), dict[str, Turn]()
    found["zscr"] = {"ran": runner.ran, "searched_on": computes.name, "galleries": {}}
    rows = unit_rows(runner, ids)
    for gallery in galleries:
        host, images = gallery.full.cpu().numpy(), len(gallery.full)
        free = computes.free if device.type == "cuda" else lambda: 1 << 40
        search, begin = DeviceSearch(computes, free), time.monotonic()
        lack = search.lack(host)
        found["zscr"]["galleries"][str(images)] = about = {
            "lack": lack,
            "seconds_to_copy": round(time.monotonic() - begin, 2),
        }
        if lack:
            continue
        hits, true = search.search(host, rows, K), search_exact(host, rows, K)
        about["proved_by"] = dict(search.answered)
        about["same_ids"] = bool((hits.rows == true.rows).all())
        about["same_scores"] = bool((hits.scores == true.scores).all())
        turns[f"{device.type}, zscr, {images}"] = partial(zscr_turn, runner, search, host, ids)
        turns[f"{device.type}, zscr, the search alone, {images}"] = partial(
            zscr_search, search, host, rows
        )
    return turns


def zscr_turn(
    runner: OnnxRunner, search: DeviceSearch, host: np.ndarray, ids: torch.Tensor
) -> np.ndarray:
    return zscr_search(search, host, unit_rows(runner, ids))


def zscr_search(search: DeviceSearch, host: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return search.search(host, rows, K).rows


def unit_rows(runner: OnnxRunner, ids: torch.Tensor) -> np.ndarray:
    made = runner.run({INPUT: ids.numpy()})[OUTPUT].astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def on_cpu(
    model: Model,
    gallery: Gallery,
    few: Gallery,
    ids: torch.Tensor,
    found: dict[str, Any],
    left: Callable[[], float],
) -> dict[str, Turn]:
    """Return embed and search by onnxruntime, with numpy and with hnswlib."""
    import hnswlib

    runner, host = OnnxRunner(model.graph, Runtime("ort-cpu")), gallery.full.cpu().numpy()

    def exact() -> np.ndarray:
        scores = unit_rows(runner, ids) @ host.T
        best = np.argpartition(-scores, K, axis=1)[:, :K]
        return best

    threads = len(os.sched_getaffinity(0))
    begin, index = time.monotonic(), hnswlib.Index("ip", host.shape[1])
    index.init_index(len(few.full), M=16, ef_construction=100, random_seed=7)
    index.set_num_threads(threads)
    step = 10_000
    for start in range(0, len(few.full), step):
        if left() < 40:  # what is not added is not found: said by the recall, and here
            found["hnsw_was_cut_off_at"] = start
            break
        index.add_items(host[start : min(start + step, len(few.full))])
    found["hnsw_seconds_to_build"] = round(time.monotonic() - begin, 1)
    found["threads_of_the_cpu"] = threads

    def by_hnsw(ef: int) -> Turn:
        def turn() -> np.ndarray:
            index.set_ef(ef)
            return index.knn_query(unit_rows(runner, ids), K)[0]

        return turn

    efs = EFS if index.get_current_count() >= max(EFS) else ()
    turns: dict[str, Turn] = {f"onnxruntime-CPU, numpy exact, {len(host)}": exact}
    names = {ef: f"onnxruntime-CPU, hnswlib ef {ef}, {len(few.full)}" for ef in efs}
    return turns | {name: by_hnsw(ef) for ef, name in names.items()}


def recall(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return the share of the wanted that is found."""
    pairs = zip(found.tolist(), wanted.tolist(), strict=True)
    return round(float(np.mean([len(set(a) & set(b)) / K for a, b in pairs])), 4)
