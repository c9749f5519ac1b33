"""A graph as onnxruntime has optimised it for this processor, kept in the cache.

onnxruntime copies a graph's weights twice when it loads them, optimises the graph and packs the
weights for the processor's caches: 0.2 s of a processor for 94 MB, each time. What comes of it is
kept, with the weights in a file that is mapped: 0.06 s, half of the memory, and the very same
numbers (`benchmarks/cold_start.py`, `tests/infer/test_kept_graph.py`). It belongs to one graph, by
its sha256, one onnxruntime and one kind of processor; any other makes its own. A damaged one is
made anew, and without a cache that can be written to graphs are loaded as they are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from zscr.artefact import hash_bytes, read_manifest, staged, verify
from zscr.cache import cache_folder
from zscr.errors import ArtefactError, ConfigError
from zscr.progress import say

KIND = "graph"
GRAPH, WEIGHTS = "graph.onnx", "weights.bin"
_LEAST = 16 << 20  # bytes; smaller ones load as fast as they are
_MOST = 8  # graphs; over it, those that were used longest ago are removed
_APART = 1024  # bytes of a tensor that lies in the file that is mapped
_CPU = {"vendor_id", "cpu family", "model", "model name", "stepping", "flags"}
_CPU |= {"CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features"}  # of ARM
_SAVING = {
    "session.optimized_model_external_initializers_file_name": WEIGHTS,
    "session.optimized_model_external_initializers_min_size_in_bytes": str(_APART),
    "session.save_external_prepacked_constant_initializers": "1",
}


class KeptGraph:
    """Opens sessions of one graph on the CPU, from what is kept of it once something is.

    Args:
        path: of the graph's file, which `sha256` has been compared with.
        ort: onnxruntime; options: makes new options of a session.
        faults: what a session may raise.
    """

    def __init__(
        self,
        path: Path,
        sha256: str,
        *,
        ort: Any,
        options: Callable[[], Any],
        faults: tuple[type[Exception], ...],
    ) -> None:
        self.path, self._ort, self._options = path, ort, options
        self._faults: tuple[type[Exception], ...] = (ArtefactError, ConfigError, *faults)
        about = json.dumps([sha256, ort.__version__, processor(), _SAVING]).encode()
        self._key = hash_bytes(about)

    def load(self) -> Any:
        """Return a session of what is kept; None where there is none that is sound."""
        try:
            folder = self._folder()
            if not folder.is_dir():
                return None
            manifest = read_manifest(folder, KIND)
            verify(folder, manifest, [GRAPH, WEIGHTS])
            options = self._options()
            options.graph_optimization_level = self._ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            session = self._session(folder / GRAPH, options)
        except self._faults:
            return None
        with suppress(OSError):  # of a cache that is only read
            os.utime(folder)
        return session

    def make(self) -> Any:
        """Return a session of the graph itself, and keep what comes of it; None if that fails."""
        if self.path.stat().st_size < _LEAST:
            return None
        from shutil import rmtree  # which loads three libraries of compression

        try:
            folder = self._folder()
            rmtree(folder, ignore_errors=True)  # it could not be loaded
            with staged(folder, KIND) as stage:
                options = self._options()
                options.optimized_model_filepath = str(stage.folder / GRAPH)
                for name, value in _SAVING.items():
                    options.add_session_config_entry(name, value)
                session = self._session(self.path, options)
            _remove_old(folder.parent)
        except self._faults:
            return None
        say(f"kept {self.path.name} as it was optimised for this processor in {folder}")
        return session

    def _folder(self) -> Path:
        return cache_folder() / "graphs" / self._key

    def _session(self, path: Path, options: Any) -> Any:
        return self._ort.InferenceSession(path, options, ["CPUExecutionProvider"])


def processor() -> str:
    """Return what decides how onnxruntime packs weights: the processor's kind and instructions."""
    found = dict[str, str]()
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            if not value.strip() and not name.strip():
                break  # the others are of its kind
            if name.strip() in _CPU:
                found[name.strip()] = value.strip()
    return json.dumps(found, sort_keys=True)


def _remove_old(folder: Path) -> None:
    from shutil import rmtree

    ages = {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.name[0] != "."}
    for path in sorted(ages, key=ages.__getitem__)[:-_MOST]:
        rmtree(path, ignore_errors=True)  # who has it mapped keeps it
