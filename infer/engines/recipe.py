"""All that an engine's bytes depend on; its hash names the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from zscr.artefact import dump_json, hash_bytes
from zscr.infer.engines.toolchain import Device, Toolchain
from zscr.schema import SHA256, integer, listing, maybe, record, text

UNSUPPORTED = ("int8-dynamic",)  # TensorRT has no operators of dynamic quantisation
_NAME = text(200, least=1)
_CAPABILITY = text(10, r"SM\d+")
_DEVICE = record({"name": _NAME, "capability": _CAPABILITY, "driver": _NAME})
_TOOLCHAIN = record(
    {"library": _NAME, "version": _NAME, "cuda": maybe(_NAME)}
    | {"targets": listing(_CAPABILITY, 0, 64), "device": maybe(_DEVICE)}
)
_SIZE = integer(1, 1 << 20)
RECIPE = record(
    {"onnx": SHA256, "precision": text(40), "toolchain": _TOOLCHAIN}
    | {"batches": listing(_SIZE, 1, 64), "lengths": listing(_SIZE, 3, 3)}
    | {"workspace": maybe(integer(1, 1 << 60))}
)


@dataclass(frozen=True)
class Recipe:
    """What an engine is made of, and how.

    Attributes:
        onnx: sha256 of the graph's file, which holds its weights.
        precision: that the graph is written in.
        toolchain: library, versions and GPUs.
        batches: the largest batch of each optimisation profile.
        lengths: smallest, usual and largest length of a text in tokens.
        workspace: bytes that a layer may use beside its tensors; None is the library's own limit.
    """

    onnx: str
    precision: str
    toolchain: Toolchain
    batches: tuple[int, ...]
    lengths: tuple[int, ...]
    workspace: int | None

    @property
    def key(self) -> str:
        """The sha256 of all of it, as hex."""
        return hash_bytes(dump_json(asdict(self)))


def recipe_from(body: Mapping[str, Any]) -> Recipe:
    """Return the recipe that a manifest holds, which `RECIPE` has checked."""
    told = body["toolchain"]
    device = Device(**_only(told["device"], Device)) if told["device"] else None
    rest = {name: told[name] for name in ("library", "version", "cuda")}
    return Recipe(
        body["onnx"],
        body["precision"],
        Toolchain(**rest, targets=tuple(told["targets"]), device=device),
        tuple(body["batches"]),
        tuple(body["lengths"]),
        body["workspace"],
    )


def _only(told: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """Return the fields of a dataclass; later versions may write more."""
    return {name: told[name] for name in kind.__dataclass_fields__}
