"""`zscr find` beside bare imports, `zscr query` and the encoder alone: seconds and peak memory.

    python benchmarks/find.py --photos photos/ --indexing

The model is a CLIP of random weights (seed 0) with a ViT of 12 million parameters, saved by
transformers and exported by `zscr export clip:…`, or any bundle (`--model`).

Searching: the folder is indexed; then processes of `python -c "import …"`, `zscr query` over the
same index and `zscr find` take turns, so that all see the same noise of the machine.

Indexing (`--indexing`): each `zscr find` has a new home; `alone` decodes the same photos and runs
the gallery's graph on them in batches, as many threads, in a process that has imported all. Of a
quarter of the photos the peak memory is measured, too: what more photos take is what is kept of
them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from machine import describe

RESULTS = Path(__file__).parent / "results"
BARE = "import numpy, onnxruntime, tokenizers, click"
ALONE = """
import sys, time
from pathlib import Path
from zscr.data.records import Query
from zscr.data.walk import find_images
from zscr.infer.bundle import Bundle
from zscr.infer.runners.runner import Runtime

model, photos, threads = sys.argv[1:]
gallery = Bundle.open(Path(model), Runtime(threads=int(threads))).gallery
queries = Query.of("image", find_images(Path(photos)))
gallery.encode(queries[:32])
start, cpu = time.perf_counter(), time.process_time()
gallery.encode(queries)
print(time.perf_counter() - start, time.process_time() - cpu)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a bundle [a small CLIP of random weights]")
    parser.add_argument("--photos", type=Path, required=True, help="a folder of real photos")
    parser.add_argument("--text", default="a dog on the beach")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--indexing", action="store_true", help="also measure indexing")
    parser.add_argument("--turns", type=int, default=3, help="of indexing")
    parser.add_argument("--count", type=int, default=1000, help="photos that are indexed")
    arguments = parser.parse_args()
    result: dict[str, Any] = {"benchmark": "zscr find", "text": arguments.text}
    with tempfile.TemporaryDirectory() as name:
        arguments.model = arguments.model or apart(random_clip, Path(name))
        result |= {"model": arguments.model.name, "threads": arguments.threads}
        result["searching"] = searching(arguments, Path(name))
        if arguments.indexing:
            result["indexing"] = indexing(arguments, Path(name))
    result["machine"] = describe()
    path = RESULTS / f"find_{result['model']}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({name: result.get(name) for name in ("searching", "indexing")}, indent=1))


def apart(make: Callable[[Path], Path], work: Path) -> Path:
    """Make a model in a process of its own: a child's peak memory begins at that of its parent."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(make, work).result()


def random_clip(work: Path) -> Path:
    """Save a CLIP of random weights and export it -> the bundle."""
    import torch
    from tokenizers import pre_tokenizers
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    from zscr.export.pretrained.job import export_pretrained

    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*signs, *(f"{sign}</w>" for sign in signs), "<|startoftext|>", "<|endoftext|>"]
    numbers = {token: number for number, token in enumerate(tokens)}
    text = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4}
    text |= {"intermediate_size": 1024, "vocab_size": len(tokens), "eos_token_id": len(tokens) - 1}
    text["bos_token_id"] = len(tokens) - 2
    vision = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 6}
    vision |= {"intermediate_size": 1536, "image_size": 224, "patch_size": 32}
    torch.manual_seed(0)
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=256)
    source = work / "random-clip"
    for part in (CLIPModel(config), CLIPTokenizer(numbers, []), CLIPImageProcessorPil()):
        part.save_pretrained(source)
    export_pretrained(str(source), work / "bundles" / source.name)
    return work / "bundles" / source.name


def searching(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Measure processes that search an indexed folder, in turns."""
    home, model = work / "home", arguments.model.resolve()
    find = finding(arguments, arguments.photos)
    run(find, home)
    time.sleep(2.5)  # files that were made a moment ago would be read again
    run(find, home)
    [index] = (path.parent for path in home.glob("indexes/*/*/manifest.json"))
    query = ["-m", "zscr.cli", "query", "--text", arguments.text, "--bundle", model]
    query += ["--index", index, "--threads", arguments.threads]
    commands = {"bare imports": ["-c", BARE], "zscr query": query, "zscr find": find}
    times: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for _ in range(arguments.repeats):
        for name, command in commands.items():
            times[name].append(run(command, home))
    found: dict[str, Any] = {
        name: {kind: round(median(one[kind] for one in runs), 4) for kind in ("seconds", "cpu")}
        for name, runs in times.items()
    }
    for kind in ("seconds", "cpu"):
        ours = found["zscr find"][kind]
        found[f"of bare imports, {kind}"] = round(ours / found["bare imports"][kind], 2)
        found[f"of zscr query, {kind}"] = round(ours / found["zscr query"][kind], 2)
    images = json.loads((index / "manifest.json").read_text())["count"]
    return {"images": images, "repeats": arguments.repeats, **found}


