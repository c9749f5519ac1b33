"""The C++ library, built once; skipped where there is nothing to build it with."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "cpp"
HEADERS = ("nlohmann/json.hpp", "openssl/evp.h", "jpeglib.h", "png.h", "webp/demux.h")


@pytest.fixture(scope="session", autouse=True)
def _helpers() -> Iterator[None]:
    sys.path.insert(0, str(HERE))
    yield
    sys.path.remove(str(HERE))


@pytest.fixture(scope="session")
def built() -> Path:
    """Return the folder that the library and its programs are built in."""
    missing = [tool for tool in ("cmake", "g++") if not shutil.which(tool)]
    missing += [one for one in HEADERS if not Path("/usr/include", one).is_file()]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not there to build libzscr: run scripts/setup-cpp")
    return build(Path(os.environ.get("ZSCR_CPP_BUILD", SOURCE / "build")))


@pytest.fixture(scope="session")
def sanitized(built: Path) -> Path:
    """Return a folder with `zscr-fuzz`, built with address and undefined-behaviour sanitizers."""
    if re.search(r"ZSCR_SANITIZE:\w+=.", (built / "CMakeCache.txt").read_text("utf-8")):
        return built
    how = ["-DZSCR_SANITIZE=address,undefined", "-DCMAKE_BUILD_TYPE=None"]
    return build(built / "fuzzed", [*how, "-DCMAKE_CXX_FLAGS=-O1"], ["--target", "zscr-fuzz"])


def build(folder: Path, how: Sequence[str] = (), what: Sequence[str] = ()) -> Path:
    """Build into a folder."""
    folder.mkdir(exist_ok=True)
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    with (folder / "building.lock").open("w") as lock:  # of several workers one builds
        fcntl.flock(lock, fcntl.LOCK_EX)
        configure = ["cmake", "-S", str(SOURCE), "-B", str(folder), "-DZSCR_TESTS=ON", *how]
        for command in (configure, ["cmake", "--build", str(folder), *what]):
            done = subprocess.run(command, capture_output=True, text=True, env=plain)
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


@pytest.fixture(scope="session")
def library(built: Path) -> object:
    """Load it."""
    from library import Library

    return Library(built / "libzscr.so")
