"""TensorRT engines of a bundle: a cache beside it, keyed by everything that they depend on.

Precision is a matter of the ONNX graph: every network is strongly typed, and float32 means float32
(the builder would round to TF32 unasked). TensorRT 11 has no other precision flags.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from zscr.artefact import (
    Manifest,
    dump_json,
    hash_bytes,
    made_once,
    read_manifest,
    staged,
    verify,
)
from zscr.errors import ArtefactError, ConfigError
from zscr.export.tensorrt.library import Toolchain, choose_toolchain, find_tensorrt
from zscr.export.tensorrt.profile import BATCHES, LENGTHS, Profile, Shape, Tensor, profile_for
from zscr.infer.bundle import graph_file
from zscr.infer.runners.graph_file import refuse_external_data
from zscr.partial import write_atomically
from zscr.progress import progress, say

if TYPE_CHECKING:
    import tensorrt_rtx as trt  # for annotations; tensorrt has the same names

STATUS = "built, not run"  # only a run on its GPU can say more of an engine
_log = logging.getLogger(__name__)
# Who uses the library decides whether its log is seen; without this, warnings go to stderr.
logging.getLogger("zscr").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class EngineInfo:
    """What was built, with what, in how many seconds."""

    toolchain: Toolchain
    profile: Profile
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    seconds: float


def build_engine(
    onnx_path: Path,
    out: Path,
    *,
    batches: Shape = BATCHES,
    lengths: Shape = LENGTHS,
    targets: Sequence[str] = (),
) -> EngineInfo:
    """Compile one ONNX file into a serialised engine with one optimisation profile.

    Args:
        onnx_path: a graph whose weights are inside the file.
        out: written atomically; a failed build leaves nothing there.
        batches: smallest, usual and largest batch.
        lengths: the same for a text in tokens, where the graph takes one.
        targets: compute capabilities such as `sm86`; see `Toolchain` for what none means.

    Raises:
        ArtefactError: TensorRT cannot parse or compile the graph. Holds all of its reasons.
        ConfigError: an unknown target, no GPU for `tensorrt`, or an axis that nothing bounds.
        MissingExtraError: the library is not installed.
    """
    toolchain = choose_toolchain(targets)
    module, start = find_tensorrt([toolchain.library]), time.monotonic()
    listener = _listener(module)
    listener.errors.clear()
    builder = module.Builder(listener)
    network = _parse(module, builder, listener, onnx_path)
    inputs, outputs = _inputs(network), _outputs(network)
    profile = profile_for(inputs, batches=batches, lengths=lengths)
    config = _configure(module, builder, toolchain.targets, profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise _failure("compile", onnx_path, listener.errors)
    for message in listener.errors:
        _log.warning("%s: TensorRT found a way around: %s", onnx_path, message)
    write_atomically(out, bytes(plan))
    return EngineInfo(toolchain, profile, inputs, outputs, round(time.monotonic() - start, 3))


@cache
def _listener(module: ModuleType) -> trt.ILogger:
    """Make a TensorRT logger that keeps errors, for the exception, and logs everything else.

    One a process: TensorRT holds on to the first logger that it is given and ignores later ones.
    """
    severity = module.ILogger.Severity
    levels = {severity.WARNING: logging.WARNING, severity.INFO: logging.INFO}

    class Listener(module.ILogger):  # type: ignore[misc,name-defined]  # known only at run time
        def __init__(self) -> None:
            module.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, level: trt.ILogger.Severity, message: str) -> None:
            if level in (severity.ERROR, severity.INTERNAL_ERROR):
                self.errors.append(message)
            else:
                _log.log(levels.get(level, logging.DEBUG), "%s", message)

    return Listener()


def _parse(
    module: ModuleType, builder: trt.Builder, listener: trt.ILogger, onnx_path: Path
) -> trt.INetworkDefinition:
    # TensorRT 10 picks types of its own unless told to keep the graph's; later ones always keep.
    typed = getattr(module.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if typed is None else 1 << int(typed))
    try:
        refuse_external_data(onnx_path)
    except (ValueError, OSError) as error:
        raise _failure("parse", onnx_path, [str(error)]) from error
    parser = module.OnnxParser(network, listener)
    if not parser.parse_from_file(str(onnx_path)):
        errors = [_reason(parser.get_error(i)) for i in range(parser.num_errors)]
        raise _failure("parse", onnx_path, errors or listener.errors)
    return network


def _reason(error: trt.ParserError) -> str:
    node = f"node {error.node_name()} ({error.node_operator()}): " if error.node() >= 0 else ""
    return f"{node}{error.desc()}"


def _failure(what: str, onnx_path: Path, errors: Sequence[str]) -> ArtefactError:
    reasons = "; ".join(" ".join(error.split()) for error in errors)
    return ArtefactError(f"TensorRT cannot {what} {onnx_path}: {reasons or 'it gives no reason'}")


def _inputs(network: trt.INetworkDefinition) -> tuple[Tensor, ...]:
    return tuple(_describe(network.get_input(i)) for i in range(network.num_inputs))


def _outputs(network: trt.INetworkDefinition) -> tuple[Tensor, ...]:
    return tuple(_describe(network.get_output(i)) for i in range(network.num_outputs))


def _describe(tensor: trt.ITensor) -> Tensor:
    names = {"FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16"}  # the rest as in numpy
    dtype = names.get(tensor.dtype.name, tensor.dtype.name.lower())
    return Tensor(tensor.name, dtype, tuple(tensor.shape))


def _configure(
    module: ModuleType, builder: trt.Builder, targets: Sequence[str], profile: Profile
) -> trt.IBuilderConfig:
    config = builder.create_builder_config()
    config.clear_flag(module.BuilderFlag.TF32)
    shapes = builder.create_optimization_profile()
    for name, allowed in profile.ranges.items():
        shapes.set_shape(name, allowed.min, allowed.opt, allowed.max)
    config.add_optimization_profile(shapes)
    if targets:
        config.num_compute_capabilities = len(targets)
    for place, target in enumerate(targets):
        if not config.set_compute_capability(module.ComputeCapability.__members__[target], place):
            together = ", ".join(targets).lower()
            raise ConfigError(f"{module.__name__} refuses {together} together; build one at a time")
    return config


def build_engines(bundle: Path, *, targets: Sequence[str] = ()) -> Path:
    """Build the engines of a bundle's graphs; return their folder `<bundle>.engines/<key>`.

    Engines that stand there already have the same graphs, library, targets and GPU: they are
    checked and kept, and a line on stderr says so.

    Raises:
        ArtefactError: the bundle is damaged, or TensorRT cannot build one of its graphs.
        ConfigError: as `build_engine`.
        MissingExtraError: as `build_engine`.
    """
    bundle = bundle.resolve()  # engines stand beside the folder, not beside a link to it
    manifest = read_manifest(bundle, "bundle")
    graphs = {name: graph_file(manifest, name) for name in manifest.body["graphs"]}
    verify(bundle, manifest, list(graphs.values()))
    origin = _origin(manifest, graphs, choose_toolchain(targets))
    folder = bundle.with_name(f"{bundle.name}.engines") / hash_bytes(dump_json(origin))[:16]
    if folder.exists():
        verify(folder, read_manifest(folder, "engines"))
        say(f"engines of these graphs are already built in {folder}")
        return folder
    make = partial(
        _make, bundle=bundle, manifest=manifest, graphs=graphs, origin=origin, targets=targets
    )
    return made_once(folder, make)


def _make(
    folder: Path,
    *,
    bundle: Path,
    manifest: Manifest,
    graphs: Mapping[str, str],
    origin: Mapping[str, Any],
    targets: Sequence[str],
) -> None:
    """Build the engines into their folder, which appears when all are built."""
    with staged(folder, "engines") as stage, progress("engines", len(graphs)) as bar:
        stage.body |= {"bundle": manifest.sha256, "status": STATUS, **origin, "engines": {}}
        for name, file in graphs.items():
            engine = f"{name}.engine"
            lengths = origin["lengths"][name]
            info = build_engine(
                bundle / file, stage.folder / engine, lengths=lengths, targets=targets
            )
            stage.body["engines"][name] = {"file": engine, **_entry(info)}
            bar.advance(1, f"{name} in {info.seconds:.1f} s")


def _origin(bundle: Manifest, graphs: Mapping[str, str], toolchain: Toolchain) -> dict[str, Any]:
    """Collect what the engines depend on; its hash is their key."""
    return {
        **asdict(toolchain),
        "onnx": {name: bundle.files[file]["sha256"] for name, file in graphs.items()},
        "batches": BATCHES,
        "lengths": {name: _lengths(bundle.body["graphs"][name]["inputs"]) for name in graphs},
    }


def _lengths(specs: Sequence[Mapping[str, Any]]) -> Shape:
    """Return smallest, usual and largest length of a graph's texts, as its inputs are cut."""
    longest = max((spec["max_length"] for spec in specs if "max_length" in spec), default=None)
    return LENGTHS if longest is None else (LENGTHS[0], min(LENGTHS[1], longest), longest)


def _entry(info: EngineInfo) -> dict[str, Any]:
    """Return an engine's entry in the manifest, without what is the same for all of them."""
    entry = asdict(info)
    del entry["toolchain"]
    return entry | {"profile": entry["profile"]["ranges"]}
