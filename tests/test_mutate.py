"""scripts/mutate tells breaks that tests notice from those they do not, in a copy of a tree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = {
    "pyproject.toml": '[tool.setuptools.package-dir]\ntoy = "toy"\n"toy.part" = "part"\n',
    "toy/__init__.py": "",
    "part/__init__.py": "",
    "part/sums.py": "LIMIT = 5\nUNUSED = 1\n\n\ndef add(a, b):\n    return a + b\n\n\n"
    "def twice(a):\n    return a * 2\n",
    "tests/part/test_add.py": "from toy.part.sums import add\n\n"
    "def test_add():\n    assert add(1, 2) == 3\n",
    "tests/part/test_twice.py": "from toy.part.sums import twice\n\n"
    "def test_twice():\n    assert twice(3) == 6\n",
    "tests/other/test_bad.py": "def test_bad():\n    assert 0\n",
}
TESTS = 'tests = ["tests/part/test_add.py"]'
MUTANTS = f"""
[[mutant]]
file = "part/sums.py"
old = "a + b"
new = "a - b"
why = "its own test notices"
{TESTS}

[[mutant]]
file = "part/sums.py"
old = "a * 2"
new = "a * 3"
why = "another test of the folder notices"
{TESTS}

[[mutant]]
file = "part/sums.py"
old = "LIMIT = 5"
new = "LIMIT = 6"
why = "nobody looks at the limit"
{TESTS}

[[mutant]]
file = "part/sums.py"
old = "UNUSED = 1"
new = "UNUSED = 2"
why = "nobody can see it"
equivalent = "it has no use"
{TESTS}

[[mutant]]
file = "part/sums.py"
old = "a / b"
new = "a // b"
why = "the line is gone"
{TESTS}

[[mutant]]
file = "part/sums.py"
old = "return a"
new = "return b"
why = "the line is not the only one"
{TESTS}

[[mutant]]
file = "part/sums.py"
old = "def add(a, b):"
new = "def add(b, a):"
why = "its tests fail anyway"
tests = ["tests/other/test_bad.py"]
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a tree with two packages, tests and a list."""
    root = tmp_path_factory.mktemp("toy")
    for name, text in (FILES | {"tests/mutants.toml": MUTANTS}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def mutate(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the script on a tree, without pytest's plug-ins, which take longer than the tests."""
    command = [sys.executable, str(ROOT / "scripts/mutate"), "--root", str(root), *options]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def run(toy: Path) -> subprocess.CompletedProcess[str]:
    """Run the whole list once."""
    return mutate(toy, "--least", "1")


def test_each_mutant_is_told_apart(run: subprocess.CompletedProcess[str]) -> None:
    """Killed by its tests or the folder's; survivors and wrong entries are told with reasons."""
    assert run.stderr.count("killed ") == 2, run.stderr
    assert "package" in run.stdout
    numbers = next(line.split() for line in run.stdout.splitlines() if line.startswith("all "))
    assert numbers == ["all", "2", "0", "1", "1", "3"]
    for said in (
        "survived: part/sums.py: LIMIT = 5  ->  LIMIT = 6\n  breaks: nobody looks at the limit",
        "equivalent: part/sums.py: UNUSED = 1",
        "`old` no longer matches: it is there 0 times instead of once",
        "`old` no longer matches: it is there 2 times instead of once",
        "tests/other/test_bad.py without any mutant: failed",
    ):
        assert said in run.stdout


def test_the_tree_itself_is_never_touched(toy: Path, run: subprocess.CompletedProcess[str]) -> None:
    """Every file has its bytes, and there are no others."""
    assert run.returncode == 1
    files = {path.relative_to(toy).as_posix(): path for path in toy.rglob("*") if path.is_file()}
    assert {name: path.read_text() for name, path in files.items()} == FILES | {
        "tests/mutants.toml": MUTANTS
    }


@pytest.mark.parametrize(
    ("pattern", "status"), [("a \\+ b", 0), ("UNUSED", 0), ("LIMIT", 1), ("a / b", 1)]
)
def test_the_exit_status_is_of_what_needs_an_answer(toy: Path, pattern: str, status: int) -> None:
    """A survivor or a wrong entry is 1; killed and equivalent ones are 0."""
    assert mutate(toy, "--least", "1", "--jobs", "1", "--only", pattern).returncode == status


def test_a_short_list_is_refused(toy: Path) -> None:
    """Nothing runs: a few mutants would say little about a suite."""
    done = mutate(toy)
    assert (done.returncode, done.stderr) == (1, "")
    assert "the list has 7 entries, fewer than 90" in done.stdout


def test_list_runs_nothing(toy: Path) -> None:
    """It says of each entry whether it matches."""
    lines = mutate(toy, "--list", "--least", "1").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [*["matches"] * 4, "wrong", "wrong", "matches"]


def test_a_module_that_tests_would_not_import_is_no_mutant(toy: Path, tmp_path: Path) -> None:
    """Where the name means another module, breaking the copy would break nothing: it is wrong."""
    for name, text in (FILES | {"tests/mutants.toml": MUTANTS}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.replace('"toy.part" = "part"', '"sys" = "part"'))
    (tmp_path / "part/sums.py").rename(tmp_path / "part/__init__.py")
    text = MUTANTS.replace("part/sums.py", "part/__init__.py")
    (tmp_path / "tests/mutants.toml").write_text(text)
    done = mutate(tmp_path, "--least", "1", "--only", "LIMIT")
    assert done.returncode == 1
    assert "the tests would import another sys: built-in" in done.stdout
