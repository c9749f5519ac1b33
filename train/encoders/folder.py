"""Writing a frozen encoder's folder: one graph whose output is `features`, and how it is fed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx

from zscr.artefact import staged

OUTPUT = "features"


def write_encoder(
    out: Path,
    name: str,
    model: onnx.ModelProto,
    spec: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    about: Mapping[str, Any],
    files: Mapping[str, bytes] | None = None,
) -> None:
    """Write the frozen encoder `out`.

    Args:
        out: the folder; must not exist.
        name: short name for files and messages.
        model: the graph, with an output `features`.
        spec: the manifest's entry of its input, or those of several.
        about: where it comes from, and how well it agrees with torch.
        files: further files by name, such as the tokenizer.
    """
    with staged(out, "encoder") as stage:
        onnx.save(model, stage.folder / "model.onnx")
        for file, content in (files or {}).items():
            (stage.folder / file).write_bytes(content)
        specs = [spec] if isinstance(spec, Mapping) else spec
        inputs = [dict(one) for one in specs]
        stage.body |= {"name": name, "inputs": inputs, "output": OUTPUT, **about}
