"""Writers of what is trained: a frozen encoder, a run, its bundle. See `writers.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zscr.artefact import made_once, read_manifest, verify

SMALL = {"gf_dim": 8, "df_dim": 4, "embed_dim": 8, "z_dim": 2}


def encoder() -> None:
    """A frozen encoder in the cache."""
    import onnx
    from onnx import TensorProto, helper

    from zscr.train.encoders.folder import write_encoder

    def make(path: Path) -> None:
        rows = helper.make_tensor("w", TensorProto.FLOAT, (90, 90), np.ones(8100).tolist())
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", 90])
            for name in ("x", "features")
        ]
        node = helper.make_node("MatMul", ["x", "w"], ["features"])
        graph = helper.make_graph([node], "g", ends[:1], ends[1:], [rows])
        model: onnx.ModelProto = helper.make_model(graph)
        write_encoder(path, "x", model, {"field": "vector"}, {}, {"tokenizer.json": b"{}"})

    made_once(Path("encoders/x"), make)


def run_at_zero() -> None:
    """A run with its first checkpoint."""
    from zscr.train.methods.settings import make_config
    from zscr.train.run import create_run

    config = make_config("zscrgan-reference", SMALL | {"rounds": 2})
    shapes = {"text": (8,), "image": (12,)}
    source = {"path": "/c", "relative": "../c", "name": "c", "sha256": "0" * 64}
    sources = {"collection": source, "image": None, "text": None}
    run = create_run(Path("run"), "zscrgan-reference", config, shapes, sources)
    run.commit(run.new_method("cpu"), is_best=True)


def resumed_run() -> None:
    """A round's line in the log, then its checkpoint; what a killed writer left is removed."""
    from zscr.lock import writer_lock
    from zscr.train.log import append_log, truncate_log
    from zscr.train.run import open_run

    with writer_lock(Path("run")):
        run = open_run(Path("run"))
        run.remove_leftovers()
        truncate_log(run)
        if run.step == 0:
            append_log(run, {"round": 1, "seconds": 1.0})
            run.step = 1
            run.commit(run.new_method("cpu"), is_best=True)


def run_state() -> object:
    """Return the step and its weights' names; each file is checked against its hash."""
    manifest = read_manifest(Path("run"), "run")
    verify(Path("run"), manifest)
    return manifest.body["step"], sorted(manifest.files)


def run_and_graphs() -> None:
    """A run on vectors, untrained, and its graphs, so that they need not be traced each time."""
    from zscr.data.collection import ClassInfo, Item, new_collection
    from zscr.export.bundle import export_run
    from zscr.train.fit import Request, fit

    rng = np.random.default_rng(7)
    with new_collection(Path("vectors"), name="x", protocol="test", provenance={}) as draft:
        for name, width in (("image", 12), ("text", 8)):
            draft.save_vectors(name, rng.random((12, width), np.float32))
        for row, split in enumerate(("seen", "seen", "val", "val", "unseen", "unseen")):
            draft.add_class(ClassInfo(f"c{row}", f"c{row}", text_rows=(row, row + 1)), split)
            for number in range(2):
                draft.add_item(Item(f"{row}/{number}", split, f"c{row}"))
    settings = SMALL | {"rounds": 0, "batch_size": 2, "select_on_test": False}
    run = fit(Request("zscrgan-reference", Path("vectors"), Path("run"), settings, device="cpu"))
    export_run(run, Path("traced"))


def bundle() -> None:
    """The run exported anew, as `zscr export` goes on with one that was stopped."""
    import onnx

    from zscr.export.begun import begun_at
    from zscr.export.bundle import export_run
    from zscr.train.run import open_run

    run, out = open_run(Path("run")), Path("bundles/b")
    if begun_at(out, run, {}) is None:
        export_run(run, out, build=lambda one: onnx.load(f"traced/{one.name}.onnx"))
