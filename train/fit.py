"""From a collection's name to a trained run: encoders, features, recipe, loop."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from zscr.artefact import read_manifest
from zscr.cache import cache_folder, require_room
from zscr.data.collection import Collection, read_collection
from zscr.data.known_collections import COLLECTIONS
from zscr.disk import AGAIN, require_writable
from zscr.errors import ArtefactError, ConfigError
from zscr.infer.features.listing import Encoders
from zscr.infer.features.split import load_split
from zscr.infer.features.table import Array, Split, joined
from zscr.lock import writer_lock
from zscr.progress import say
from zscr.train.latest import latest_beside, point_latest, require_link
from zscr.train.loop import train
from zscr.train.methods.contract import Config, Need
from zscr.train.methods.registry import METHODS, load_method
from zscr.train.methods.settings import as_dict, make_config, selection_split
from zscr.train.precision import check_precision
from zscr.train.ranks import as_first, joined_ranks, own_rank, rank_count, wait_for_ranks
from zscr.train.refused import unless_refused
from zscr.train.run import Run, create_run, follow_run, open_run
from zscr.train.soundness import asked_shapes, check_shapes, check_trainable, shapes_of
from zscr.train.sources import choose_encoders, load_sources, sources_of
from zscr.train.stored import Stored, load_stored


@dataclass(frozen=True)
class Request:
    """What a user asks to be trained; what is left out comes from the recipe, then the method.

    Attributes:
        method: its name.
        collection: the collection's folder.
        out: the run's folder; None takes the next free one in `runs/`.
        settings: of the method's Config, over the recipe's.
        image_encoder, text_encoder: a path or name.
        device: `cpu` or `cuda`; None takes CUDA where there is one.
        refit: whether the final weights are fitted on seen and validation classes, by the rounds
            and settings that the validation classes chose; None leaves it to the recipe, then yes.
            What the unseen classes select (select_on_test) is trained on both anyway.
        offline: ask no hub for encoders; None leaves it to the environment (`HF_HUB_OFFLINE`).
        recipe: name of a recipe of the method; None is that of the collection, if it has one.
    """

    method: str
    collection: Path
    out: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    image_encoder: str | None = None
    text_encoder: str | None = None
    device: str | None = None
    refit: bool | None = None
    offline: bool | None = None
    recipe: str | None = None


def fit(request: Request) -> Run:
    """Train what the request asks for; without `out`, let `runs/latest` point at the run.

    Where `torchrun` has started several processes they train together, and the first writes.
    """
    device = choose_device(request.device)
    with joined_ranks(device):
        return _fit(request, device)


def _fit(request: Request, device: torch.device) -> Run:
    collection = read_collection(request.collection)
    numbered = request.out is None
    folder = request.out or Path("runs") / f"{request.method}-{collection.name}"
    if own_rank() == 0:
        require_writable(folder, new=not numbered)
        if numbered:
            require_link(folder)
    recipe = recipe_of(request, collection.name)
    settings = recipe.get("settings", {}) | dict(request.settings)
    config = make_config(request.method, settings)
    check_precision(config.precision, device)
    config = settled(request.method, config, collection)
    require_alone(request.method)
    needs = load_method(request.method).needs(config)
    wishes = {"image": request.image_encoder, "text": request.text_encoder}
    usual, offline = recipe.get("encoders", {}), request.offline
    encoders = choose_encoders(
        collection, needs, wishes, usual, settings=as_dict(config), offline=offline
    )
    seen, judged_on = load_training(collection, needs, encoders, selection_split(config))
    check_trainable(seen, needs)
    shapes = shapes_of(seen) | asked_shapes(needs, encoders)
    sources = sources_of(collection, encoders, folder)
    stored = load_selecting(collection, config, needs, encoders)
    refit = is_refitted(request.refit, recipe, config)
    made_of, before = (folder, request.method, config, shapes, sources), latest_beside(folder)
    run = _shared(lambda: create_run(*made_of, refit=refit, numbered=numbered), device)
    if numbered and run.writes:  # a run that was given a place is named by it from then on
        point_latest(run.folder)
    with _held(run.folder), _resumable(run.folder), unless_refused(run, before):
        train(run, seen, judged_on, device, stored)
    return run


def _shared(make: Callable[[], Run], device: torch.device) -> Run:
    """Make a run on the first rank; return it on all of them, once all have read it."""
    made = make() if own_rank() == 0 else None
    folder = as_first(made and made.folder)
    run = made or follow_run(folder)
    wait_for_ranks(device)
    return run


def _held(folder: Path) -> AbstractContextManager[object]:
    """Hold a run's lock, on the first rank for all of them."""
    return writer_lock(folder) if own_rank() == 0 else nullcontext()


def require_alone(method: str) -> None:
    """Refuse several processes where a method knows of one alone.

    Raises:
        ConfigError: its module does not say `DISTRIBUTED = True`.
    """
    if rank_count() > 1 and not getattr(load_method(method), "DISTRIBUTED", False):
        raise ConfigError(
            f"method '{method}' trains in one process, and {rank_count()} were started; start it "
            f"without torchrun"
        )


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """Let what a disk refuses be mended by going on: the run is there, and the same is refused."""
    try:
        yield
    except ArtefactError as error:
        resumed = f"run 'zscr train --resume --out {folder}'"
        raise ArtefactError(str(error).replace(AGAIN, resumed)) from error


