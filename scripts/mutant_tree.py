"""A copy of the repository in which one line at a time is broken, and tests that run in it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Mutant:
    """One entry of the list; see the top of scripts/mutate."""

    file: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...]
    equivalent: str = ""

    def apply(self, source: str) -> str:
        """Return the broken source.

        Raises:
            ValueError: `old` is not there exactly once, or the result is no Python.
        """
        count = source.count(self.old)
        if count != 1:
            raise ValueError(f"`old` no longer matches: it is there {count} times instead of once")
        if "\n" in self.old + self.new:
            raise ValueError("a mutant changes one line: `old` and `new` have no line breaks")
        broken = source.replace(self.old, self.new)
        try:
            compile(broken, self.file, "exec")
        except SyntaxError as error:
            raise ValueError(f"`new` is not Python: {error}") from error
        return broken

    def __str__(self) -> str:
        return f"{self.file}: {self.old}  ->  {self.new}"


class Tree:
    """A copy of the repository whose modules are the ones that its tests import.

    `site/zscr` links to the copy's root folders, as pyproject.toml maps them to packages, and is
    first on the path. The working directory is kept off it: its folder `zscr` would be taken for
    the whole package, and what is missing there would come from the installed one.
    """

    def __init__(self, root: Path, home: Path) -> None:
        self.root, self.site = home / "tree", home / "site"
        skipped = [line.strip().strip("/") for line in _lines(root / ".gitignore")]
        shutil.copytree(root, self.root, ignore=shutil.ignore_patterns(".*", *skipped))
        config = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
        self.packages: dict[str, str] = config["tool"]["setuptools"]["package-dir"]
        for package, folder in sorted(self.packages.items()):  # a package before those inside it
            place = self.site / package.replace(".", "/")
            if "." in package:
                place.symlink_to(self.root / folder)
                continue
            place.mkdir(parents=True)
            for path in (self.root / folder).iterdir():
                (place / path.name).symlink_to(path)
        path = {"PYTHONPATH": str(self.site), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        fixed = {"CI": "1", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
        self.environment = os.environ | path | fixed
        self.process: subprocess.Popen[str] | None = None

    def module(self, file: str) -> str:
        """Return the name that a file is imported by."""
        folder, _, rest = file.removesuffix(".py").partition("/")
        package = next(name for name, place in self.packages.items() if place == folder)
        return f"{package}.{rest.replace('/', '.')}".removesuffix(".__init__")

    def check(self, file: str) -> None:
        """Prove that a module is imported from this copy, by asking an interpreter like the tests'.

        Raises:
            ValueError: it would come from elsewhere, so that breaking it here would break nothing.
        """
        code = "import sys, importlib.util as u; print(u.find_spec(sys.argv[1]).origin)"
        said = self.python(["-c", code, self.module(file)], None).stdout.strip()
        if Path(said).resolve() != (self.root / file).resolve():
            raise ValueError(f"the tests would import another {self.module(file)}: {said}")

    def python(
        self, arguments: Sequence[str], timeout: float | None
    ) -> subprocess.CompletedProcess[str]:
        """Run Python in the copy."""
        own = ROOT / ".venv/bin/python"
        command = [str(own) if own.is_file() else sys.executable, *arguments]
        self.process = subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.stop()
            raise
        return subprocess.CompletedProcess(command, self.process.returncode, said)

    def stop(self) -> None:
        """Kill what runs, with whatever the tests have started."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def pytest(self, tests: Sequence[str], timeout: float | None) -> str:
        """Return `passed`, `failed: <how it ends>` or `timeout` of these tests."""
        options = ["-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider"]
        try:
            done = self.python(["-m", "pytest", *options, *tests], timeout)
        except subprocess.TimeoutExpired:
            return "timeout"
        lines = done.stdout.splitlines()
        told = [line for line in lines if line.startswith(("FAILED", "ERROR"))] or lines[-1:]
        return "passed" if done.returncode == 0 else f"failed: {' '.join(told)}"

    @contextmanager
    def broken(self, mutant: Mutant) -> Iterator[None]:
        """Break the line within the block."""
        path = self.root / mutant.file
        whole = path.read_text("utf-8")
        path.write_text(mutant.apply(whole), "utf-8")
        try:
            yield
        finally:
            path.write_text(whole, "utf-8")


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").split() if path.is_file() else []
