"""A run: the folder of one training, from which it can be resumed exactly, judged and exported.

A step is a round. `checkpoint.<step>.safetensors` holds the weights, `state.<step>.safetensors`
what else decides the next round, `best.<step>.safetensors` the weights with the best figure.
Replacing the manifest commits a checkpoint; the files of the one before are deleted only then.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy
import torch
from safetensors.torch import load_file, save

import zscr
from zscr.artefact import (
    Manifest,
    dump_json,
    file_entry,
    read_manifest,
    staged,
    verify,
    write_atomically,
    write_manifest,
)
from zscr.errors import ArtefactError
from zscr.train.methods import Config, load_method, make_config, selection
from zscr.train.state import restore_state, state_tensors


@dataclass
class Run:
    """A run's folder and what its manifest says.

    Attributes:
        method: the method's name; mode: which of its modes; config: the mode's settings.
        dims: `text` and `image` feature dimensions.
        sources: collection and encoders: path, name and sha256 of each.
        step: rounds made so far; done: whether training has finished.
        best: `step`, `value` and all `figures` of the best weights on the split that selects.
        last: the same of the last round that was judged; both are None before.
    """

    folder: Path
    method: str
    mode: str
    config: Config
    dims: Mapping[str, int]
    sources: Mapping[str, Any]
    step: int = 0
    done: bool = False
    best: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    files: dict[str, Any] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """One JSON object a round: losses, seconds, validation figures."""
        return self.folder / "metrics.jsonl"

    def new_method(self, device: torch.device | str) -> Any:
        """Build the method with fresh weights."""
        dims = {"text_dim": self.dims["text"], "image_dim": self.dims["image"]}
        return load_method(self.method, self.mode).Method(self.config, **dims, device=device)

    def load_best(self, device: torch.device | str = "cpu") -> Any:
        """Build the method with the best weights on the split that selects.

        Raises:
            ArtefactError: no checkpoint has been validated yet.
        """
        if self.best is None:
            raise ArtefactError(f"{self.folder} has no validated weights yet; train it further")
        method = self.new_method(device)
        method.load_state_dict(load_file(self.folder / self._only("best."), device=str(device)))
        return method.eval()

    def load_checkpoint(self, method: Any) -> None:
        """Restore weights and all that decides the next round in place."""
        device = str(method.noise.device)
        weights = self.folder / self._only("checkpoint.")
        method.load_state_dict(load_file(weights, device=device))
        restore_state(method, load_file(self.folder / self._only("state."), device=device))

    def _only(self, start: str) -> str:
        names = [name for name in self.files if name.startswith(start)]
        if len(names) != 1:
            raise ArtefactError(f"{self.folder} has no {start}*; it was never checkpointed")
        return names[0]

    def commit(self, method: Any, *, is_best: bool) -> None:
        """Write a checkpoint (and the best weights, if these are) and make it the current one."""
        tail, old = f"{self.step:08d}", set(self.files)
        kept = {n: e for n, e in self.files.items() if n == "config.json"}
        if not is_best:
            kept |= {n: e for n, e in self.files.items() if n.startswith("best.")}
        weights = save({name: t.contiguous() for name, t in method.state_dict().items()})
        made = {f"checkpoint.{tail}.safetensors": weights}
        made |= {f"best.{tail}.safetensors": weights} if is_best else {}
        made[f"state.{tail}.safetensors"] = save(state_tensors(method))
        try:
            for name, content in made.items():
                write_atomically(self.folder / name, content)
            files = kept | {name: file_entry(self.folder / name) for name in made}
            write_manifest(self.folder, "run", files, self._body())
        except ArtefactError:  # the disk is full, and would stay so
            for name in set(made) - old:
                (self.folder / name).unlink(missing_ok=True)
            raise
        self.files = files
        for name in old - set(self.files):
            (self.folder / name).unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Delete the checkpoint files of a writer that was killed before its commit."""
        for start in ("checkpoint.", "state.", "best.", ".metrics", ".state", ".manifest"):
            for path in self.folder.glob(f"{start}*"):
                if path.name not in self.files:
                    path.unlink()

    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"method": self.method, "mode": self.mode}
        body |= {"config": asdict(self.config), "selection": selection(self.config)}
        body |= {"dims": dict(self.dims), "sources": dict(self.sources), "step": self.step}
        body |= {"done": self.done, "best": self.best, "last": self.last}
        return body | {"versions": versions()}


def versions() -> dict[str, Any]:
    """Return what else decides a run's bytes: versions and the number of threads."""
    return {
        "zscr": zscr.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "threads": torch.get_num_threads(),
    }


def create_run(
    folder: Path,
    method: str,
    mode: str,
    config: Config,
    dims: Mapping[str, int],
    sources: Mapping[str, Any],
) -> Run:
    """Make a run's folder with its configuration and no checkpoint."""
    run = Run(folder, method, mode, config, dims, sources)
    with staged(folder, "run") as stage:
        settings = {"method": method, "mode": mode, **asdict(config)}
        (stage.folder / "config.json").write_bytes(dump_json(settings))
        stage.body |= run._body()
    run.files = dict(read_manifest(folder, "run").files)
    return run


def open_run(folder: Path) -> Run:
    """Read a run; every file is checked against its hash.

    Raises:
        ArtefactError: no run, or a damaged one.
        ConfigError: its settings are of another version of the method.
    """
    manifest = read_manifest(folder, "run")
    verify(folder, manifest)
    return _from_manifest(folder, manifest)


def _from_manifest(folder: Path, manifest: Manifest) -> Run:
    body = manifest.body
    if "mode" not in body:
        raise ArtefactError(f"{folder} was trained before methods had modes; train it anew")
    method, mode = body["method"], body["mode"]
    config = make_config(method, mode, body["config"])
    run = Run(folder, method, mode, config, body["dims"], body["sources"])
    run.step, run.done, run.best, run.last = (body[n] for n in ("step", "done", "best", "last"))
    run.files = dict(manifest.files)
    return run


def new_run_folder(base: Path, name: str) -> Path:
    """Return the first free `base/<name>-<number>`."""
    taken = {p.name for p in base.glob(f"{name}-*")}
    number = next(n for n in range(1, len(taken) + 2) if f"{name}-{n:03d}" not in taken)
    return base / f"{name}-{number:03d}"


def point_latest(folder: Path) -> None:
    """Let the link `latest` beside `folder` point at it.

    Raises:
        ArtefactError: `latest` is a real folder.
    """
    link = folder.parent / "latest"
    if link.exists() and not link.is_symlink():
        raise ArtefactError(f"{link} is in the way of the link to {folder.name}; rename it")
    partial = folder.parent / f".latest.{os.getpid()}.partial"
    partial.unlink(missing_ok=True)
    partial.symlink_to(folder.name)
    os.replace(partial, link)
