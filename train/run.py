"""A run: the folder of one training, from which it can be resumed exactly, judged and exported.

A step is a round. `checkpoint.<step>.safetensors` holds the weights, `state.<step>.safetensors`
what else decides the next round, `best.<step>.safetensors` the weights with the best figure. When
these are chosen, a refit begins anew with the settings and the number of rounds that they had, on
the classes that chose them, too; its files are called `<step>-refit`, so that they overwrite none
of the choice's, and the checkpoint of its last round is the model. Replacing the manifest commits a
checkpoint; the files of the one before are deleted only then.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy
import torch
from safetensors.torch import save

import zscr
from zscr.artefact import (
    Manifest,
    Stage,
    dump_json,
    file_entry,
    read_manifest,
    staged,
    verify,
    write_manifest,
)
from zscr.disk import remove_or_tell
from zscr.errors import ArtefactError
from zscr.partial import write_atomically
from zscr.train.methods.contract import Config, Method, Need
from zscr.train.methods.registry import Shapes, load_method
from zscr.train.methods.settings import as_dict, make_config, selection
from zscr.train.run_fields import FIELDS
from zscr.train.state import restore_state, state_tensors
from zscr.train.weights import final_weights, load_weights, only_file, read_tensors

_OWN = re.compile(
    r"(checkpoint|state|best)\.\d{8,}(-refit)?\.safetensors"
    r"|\.(checkpoint|state|best|metrics|manifest)\..+\.partial"
)


@dataclass
class Run:
    """A run's folder and what its manifest says.

    Attributes:
        method: its name; config: its settings.
        shapes: of one row of each table that it was trained on, such as `{"text": (384,)}`.
        sources: collection and encoders: path, name and sha256 of each.
        step: rounds made so far; done: whether training has finished.
        best: `step`, `value` and all `figures` of the best weights on the split that selects.
        last: the same of the last round that was judged; both are None before.
        chosen: settings that the method chose on the split that selects.
        refit: whether the final weights are fitted on the classes that selected, too.
        refitting: the choice is made, and `step` counts the rounds of the refit.
        adapted: what a trained model was adapted to, and which it was; None where it was trained.
        read_from: sha256 of the manifest that it was read from; empty of one that is being made.
        writes: whether this process writes the folder; of several that train together, the first.
    """

    folder: Path
    method: str
    config: Config
    shapes: Shapes
    sources: Mapping[str, Any]
    step: int = 0
    done: bool = False
    best: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    chosen: dict[str, Any] = field(default_factory=dict)
    refit: bool = False
    refitting: bool = False
    adapted: dict[str, Any] | None = None
    files: dict[str, Any] = field(default_factory=dict)
    read_from: str = ""
    writes: bool = True

    @property
    def log(self) -> Path:
        """One JSON object a round: losses, seconds, validation figures."""
        return self.folder / "metrics.jsonl"

    @property
    def begun(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return any(name.startswith("checkpoint.") for name in self.files)

    @property
    def refitted(self) -> bool:
        """Whether the model was fitted on the validation classes, which cannot judge it then."""
        return self.refitting and self.done

    @property
    def selection(self) -> str:
        """What chose the model, and what it was fitted on then; it stands with its figures."""
        fitted = ", then refitted on seen and validation classes" if self.refitted else ""
        adapted = f"{transduction(self.adapted)}; " if self.adapted else ""
        return adapted + selection(self.config) + fitted

    def new_method(self, device: torch.device | str, **settings: Any) -> Method:
        """Build the method with fresh weights; `settings` go over the run's."""
        config = make_config(self.method, as_dict(self.config) | settings)
        return load_method(self.method).Method(config, self.shapes, device)

    @property
    def needs(self) -> tuple[Need, ...]:
        """The tables that it is trained on."""
        return load_method(self.method).needs(self.config)

    def load_model(self, device: torch.device | str = "cpu") -> Method:
        """Build the method with its final weights: adapted, refitted, or else selected.

        Raises:
            ArtefactError: no weights are final yet.
        """
        return self._loaded(final_weights(self._body(), self.folder), device)

    def load_selected(self, device: torch.device | str = "cpu") -> Method:
        """Build the method with the best weights on the split that selects, before any refit.

        Raises:
            ArtefactError: no checkpoint has been validated yet, or the model was adapted from a
                refitted one.
        """
        if self.best is None:
            raise ArtefactError(f"{self.folder} has no validated weights yet; train it further")
        if self.adapted and self.refitted:
            raise ArtefactError(
                f"{self.folder} was fitted on the validation classes and then adapted; judge on "
                f"these the run that it was made of, {self.adapted['base']['path']}"
            )
        return self._loaded("adapted." if self.adapted else "best.", device)

    def _loaded(self, start: str, device: torch.device | str) -> Method:
        method = self.new_method(device, **self.chosen)
        load_weights(method, self._tensors(start, device), self.folder)
        method.eval()
        return method

    def load_checkpoint(self, method: Method) -> None:
        """Restore weights and all that decides the next round in place."""
        load_weights(method, self._tensors("checkpoint.", method.device), self.folder)
        restore_state(method, self._tensors("state.", method.device))

    def _tensors(self, start: str, device: torch.device | str) -> dict[str, torch.Tensor]:
        name = only_file(self.files, start, self.folder)
        return read_tensors(self.folder, self.files, name, device)

    def commit(self, method: Method, *, is_best: bool) -> None:
        """Write a checkpoint (and the best weights, if these are) and make it the current one."""
        if not self.writes:
            return
        tail = f"{self.step:08d}{'-refit' * self.refitting}"
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
        finally:  # the manifest on the disk says which checkpoint lives, whatever has happened
            self.files = dict(read_manifest(self.folder, "run").files)
            self.remove_leftovers()

    def remove_leftovers(self) -> None:
        """Delete the checkpoints that the manifest does not name, superseded or never committed.

        One that cannot be deleted is told of; the next writer of the run tries again.
        """
        for path in sorted(self.folder.iterdir()):
            if path.name not in self.files and _OWN.fullmatch(path.name):
                remove_or_tell(path)

    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"method": self.method, "config": as_dict(self.config)}
        body |= {"selection": self.selection, "sources": dict(self.sources)}
        body |= {"shapes": {name: list(shape) for name, shape in self.shapes.items()}}
        body |= {"step": self.step}
        body |= {"done": self.done, "best": self.best, "last": self.last}
        body |= {"chosen": self.chosen, "refit": self.refit, "refitting": self.refitting}
        body |= {"adapted": self.adapted} if self.adapted else {}
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


