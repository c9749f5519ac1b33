"""The bundles in `$ZSCR_HOME/models`, and which of them `zscr find` uses."""

from __future__ import annotations

import os
from pathlib import Path

from zscr.artefact import dump_json, kind_of
from zscr.disk import reading_faults, require_writable
from zscr.errors import ArtefactError, ConfigError, InputError
from zscr.home import home_folder
from zscr.infer.bundle import KIND
from zscr.partial import write_atomically
from zscr.regular import read_regular
from zscr.schema import record, text
from zscr.strict_json import parse_json

_CHOICE = record({"model": text(8192, least=1, controls=True)})
_LARGEST = 1 << 16  # bytes of the file that holds the choice
FIRST = (
    "make one of a pretrained model, 'zscr export clip:FOLDER' with a checkpoint's folder, or with "
    "a network 'zscr export clip:openai/clip-vit-base-patch32'"
)


def models_folder() -> Path:
    """Return the folder of the user's bundles, which may not exist yet."""
    return home_folder() / "models"


def inside(folder: Path) -> list[Path]:
    """Return what stands in a folder of models, by name, sound or not; files and hidden are not."""
    with reading_faults(folder):
        found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [one for one in found if not one.name.startswith(".") and not one.is_file()]


def installed() -> list[Path]:
    """Return the user's bundles, by name, without those whose manifest cannot be read."""
    return [path for path in inside(models_folder()) if _is_bundle(path)]


def _is_bundle(path: Path) -> bool:
    try:
        return path.is_dir() and kind_of(path) == KIND
    except ArtefactError:  # damaged, which `zscr models` tells of it
        return False


def find_model(name: str) -> Path:
    """Return the folder of the bundle called `name`: one of the user's, or a path.

    Raises:
        ConfigError: there is none; names those that there are.
    """
    for path in (models_folder() / name, Path(name)):
        if path.is_dir() and kind_of(path) == KIND:
            return path
    names = ", ".join(path.name for path in installed())
    has = f"there are {names}" if names else f"there is none yet: {FIRST}"
    raise ConfigError(f"there is no model '{name}'{_to_export(name)}; {has}")


def _to_export(name: str) -> str:
    """Say how to make a model of a name that `zscr export` takes, or of a checkpoint's folder."""
    if name.startswith(("clip:", "image:")):
        return f" yet, 'zscr export {name}' makes one"
    if Path(name, "config.json").is_file():
        return f", but a checkpoint, of which 'zscr export clip:{name}' makes one"
    return ""


def choose_model(name: str) -> Path:
    """Let `zscr find` use the bundle called `name` from now on; return its folder.

    Raises:
        ConfigError: there is none, or a folder stands where the choice is kept.
        ArtefactError: the choice cannot be written.
    """
    folder = find_model(name)
    own = folder.parent.resolve() == models_folder().resolve()
    kept = folder.name if own else str(folder.resolve())
    path = _choice()
    if path.is_dir():
        raise ConfigError(f"{path} is a folder, and is to be the file of the choice; remove it")
    require_writable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, dump_json({"model": kept}))
    return folder


def chosen_model() -> Path | None:
    """Return the folder of the bundle that was chosen; None if none was.

    Raises:
        ConfigError: the choice cannot be read, or its bundle is gone.
    """
    path = _choice()
    if not os.path.lexists(path):
        return None
    try:
        content = parse_json(read_regular(path, _LARGEST, "choice of a model"))
        _CHOICE(content, "")
    except (ValueError, InputError, OSError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); run 'zscr models use NAME'") from error
    try:
        return find_model(content["model"])
    except ConfigError as error:
        raise ConfigError(
            f"the model that was chosen is gone ({error}); choose another, 'zscr models use NAME'"
        ) from error


def model_to_use(name: str | None = None) -> Path:
    """Return the folder of the bundle called `name`, else of the chosen or of the only one.

    Raises:
        ConfigError: there is none, or there are several and none is chosen.
    """
    folder = find_model(name) if name is not None else chosen_model()
    if folder is not None:
        return folder
    found = installed()
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigError(
            f"there is no model yet to find images with: {FIRST}; or name a bundle's folder by "
            f"--model"
        )
    names = ", ".join(path.name for path in found)
    raise ConfigError(
        f"no model is chosen, and there are {names}: run 'zscr models use {found[0].name}', or "
        f"name one by --model"
    )


def _choice() -> Path:
    return home_folder() / "model.json"
