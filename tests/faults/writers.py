"""The writers whose calls to the disk are made to fail: what each writes, on what, and what counts.

A writer works in the current folder. `begin` makes what was there before, `write` is what may fail
and be run again, `state` is what a reader finds: it may be that of before or that of after alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trained

from zscr.artefact import dump_jsonl, made_once, staged
from zscr.lock import LOCK
from zscr.partial import write_atomically


def visible() -> dict[str, str]:
    """Return the sha256 of every file that is not hidden, and no lock."""
    files = [path for path in sorted(Path().rglob("*")) if path.is_file() and path.name != LOCK]
    seen = [path for path in files if not any(part.startswith(".") for part in path.parts)]
    return {path.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in seen}


def nothing() -> None:
    """Begin in an empty folder."""


@dataclass(frozen=True)
class Writer:
    """See above; these three are called in a process of their own, in the writer's folder."""

    write: Callable[[], object]
    begin: Callable[[], object] = nothing
    state: Callable[[], object] = visible
    keeps: str = "nothing"  # a pattern of names: what it keeps of its work when it fails
    between: Callable[[], list[object]] = list  # get there; return the states that it passed


def artefact() -> None:
    """Files in folders, an array among them, below parents that are new."""
    from zscr.disk import save_array

    if Path("new/deep/run").exists():
        return
    with staged(Path("new/deep/run"), "run") as stage:
        (stage.folder / "sub/folder").mkdir(parents=True)
        save_array(stage.folder / "sub/folder/rows.npy", np.arange(4000.0))
        (stage.folder / "list.jsonl").write_bytes(dump_jsonl([{"a": n} for n in range(9)]))
        stage.body["seed"] = 7


def page() -> None:
    """Answers into a file that is there already."""
    from zscr.data.records import Query
    from zscr.infer.answers.answer import Answer, Hit
    from zscr.infer.answers.output import open_output
    from zscr.infer.answers.writers import write_answers

    answers = [Answer(Query(f"{n}", "a bird"), (Hit(1, "x", 0.5),)) for n in range(50)]
    with open_output(Path("found.html")) as stream:
        write_answers(answers, "html", stream)


class Lengths:
    """An encoder of texts: their length and its half."""

    name, sha256, row_shape, dtype = "lengths", "0" * 64, (2,), np.dtype(np.float32)

    def encode(self, queries: Any, batch_size: int) -> Any:
        rows = [[len(query.text), len(query.text) / 2] for query in queries]
        return np.array(rows, np.float32).reshape(-1, 2)


def features(count: int = 5) -> Any:
    """Rows of a feature store, two at a time."""
    from zscr.infer.features.store import Source, compute_features

    sources = [Source.text("a" * n) for n in range(count)]
    found: Any = compute_features(Path("store"), Lengths(), sources, shard=2)  # type: ignore
    assert found.take(s.key for s in sources)[:, 0].tolist() == [*range(count)]
    return found


class Contents:
    """An encoder of images that are not there: a vector of each one's path; trusts any hash."""

    name, sha256, row_shape, dtype = "contents", "0" * 64, (6,), np.dtype(np.float32)

    def encode(self, queries: Any, batch_size: int) -> Any:
        return np.eye(6, dtype=np.float32)[[int(query.image.name) for query in queries]]

    def holds(self, path: Path, sha256: str) -> bool:
        return True


def added(count: int = 5) -> None:
    """Images of a folder, two to a commit and one to a save."""
    from types import SimpleNamespace

    from zscr.infer.bundle import SAME_IMAGE
    from zscr.infer.index.adding import carry_out
    from zscr.infer.index.entry import Entry
    from zscr.infer.index.indexing import alone, open_for
    from zscr.infer.index.plan import Plan
    from zscr.infer.index.survey import Survey

    contents, folder = Contents(), Path("x.index")
    about = {"space": "b", "name": "birds", "dim": 6, "has_feature": False, "gallery": contents}
    about |= {"gallery_fields": SAME_IMAGE, "takes": frozenset(), "examples": {}}
    about |= {"gallery_precision": "fp32"}
    bundle: Any = SimpleNamespace(**about, runtime=SimpleNamespace(thread_count=1))
    entries = [Entry(f"{n}", f"{n}" * 64, f"/photos/{n}") for n in range(count)]
    with alone(folder):
        index = open_for(bundle, folder)
        fresh = tuple(e for e in entries if index is None or e not in index.entries)
        survey = Survey(Plan(fresh, (), count - len(fresh), 0))
        carry_out(bundle, folder, index, survey, shard=1, part=2, hashes=contents)  # type: ignore