def follow_run(folder: Path) -> Run:
    """Read a run that another process of the same training writes."""
    run = open_run(folder)
    run.writes = False
    return run


def create_run(
    folder: Path,
    method: str,
    config: Config,
    shapes: Shapes,
    sources: Mapping[str, Any],
    *,
    refit: bool = False,
    numbered: bool = False,
) -> Run:
    """Make a run's folder with its configuration and no checkpoint.

    With `numbered` it is the first `<folder>-<number>` that is free.
    """
    run = Run(folder, method, config, shapes, sources, refit=refit)
    with staged(folder, "run", numbered=numbered) as stage:
        settings = {"method": method, **as_dict(config)}
        (stage.folder / "config.json").write_bytes(dump_json(settings))
        stage.body |= run._body()
    run.folder = stage.path
    run.files = dict(read_manifest(run.folder, "run").files)
    return run


def write_adapted_run(stage: Stage, run: Run, method: Method) -> None:
    """Put a run that is an adapted one, with the weights of `method`, into a stage."""
    settings = {"method": run.method, **as_dict(run.config)}
    (stage.folder / "config.json").write_bytes(dump_json(settings))
    weights = save({name: t.contiguous() for name, t in method.state_dict().items()})
    (stage.folder / f"adapted.{run.step:08d}.safetensors").write_bytes(weights)
    stage.body |= run._body()


def transduction(adapted: Mapping[str, Any]) -> str:
    """Say what a model was adapted to: such figures are no inductive ones."""
    names, complete = adapted["names"], ", a complete list" if adapted["complete"] else ""
    named = f"{names['count']} names{complete}" if names else "no names"
    return f"transductive (adapted to {adapted['gallery']['images']} unlabelled images, {named})"


def open_run(folder: Path) -> Run:
    """Read a run; every file is checked against its hash.

    Raises:
        ArtefactError: no run, or a damaged one.
        ConfigError: its settings are of another version of the method.
    """
    manifest = read_manifest(folder, "run", FIELDS)
    verify(folder, manifest)
    return _from_manifest(folder, manifest)


def _from_manifest(folder: Path, manifest: Manifest) -> Run:
    body = manifest.body
    config = make_config(body["method"], body["config"])
    shapes = {name: tuple(shape) for name, shape in body["shapes"].items()}
    run = Run(folder, body["method"], config, shapes, body["sources"])
    for name in ("step", "done", "best", "last", "chosen", "refit", "refitting"):
        setattr(run, name, body[name])
    run.adapted = body.get("adapted")
    run.files, run.read_from = dict(manifest.files), manifest.sha256
    return run
