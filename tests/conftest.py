"""Settings and fixtures of the whole suite."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

# Before any library that reads them is imported: pytest runs several workers on few cores, and
# threads that spin while they wait for work take the cores from the other workers.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

# A deadline would make a slow machine a failure; CI must fail for the same examples every time.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(scope="session")
def realdata_folder() -> Callable[[str], Path]:
    """Return a function that unzips `ZSCR_DATA/<name>.zip` once and returns its folder."""
    source = os.environ.get("ZSCR_DATA")
    if source is None:
        pytest.skip("set ZSCR_DATA to the folder of the real collections")
    return lambda name: _unzipped(Path(source) / f"{name}.zip")


def _unzipped(archive: Path) -> Path:
    """Unzip into the cache; the folder is renamed into place, so every worker may try at once."""
    if not archive.is_file():
        pytest.skip(f"{archive} is not there")
    cache = os.environ.get("ZSCR_CACHE") or Path.home() / ".cache" / "zscr"
    folder = Path(cache) / f"{archive.stem}-{archive.stat().st_size}"
    if folder.is_dir():
        return folder
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    with zipfile.ZipFile(archive) as content:
        content.extractall(partial)
    try:
        partial.rename(folder)
    except OSError:  # another worker was faster
        if not folder.is_dir():
            raise
        shutil.rmtree(partial)
    return folder