def indexing(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Measure how fast new photos are indexed, and how much memory is taken."""
    photos = sorted(path for path in arguments.photos.rglob("*") if path.is_file())
    photos = photos[: arguments.count]
    folders = {"all": work / "all", "quarter": work / "quarter"}
    for name, folder in folders.items():
        folder.mkdir()
        for path in photos[: len(photos) // (4 if name == "quarter" else 1)]:
            os.link(path, folder / path.name) if same_disk(path, work) else copy(path, folder)
    alone: list[list[float]] = []
    ours: list[list[float]] = []
    peaks: dict[str, list[float]] = {"all": [], "quarter": []}
    for turn in range(arguments.turns):
        command = ["-c", ALONE, arguments.model.resolve(), folders["all"], arguments.threads]
        spent = map(float, run(command, work / "home")["said"].split())
        alone.append([len(photos) / seconds for seconds in spent])
        for name, folder in folders.items():
            measured = run(finding(arguments, folder), work / f"home {name} {turn}")
            peaks[name].append(measured["peak_mb"])
            if name == "all":
                ours.append([len(photos) / measured[kind] for kind in ("seconds", "cpu")])
    found: dict[str, Any] = {"images": len(photos), "turns": arguments.turns}
    for at, kind in enumerate(("a second", "a second of CPU")):
        mine, theirs = ([turn[at] for turn in turns] for turns in (ours, alone))
        ratios = [a / b for a, b in zip(mine, theirs, strict=True)]
        found[f"encoder alone, images {kind}"] = round(median(theirs), 2)
        found[f"zscr find, images {kind}"] = round(median(mine), 2)
        found[f"of the encoder alone, {kind}"] = round(median(ratios), 3)
    return found | {"peak MB": {name: round(median(found)) for name, found in peaks.items()}}


def finding(arguments: argparse.Namespace, folder: Path) -> list[Any]:
    command = ["-m", "zscr.cli", "find", arguments.text, "--in", folder.resolve()]
    return [*command, "--model", arguments.model.resolve(), "--threads", arguments.threads]


def run(command: list[Any], home: Path) -> dict[str, Any]:
    """Run Python -> seconds, CPU seconds, peak memory, and what it said."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as told:
        start = time.perf_counter()
        child = os.posix_spawn(
            sys.executable,
            [sys.executable, *map(str, command)],
            os.environ | {"ZSCR_HOME": str(home)},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, out.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, told.fileno(), 2),
            ],
        )
        _, status, used = os.wait4(child, 0)
        seconds = time.perf_counter() - start
        out.seek(0), told.seek(0)
        if status:
            raise SystemExit(told.read().decode())
        said = out.read().decode()
    cpu = used.ru_utime + used.ru_stime
    return {"seconds": seconds, "cpu": cpu, "peak_mb": used.ru_maxrss / 1e3, "said": said}


def same_disk(path: Path, work: Path) -> bool:
    return path.stat().st_dev == work.stat().st_dev


def copy(path: Path, folder: Path) -> None:
    (folder / path.name).write_bytes(path.read_bytes())


if __name__ == "__main__":
    main()
