"""`zscr index add` of large photos beside the encoder alone: photos a second and peak memory.

    python benchmarks/index_add.py --photos photos/ --encoder mobilenet_v2/ --before ../old

Photos are real ones enlarged to a camera's sizes (12 to 48 Mpx, some turned, some progressive) and
saved as JPEG. Both checkouts index them with the same gallery graph, in turns and each in a
process of its own; `alone` is the graph on as many prepared arrays, in turns with them.
With `--own-sizes` the photos stay as they are, and are repeated if there are too few.
`--before` needs a `.venv` of its own; bundles of another schema are written by its own code.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from machine import describe
from PIL import Image, ImageOps

from zscr.infer.runners.onnx import import_onnxruntime

RESULTS = Path(__file__).parent / "results"
SIZES = ((4032, 3024), (8064, 6048), (6000, 4000), (4624, 3468))  # of phones and cameras
VARIANTS = 24  # files that are encoded; the others are copies with a comment of their own
# Run in each checkout: makes the bundle of one frozen encoder, indexes, tells time and peak.
INDEX = """
import sys, time
from pathlib import Path
import onnx
from zscr.artefact import hash_file, staged
from zscr.infer.bundle import Bundle, space_of
from zscr.infer.encoder import load_encoder
from zscr.infer.index.add import add_images
from zscr.infer.runners.runner import Runtime
from zscr.train.encoders.image import convert_image_encoder

source, photos, work, threads, memory = sys.argv[1:]
convert_image_encoder(Path(source), Path(work, "encoder"), "encoder")
encoder = load_encoder(Path(work, "encoder"), Runtime(threads=1))
specs = [dict(spec) for spec in encoder.specs]
with staged(Path(work, "bundle"), "bundle") as stage:
    graph = stage.folder / "gallery.onnx"
    model = onnx.load(encoder.graph)
    unit = onnx.helper.make_node("LpNormalization", encoder.outputs, ["unit"], axis=1, p=2)
    model.graph.node.append(unit)
    model.graph.output[0].name = "unit"
    onnx.save(model, graph)
    entry = {"role": "gallery", "output": "unit", "inputs": specs}
    stage.body |= {
        "method": "benchmark", "dim": encoder.dim, "metric": "cosine", "default_precision": "fp32",
        "space": space_of(hash_file(graph), specs, encoder.dim, "cosine"),
        "graphs": {"gallery": entry | {"variants": {"fp32": {"file": "gallery.onnx"}}}},
    }
if int(memory):
    from zscr.memory import DECODING, return_freed_memory
    DECODING.set_limit(int(memory))
    return_freed_memory()
bundle = Bundle.open(Path(work, "bundle"), Runtime(threads=int(threads)))
start = time.perf_counter()
added = add_images(bundle, Path(work, "index"), [Path(photos)])
seconds = time.perf_counter() - start
assert not added.skipped, added.skipped[0]
lines = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
print(f"\\n{added.index.count} {seconds} {peak * 1024}")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="a folder of real photos")
    parser.add_argument("--encoder", type=Path, required=True, help="a published image encoder")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", type=int, default=500_000_000, help="bytes to decode in")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--own-sizes", action="store_true", help="photos stay as they are")
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    arguments = parser.parse_args()
    checkouts = {"after": Path(__file__).parents[1]}
    if arguments.before:
        checkouts = {"before": arguments.before.resolve(), **checkouts}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    with tempfile.TemporaryDirectory() as name:
        photos = Path(name, "photos")
        write_photos(arguments.photos, photos, arguments.count, own_sizes=arguments.own_sizes)
        alone = list[float]()
        for _ in range(arguments.repeats):
            alone.append(round(encoder_alone(arguments), 2))
            for which, checkout in checkouts.items():
                runs[which].append(index(checkout, photos, arguments, old=which == "before"))
                print(which, runs[which][-1], flush=True)
    shown = ("photos", "encoder", "before")
    result = {
        "benchmark": "index add of photos, beside the encoder alone",
        **{key: value for key, value in vars(arguments).items() if key not in shown},
        "encoder_alone_photos_per_second": median(alone),
        **{which: summed_up(found) for which, found in runs.items()},
        "machine": describe(),
    }
    sizes = "own_sizes" if arguments.own_sizes else str(arguments.count)
    (RESULTS / f"index_add_{sizes}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: result[key] for key in ("encoder_alone_photos_per_second", *runs)}))


def write_photos(source: Path, folder: Path, count: int, *, own_sizes: bool) -> None:
    """Write as many distinct files as are asked for."""
    folder.mkdir()
    found = sorted(source.rglob("*.jpg"))
    kept = [path.read_bytes() for path in found[:count]]
    kept = kept if own_sizes else enlarged(found, folder / "one.jpg", count)
    for number in range(count):  # a comment tells copies apart, by which an index knows them
        comment = f"{number:08}".encode()
        content = kept[number % len(kept)]
        marker = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        (folder / f"{number:05}.jpg").write_bytes(content[:2] + marker + content[2:])


def enlarged(found: list[Path], path: Path, count: int) -> list[bytes]:
    """Return real photos at a camera's sizes, as JPEG; `path` is written and deleted."""
    kept: list[bytes] = []
    for number in range(min(count, VARIANTS)):
        exif = Image.Exif()
        exif[0x0112] = 6 if number % 3 == 2 else 1
        with Image.open(found[number * len(found) // VARIANTS]) as photo:
            large = ImageOps.fit(photo.convert("RGB"), SIZES[number % len(SIZES)])
        large.save(path, quality=90, progressive=number % 4 == 3, exif=exif)
        kept.append(path.read_bytes())
        path.unlink()
    return kept


def encoder_alone(arguments: argparse.Namespace) -> float:
    """Return how many prepared photos the encoder takes a second."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    [graph] = arguments.encoder.glob("*.onnx")
    session = onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"])
    [pixels], batches = session.get_inputs(), max(2, min(arguments.count, 256) // 32)
    shape = [32, *(size if isinstance(size, int) else 224 for size in pixels.shape[1:])]
    batch = {pixels.name: np.zeros(shape, np.float32)}
    session.run(None, batch)
    start = time.perf_counter()
    for _ in range(batches):
        session.run(None, batch)
    return 32 * batches / (time.perf_counter() - start)


def index(
    checkout: Path, photos: Path, arguments: argparse.Namespace, *, old: bool
) -> dict[str, float]:
    """Index the photos by one checkout's code, in a process and folder of its own."""
    memory = 0 if old else arguments.memory  # which an older checkout does not know
    with tempfile.TemporaryDirectory() as work:
        options = [str(arguments.encoder.resolve()), photos, work, arguments.threads, memory]
        command = [checkout / ".venv/bin/python", "-c", INDEX, *options]
        done = subprocess.run(
            list(map(str, command)), cwd=checkout, stdout=subprocess.PIPE, text=True, check=True
        )
    count, seconds, peak = map(float, done.stdout.split("\n")[-2].split())
    return {"photos_per_second": round(count / seconds, 3), "peak_mb": round(peak / 1e6)}


def summed_up(runs: list[dict[str, float]]) -> dict[str, Any]:
    """Return the median of each figure with all that it was taken of."""
    return {
        name: {"median": median(run[name] for run in runs), "all": [run[name] for run in runs]}
        for name in runs[0]
    }


if __name__ == "__main__":
    sys.exit(main())
