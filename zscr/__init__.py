"""zscr: train zero-shot cross-modal image retrieval, export it, answer queries fast.

A trained and exported model is used in two lines; nothing heavy is imported before `load`:

    searcher = zscr.load("bundles/latest")
    answers = searcher.search(["a small bird with a red crown"], k=5)

Images ask as well, alone or with a text, where the model takes such queries:

    answers = searcher.search(["the same in red"], images=["shoe.jpg"])

A folder of photos is searched in one line, by the model that `zscr find` uses:

    answer = zscr.find("a dog on the beach", "photos/")
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zscr.data.records import Query
    from zscr.infer.answers.answer import Answer
    from zscr.infer.bundle import Bundle
    from zscr.infer.index.index import Index
    from zscr.infer.searcher import Searcher

__version__ = "0.8.0"
__all__ = ["Bundle", "Index", "Query", "Searcher", "__version__", "find", "load"]

_HOMES = {
    "Bundle": "zscr.infer.bundle",
    "Index": "zscr.infer.index.index",
    "Query": "zscr.data.records",
    "Searcher": "zscr.infer.searcher",
}


def load(
    bundle: str | Path = "bundles/latest",
    index: str | Path | None = None,
    *,
    refresh: Literal["auto", "never"] = "auto",
) -> Searcher:
    """Open a bundle and an index of images, ready to be searched.

    Args:
        bundle: the folder that `zscr export` wrote.
        index: the folder that `zscr index add` wrote; None is the one beside the bundle.
        refresh: whether a search sees what other processes have changed in the index since.

    Raises:
        ArtefactError: one of them is absent or damaged.
        MismatchError: the index holds the embeddings of another gallery graph.
    """
    from zscr.infer.searcher import Searcher

    folder = None if index is None else Path(index)
    return Searcher.open(Path(bundle), folder, refresh=refresh)


def find(
    asked: str | Path | Sequence[str | Path] = (),
    folders: str | Path | Sequence[str | Path] = ".",
    *,
    sketches: str | Path | Sequence[str | Path] = (),
    k: int = 10,
    min_score: float | None = None,
    model: str | None = None,
    compose: str | None = None,
) -> Answer:
    """Find images in folders, whose indexes in `$ZSCR_HOME` are brought up to date first.

    Args:
        asked: a text, an image's path, or a list of such, to be added up, as on the command line:
            `["dog", "-", "leash", "0.5:grass", Path("lawn.jpg")]`.
        folders: one or several, with all that is below them.
        sketches: files of drawings, further terms; `zscr.find(sketches="drawing.png")` asks by one
            alone.
        k: how many images to find, fewer if there are fewer.
        min_score: leave out images that score less.
        model: its name in `$ZSCR_HOME`, or its folder; None is the one in use.
        compose: the model's composition of an image and a text, with at most one text taken away;
            None adds terms up.

    Raises:
        InputError: nothing is asked for, or it cannot be read; a folder has no image.
        ConfigError: there is no such model, or none is in use.
        ArtefactError: an index is damaged, or cannot be written.
    """
    from zscr.infer.find.find import find as find_images

    return find_images(
        asked, folders, sketches=sketches, k=k, min_score=min_score, model=model, compose=compose
    )


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
