"""`zscr export` as one job: bundle, index of the gallery, example captions, engines if asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zscr.data.collection import Collection
from zscr.errors import ConfigError
from zscr.export.bundle import export_run
from zscr.infer.bundle import Bundle
from zscr.infer.evaluation.embedded import bundle_collection
from zscr.infer.index.add import Added, add_collection
from zscr.progress import say
from zscr.train.run import new_run_folder, open_run, point_latest

GALLERIES = ("unseen", "all")


@dataclass(frozen=True)
class Deployment:
    """What an export left behind; `index` is None where the collection has no images."""

    bundle: Bundle
    index: Added | None
    captions: Path | None


def deploy(
    run_folder: Path,
    out: Path | None = None,
    *,
    gallery: str = "unseen",
    noise_samples: int = 0,
) -> Deployment:
    """Export a run and index its collection's gallery; `bundles/latest` points at the default.

    Args:
        run_folder: a run.
        out: the bundle's folder; None takes the next free one in `bundles/`.
        gallery: the images to index: of the `unseen` classes (the zero-shot protocol) or `all`.
        noise_samples: see `export_run`.
    """
    if gallery not in GALLERIES:
        raise ConfigError(f"gallery '{gallery}' is unknown; use one of {', '.join(GALLERIES)}")
    run = open_run(run_folder.resolve())
    name = f"{run.method}-{run.sources['collection']['name']}"
    bundle = export_run(
        run, out or new_run_folder(Path("bundles"), name), noise_samples=noise_samples
    )
    collection, index = bundle_collection(bundle), None
    if bundle.manifest.body["inputs"]["gallery"][0]["kind"] == "image":
        items = collection.items if gallery == "all" else collection.split("unseen")
        index = add_collection(bundle, bundle.index_folder, collection, items)
    if out is None:
        point_latest(bundle.folder)
    return Deployment(bundle, index, write_captions(bundle, collection, Path("captions.txt")))


def write_captions(bundle: Bundle, collection: Collection, path: Path) -> Path | None:
    """Write one example caption an unseen class to `path`, unless there is a file already."""
    if not bundle.examples or path.exists():
        return None
    first: dict[str, str] = {}
    for text, name in bundle.examples.items():
        first.setdefault(name, text)
    lines = [first[name] for name in collection.splits["unseen"] if name in first]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    say(f"wrote {path}: {len(lines)} captions about classes that the model never saw")
    return path