def merged_features() -> object:
    """Return what is merged: rows that are in parts only are found by the next writer."""
    from zscr.infer.features.store import _Cache

    cache = _Cache(Path("store"), Lengths())  # type: ignore
    cache.read()
    return len(cache.keys), [block.tolist() for block in cache.blocks]


def new_index(number: int = 3) -> None:
    """An index with all that one may have: HNSW, features, diffused vectors."""
    from zscr.infer.index.diffusion import Diffusion
    from zscr.infer.index.index import Entry, Index

    if not Path("x.index").exists():
        entries, rows = [Entry(f"{n}", "old") for n in range(number)], np.eye(number, 6)
        about = {"space": "b", "bundle_name": "birds", "search": "hnsw", "diffusion": Diffusion()}
        Index.create(Path("x.index"), entries=entries, vectors=rows, features=rows, **about)  # type: ignore


def grown_index() -> None:
    """A change of an index: other content, more images."""
    from zscr.infer.index.index import Change, Entry, Index

    rows = np.eye(6)
    Index.open(Path("x.index")).apply(
        Change([Entry(f"{n}", "new") for n in range(6)], rows, features=rows)
    )


def shrunk_index() -> None:
    """Images are removed; what one that was stopped after that has left, the next change does."""
    from zscr.infer.index.index import Change, Index
    from zscr.infer.index.remove import remove_images

    index = Index.open(Path("x.index"))
    if index.count == 3:
        remove_images(Path("x.index"), ["0", "2"])
    else:
        index.apply(Change())


def index_state() -> object:
    """Return what the current generation holds; its files are checked by that."""
    from zscr.infer.index.index import Index

    if not Path("x.index").exists():
        return None
    index = Index.open(Path("x.index"))
    found = [match.entry.id for [match] in index.search(index.vectors, 1)]
    return found, [(entry.id, entry.sha256) for entry in index.entries]


def segments() -> None:
    """An index of eight segments with rows that are ended, and HNSW: the next change merges."""
    from zscr.infer.index.index import Change, Entry, Index

    rows = np.eye(9, dtype=np.float32)
    about = {"space": "b", "bundle_name": "birds", "search": "hnsw"}
    Index.create(Path("x.index"), entries=[Entry("0", "old")], vectors=rows[:1], **about)  # type: ignore
    for n in range(1, 8):
        came = [Entry(f"{n}", "old"), Entry("0", f"{n}")]
        Index.open(Path("x.index")).apply(Change(came, rows[[n, 8 - n]]))


def merged_segments() -> None:
    """The eighth of two rows, which ends rows of before."""
    from zscr.infer.index.index import Change, Entry, Index

    came = [Entry("new", "new"), Entry("0", "new")]
    change = Change(came, np.eye(2, 9), removals=["2"])
    index = Index.open(Path("x.index"))
    index.apply(Change() if index.entries.find(["new"]) else change)


def rewritten(verb: str) -> None:
    """All of it written anew."""
    from zscr.infer.index.index import Index

    getattr(Index.open(Path("x.index")), verb)()


def damaged() -> None:
    """Segments, and an HNSW that is damaged."""
    segments()
    [path] = Path("x.index").glob("hnsw.*")
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def repaired() -> None:
    """HNSW is built from the vectors."""
    from zscr.infer.index.upkeep.repair import repair

    repair(Path("x.index"))


def joined() -> None:
    """One index of two."""
    from zscr.infer.index.upkeep.joining import join

    if not Path("y.index").exists():
        join(Path("y.index"), [Path("x.index"), Path("z.index")])


def two_indexes() -> None:
    """Two that hold different images."""
    from zscr.infer.index.index import Entry, Index

    segments()
    about = {"space": "b", "bundle_name": "birds"}
    Index.create(Path("z.index"), entries=[Entry("z", "z")], vectors=np.eye(1, 9), **about)  # type: ignore


def segments_state(name: str = "x.index") -> object:
    """Return what an index holds and in how many segments, or that it is damaged."""
    from zscr.errors import ArtefactError
    from zscr.infer.index.index import Index

    if not Path(name).exists():
        return None
    index = Index.open(Path(name))
    try:
        index.prove()
    except ArtefactError:
        return "damaged"
    found = [match.entry.id for [match] in index.search(np.eye(9), 1)]
    entries = [(entry.id, entry.sha256) for entry in index.entries]
    return found, entries, len(index.now.stack.segments), index.generation


def exported() -> None:
    """An index as plain files, with its features."""
    from zscr.infer.exchange.exports import export_index

    if not Path("out").exists():
        export_index(Path("x.index"), "out", "npy", features=True)


