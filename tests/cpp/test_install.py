"""The installed tree serves a CMake project in C++ and a pkg-config one in plain C."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'cpu'")

CONSUMER = Path(__file__).parent / "consumer"
TEXT = "a small bird on the beach"


def run(*command: object, **more: object) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Path:
    """Install what was built, and move it: nothing in it may name where it was installed to."""
    first = tmp_path_factory.mktemp("installed") / "first"
    run("cmake", "--install", built, "--prefix", first, "--strip")
    return first.rename(first.with_name("moved"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """Make a bundle with an index beside it."""
    from bundles import make_bundle, make_index

    folder = tmp_path_factory.mktemp("made") / "b"
    make_index(folder.with_name("b.index"), make_bundle(folder, "clip"), 60)
    return folder


@pytest.fixture(scope="module")
def best(bundle) -> str:
    """Return the id that Python finds."""
    from zscr.infer.searcher import Searcher

    return Searcher.open(bundle).search(TEXT)[0].hits[0].id


def test_a_project_of_cmake(installed, bundle, best, tmp_path):
    """`find_package(zscr)` and the C++ wrapper: search, embed, and an error that is caught."""
    from library import capi

    run("cmake", "-S", CONSUMER, "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={installed}")
    run("cmake", "--build", tmp_path)
    found = run(tmp_path / "consumer", bundle, capi(), TEXT).splitlines()
    refusal = "3 query 1 has an empty text; give it words or leave it out"
    assert found == [best, best, refusal]


def test_a_project_in_c(installed, bundle, best, tmp_path):
    """`zscr.pc` and the header as C99, without a warning."""
    from library import capi

    if not shutil.which("pkg-config"):
        pytest.skip("pkg-config is not there: run scripts/setup-cpp")
    [folder] = installed.rglob("pkgconfig")
    told = run(
        "pkg-config", "--cflags", "--libs", "zscr", env={**os.environ, "PKG_CONFIG_PATH": folder}
    )
    program = tmp_path / "consumer"
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    run("cc", *flags, CONSUMER / "consumer.c", "-o", program, *told.split())
    where = {**os.environ, "LD_LIBRARY_PATH": str(folder.parent)}
    assert run(program, bundle, capi(), TEXT, env=where) == f"{best}\n"


def test_the_page_s_program(installed, bundle, best, tmp_path):
    """What docs/cpp.md shows compiles as it stands and finds the best image."""
    from library import capi

    page = (CONSUMER.parents[2] / "docs" / "cpp.md").read_text("utf-8")
    (tmp_path / "page.cpp").write_text(page.split("```cpp\n")[1].split("```")[0])
    [folder] = (path.parent for path in installed.rglob("libzscr.so"))
    program = tmp_path / "page"
    where = [f"-I{installed / 'include'}", f"-L{folder}", "-lzscr", f"-Wl,-rpath,{folder}"]
    run("g++", "-std=c++17", "-Wall", tmp_path / "page.cpp", "-o", program, *where)
    told = run(program, bundle, TEXT, env={**os.environ, "ZSCR_ONNXRUNTIME": capi()}).splitlines()
    assert len(told) == 5
    assert told[0].startswith("1 ")
    assert told[0].endswith(f"/images/{best}")


def test_only_our_names_are_exported(installed):
    """What the library is made of cannot meet another copy of it in a program."""
    [path] = (one for one in installed.rglob("libzscr.so.*.*") if not one.is_symlink())
    names = [line.split()[-1] for line in run("nm", "-D", "--defined-only", path).splitlines()]
    assert "zscr_open" in names
    assert [name for name in names if not name.startswith("zscr_")] == []
    needed = run("readelf", "-d", path)
    assert "[libzscr.so.0]" in needed
    assert "onnxruntime" not in needed


def test_the_example_answers_captions(installed, bundle, best):
    """`zscr-query` runs from the installed tree; a blank line is told and the rest answered."""
    from library import capi

    command = [
        str(installed / "bin" / "zscr-query"),
        str(bundle),
        "-k",
        "2",
        "--onnxruntime",
        capi(),
    ]
    done = subprocess.run(command, input=f"{TEXT}\n \n", capture_output=True, text=True)
    rows = [line.split("\t")[:3] for line in done.stdout.splitlines()]
    assert rows[0] == [TEXT, "1", best]
    assert len(rows) == 2
    assert (done.returncode, "has an empty text" in done.stderr) == (1, True)


def test_the_example_answers_images(installed, bundle, tmp_path):
    """`zscr-query --image`: what is most like a file; a file that is none is told."""
    from library import capi
    from PIL import Image

    from zscr.infer.searcher import Searcher

    image = tmp_path / "red.png"
    Image.new("RGB", (9, 7), "red").save(image)
    command = [str(installed / "bin" / "zscr-query"), str(bundle), "--onnxruntime", capi()]
    command += ["--image", str(image), "--image", str(tmp_path / "none.png")]
    done = subprocess.run(command, capture_output=True, text=True)
    [answer] = Searcher.open(bundle).search(images=image)
    found = [line.split("\t")[2] for line in done.stdout.splitlines()]
    assert found == [hit.id for hit in answer.hits]
    assert (done.returncode, "none.png cannot be read" in done.stderr) == (1, True)
    done = subprocess.run([*command, "--provider", "ort-abacus"], capture_output=True, text=True)
    assert done.stderr.startswith("error: provider 'ort-abacus' cannot run here")