def check_early(request: Request) -> None:
    """Prove what can be known of a request before its collection is made, which takes minutes.

    Raises:
        ConfigError: a setting, the method or the device is none, or the cache cannot be written to.
        ArtefactError: the run cannot be made where it is asked for.
    """
    device, name = choose_device(request.device), request.collection.name
    if request.out:
        require_writable(request.out, new=True)
    settings = recipe_of(request, name).get("settings", {}) | dict(request.settings)
    check_precision(make_config(request.method, settings).precision, device)
    wishes = (request.image_encoder, request.text_encoder)
    known = COLLECTIONS.get(str(request.collection))  # archives may hold vectors, not images
    if not (known and known.archive) and not all(wish and Path(wish).exists() for wish in wishes):
        require_room(cache_folder() / "encoders" / name)


def is_refitted(wish: bool | None, recipe: Mapping[str, Any], config: Config) -> bool:
    """Say whether a run ends with a refit: as wished, else as the recipe says, else yes.

    Never where the unseen classes select: it would be trained on them.
    """
    wished = recipe.get("refit", True) if wish is None else wish
    return bool(wished) and selection_split(config) == "val"


def resume(
    folder: Path, device: str | None = None, settings: Mapping[str, Any] | None = None
) -> Run:
    """Go on with a run from its last checkpoint, to the same bytes as if it had never stopped.

    Args:
        folder: the run.
        device: `cpu` or `cuda`; None takes CUDA where there is one.
        settings: repeated ones must be those that the run was begun with.

    Raises:
        ConfigError: a setting is another than the run's.
        MismatchError: the collection, its features or an encoder has changed since.
    """
    folder, where = folder.resolve(), choose_device(device)
    read_manifest(folder, "run")  # or the lock would be left in a folder that is no run
    # Read within the lock: what another trainer commits is no leftover.
    with joined_ranks(where), _held(folder):
        return _resume(_shared(lambda: open_run(folder), where), where, settings or {})


def _resume(run: Run, device: torch.device, settings: Mapping[str, Any]) -> Run:
    _require_own_settings(run, settings)
    require_alone(run.method)
    if run.writes:
        run.remove_leftovers()
    if run.done:
        say(f"{run.folder} is finished already; nothing to resume")
        return run
    check_precision(run.config.precision, device)
    collection, encoders = load_sources(run)
    seen, judged_on = load_training(collection, run.needs, encoders, selection_split(run.config))
    check_shapes(run.folder, run.shapes, shapes_of(seen))
    stored = load_selecting(collection, run.config, run.needs, encoders)
    train(run, seen, judged_on, device, stored)
    return run


def _require_own_settings(run: Run, settings: Mapping[str, Any]) -> None:
    wished = make_config(run.method, as_dict(run.config) | dict(settings))
    for name in settings:
        begun, wish = getattr(run.config, name), getattr(wished, name)
        if begun != wish:
            raise ConfigError(
                f"{run.folder} was begun with {name}={begun} and cannot go on with {name}={wish}; "
                f"leave it out or train anew"
            )


def load_training(
    collection: Collection,
    needs: Sequence[Need],
    encoders: Encoders,
    judged_on: str = "val",
) -> tuple[Split[Array], Split[Array]]:
    """Load what is trained on and the split that selects.

    The unseen split stays closed unless it selects; then the validation classes, which have nothing
    else to do, are trained on too, as released.
    """
    fitted = [need for need in needs if need.fitted]
    load = partial(load_split, collection, needs=fitted, encoders=encoders)
    seen = load("seen")
    return (seen if judged_on == "val" else joined(seen, load("val"))), load(judged_on)


def load_selecting(
    collection: Collection, config: Config, needs: Sequence[Need], encoders: Encoders
) -> list[Stored]:
    """Load the stored queries that select, if the method's setting `task` names such tasks."""
    setting = getattr(config, "task", "")
    return load_stored(collection, setting, selection_split(config), needs, encoders)


def settled(method: str, config: Config, collection: Collection) -> Config:
    """Return the settings with those that follow from the collection; see `contract`."""
    settle = getattr(load_method(method), "settled", None)
    made: Config = settle(config, collection) if settle else config
    return made


def choose_device(name: str | None) -> torch.device:
    """Return the device asked for; without a wish, CUDA where there is one.

    Raises:
        ConfigError: CUDA was asked for and cannot be had.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch finds no CUDA device here; use --device cpu")
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def recipe_of(request: Request, collection: str) -> dict[str, Any]:
    """Read the recipe that is asked for, or else that of a collection's name.

    Raises:
        ConfigError: there is no such recipe of the method.
    """
    if request.recipe is None:
        return load_recipe(request.method, collection)
    known = _recipes(request.method)
    if request.recipe not in known:
        raise ConfigError(
            f"method '{request.method}' has no recipe '{request.recipe}'; it has "
            f"{', '.join(known) or 'none'}"
        )
    return load_recipe(request.method, request.recipe)


def _recipes(method: str) -> list[str]:
    """Return the names of a method's recipes; `zscrgan-reference-wiki` is none of `zscrgan`."""
    longer = tuple(f"{name}-" for name in METHODS if name.startswith(f"{method}-"))
    names = (path.name for path in (files("zscr.train") / "recipes").iterdir())
    own = (name for name in names if name.endswith(".toml") and not name.startswith(longer))
    start = f"{method}-"
    return sorted(name[len(start) : -len(".toml")] for name in own if name.startswith(start))


def load_recipe(method: str, collection: str) -> dict[str, Any]:
    """Read `recipes/<method>-<collection>.toml`; a collection without one gets the defaults."""
    path = files("zscr.train") / "recipes" / f"{method}-{collection}.toml"
    return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