def collection() -> None:
    """Images by Pillow, vectors, a list of what was skipped."""
    from PIL import Image

    from zscr.data.collection import ClassInfo, Item, new_collection
    from zscr.disk import plain_file

    def make(path: Path) -> None:
        with new_collection(path, name="x", protocol="test", provenance={}) as draft:
            for split in ("seen", "val", "unseen"):
                for name in (f"{split}-1", f"{split}-2"):
                    draft.add_class(ClassInfo(name, name, (f"a {name}",)), split)
                    (draft.folder / name).mkdir()
                    for kind in ("jpg", "png"):
                        noise = np.random.default_rng(7).integers(0, 255, (64, 64, 3), np.uint8)
                        with plain_file(draft.folder / f"{name}/1.{kind}") as file:
                            Image.fromarray(noise).save(file, {"jpg": "JPEG"}.get(kind, "PNG"))
                        item = Item(f"{name}-{kind}", split, name, f"{name}/1.{kind}", texts=("a",))
                        draft.add_item(item)
            draft.save_vectors("image", np.ones((12, 3000), np.float32))
            draft.skip("a.jpg", "torn")

    made_once(Path("collections/x"), make)


def latest() -> None:
    """The link to the latest, which there is."""
    from zscr.train.latest import point_latest

    point_latest(Path("runs/b"))


def old_latest() -> None:
    """A link to something older."""
    for name in ("a", "b"):
        (Path("runs") / name).mkdir(parents=True)
    Path("runs/latest").symlink_to("a")


def descriptions(said: str = "It is new. " * 50) -> None:
    """Other descriptions of a collection, in place of those that there are."""
    from zscr.data.describe.stored import write_descriptions

    fields = {"source": "file", "prompts": {}, "date": "2024-07-01", "cut": 0, "refused": 0}
    write_descriptions(Path(), {"ape": {"looks": said}}, fields)


def described() -> object:
    """Return what is said of the classes."""
    from zscr.data.describe.stored import read_descriptions

    return read_descriptions(Path()).answers


def answers(count: int = 2) -> list[str]:
    """One more answer of a language model; return those that are kept."""
    from zscr.data.describe.checks import Sentence
    from zscr.data.describe.journal import Journal

    keys = ["a" * 64, "b" * 64]
    with Journal(Path("answers.jsonl")) as journal:
        for key in keys[:count]:
            if journal.get(key) is None:
                journal.keep(key, Sentence("It is round.", cut=False))
        return [key for key in keys if journal.get(key)]


PARTS = r".*/[^/]*\.parts(/[^.]+\.npz)?"  # shards of features, which are gone on from
WRITERS = {
    "artefact": Writer(artefact),
    "file": Writer(
        lambda: write_atomically(Path("captions.txt"), b"new\n" * 3000),
        lambda: Path("captions.txt").write_bytes(b"old\n"),
    ),
    "page": Writer(page, lambda: Path("found.html").write_text("old")),
    "features": Writer(features, lambda: features(2), merged_features, PARTS),
    "index add": Writer(
        added,
        state=index_state,
        keeps=r"\.x\.index\.features(/.*)?",
        between=lambda: [(added(n), index_state())[1] for n in (2, 4)],
    ),
    "index create": Writer(new_index, state=index_state),
    "index change": Writer(grown_index, new_index, index_state),
    "index remove": Writer(shrunk_index, new_index, index_state),
    "index segments": Writer(merged_segments, segments, segments_state),
    "index compact": Writer(lambda: rewritten("compact"), segments, segments_state),
    "index repair": Writer(repaired, damaged, segments_state),
    "index merge": Writer(joined, two_indexes, lambda: segments_state("y.index")),
    "index export": Writer(exported, new_index),
    "collection": Writer(collection),
    "encoder": Writer(trained.encoder),
    "run": Writer(trained.resumed_run, trained.run_at_zero, trained.run_state),
    "bundle": Writer(trained.bundle, trained.run_and_graphs),
    # A file that no manifest names yet is removed when the next one is written.
    "descriptions": Writer(
        descriptions, lambda: descriptions("It is old."), described, r"descriptions/answers-.*"
    ),
    "answers": Writer(answers, lambda: answers(1), lambda: answers(0)),
    "latest": Writer(latest, old_latest, lambda: Path("runs/latest").readlink().name),
}
# What the harness is tried on: it writes over what is there.
WRITERS["careless"] = Writer(
    lambda: Path("x").write_bytes(b"new" * 2000), lambda: Path("x").write_bytes(b"old")
)
