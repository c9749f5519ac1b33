"""The architecture, proved: imports point one way, and light imports load nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# folder -> the packages of zscr that it may import: data <- infer <- train <- export
MAY_IMPORT = {
    "data": {"data"},
    "infer": {"data", "infer"},
    "train": {"data", "infer", "train"},
    "export": {"data", "infer", "train", "export"},
    "zscr": {"data", "infer"},
}
FOR_ALL = {
    "artefact",
    "lock",
    "",
    "__version__",
    "errors",
    "extras",
    "progress",
}  # "": `import zscr` alone
WITHOUT_TORCH = {"data", "infer", "zscr"}
NOT_AT_RUN_TIME = {"torch", "onnx", "onnxscript", "transformers", "tensorrt", "tensorrt_rtx"}
HEAVY = NOT_AT_RUN_TIME | {"onnxruntime", "hnswlib", "matplotlib", "rich", "scipy"}
LIGHT = sys.stdlib_module_names | {"click"} | {f"zscr.{part}" for part in FOR_ALL - {""}}


def imports(source: str, *, at_top_level: bool = False) -> Iterator[str]:
    """Yield every `module.name` that a source imports; or only what importing it runs."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level != 1:  # 1: within its own package
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif at_top_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        elif at_top_level and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting.extend(node.orelse)
        else:
            waiting.extend(ast.iter_child_nodes(node))


def against_the_arrows(folder: str, name: str, source: str) -> list[str]:
    """Return what module `name` of `folder` imports and must not, wherever the import stands."""
    banned = {"", "benchmarks", "tests"}  # "": relative imports that leave their package
    if folder in WITHOUT_TORCH:
        banned |= NOT_AT_RUN_TIME
    wrong = []
    for imported in imports(source):
        package, _, rest = imported.partition(".")
        part = rest.split(".")[0]
        command = name == "cli.py" and ".commands" in rest
        allowed = FOR_ALL if name == "cli.py" else MAY_IMPORT[folder] | FOR_ALL
        if package in banned or (package == "zscr" and part not in allowed and not command):
            wrong.append(imported)
    return wrong


def heavy_at_top_level(name: str, source: str) -> list[str]:
    """Return what a command module imports before any of its commands is called, but should not."""
    if name not in ("cli.py", "commands.py"):
        return []
    top = imports(source, at_top_level=True)
    return [
        found
        for found in top
        if found != "zscr" and not any(f"{found}.".startswith(f"{module}.") for module in LIGHT)
    ]


def forbidden(folder: str, name: str, source: str) -> list[str]:
    return against_the_arrows(folder, name, source) + heavy_at_top_level(name, source)


def test_imports_point_one_way() -> None:
    """No module imports against the arrows; command modules import only what is light."""
    wrong = {
        str(path.relative_to(ROOT)): found
        for folder in MAY_IMPORT
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (found := forbidden(folder, path.name, path.read_text()))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("folder", "name", "source", "expected"),
    [
        (
            "data",
            "x.py",
            "from zscr.infer.index.index import Index",
            ["zscr.infer.index.index.Index"],
        ),
        ("data", "x.py", "def f():\n    from zscr import train", ["zscr.train"]),
        ("infer", "x.py", "if TYPE_CHECKING:\n    import torch.nn", ["torch.nn"]),
        ("train", "x.py", "from zscr.export.run import a", ["zscr.export.run.a"]),
        ("data", "x.py", "from ..train import loop", ["..train.loop"]),
        ("export", "x.py", "import benchmarks.speed", ["benchmarks.speed"]),
        (
            "zscr",
            "cli.py",
            "def f():\n    import zscr.infer.index.index",
            ["zscr.infer.index.index"],
        ),
        ("train", "commands.py", "import torch", ["torch"]),
        ("train", "commands.py", "try:\n    import numpy\nfinally: 0", ["numpy"]),
        ("infer", "x.py", "import numpy\nfrom zscr.errors import ZscrError", []),
        ("train", "x.py", "from .loop import train", []),
        ("zscr", "cli.py", "def f():\n    from zscr.train.commands import train", []),
        ("train", "commands.py", "import click, json\ndef f():\n    import torch", []),
        ("train", "commands.py", "if TYPE_CHECKING:\n    import torch", []),
    ],
)
def test_the_check_of_imports_can_fail(
    folder: str, name: str, source: str, expected: list[str]
) -> None:
    """Each kind of wrong import is found, and right ones are not."""
    assert forbidden(folder, name, source) == expected


def test_every_package_is_in_the_distribution() -> None:
    """A folder with modules that pyproject.toml does not list would be missing from the wheel."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {
        path.parent.relative_to(ROOT) for top in MAY_IMPORT for path in (ROOT / top).rglob("*.py")
    }
    names = {".".join(("zscr", *folder.parts)).replace("zscr.zscr", "zscr") for folder in folders}
    assert names == set(listed)


def heavy_after(code: str) -> set[str]:
    """Run `code` in a fresh interpreter and return which heavy packages it has loaded."""
    report = f"\nimport sys\nprint('loaded', *({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


HELP = """
import sys
from zscr.cli import COMMANDS, main
for command in ([], *([name] for name in COMMANDS)):
    sys.argv = ["zscr", *command, "--help"]
    try:
        main()
    except SystemExit as stop:
        assert not stop.code, command
"""


@pytest.mark.parametrize("code", ["import zscr, zscr.infer", HELP], ids=["import", "--help"])
def test_light_imports_load_nothing_heavy(code: str) -> None:
    """Importing zscr and asking for help load no torch, no onnx and nothing else that is heavy."""
    assert heavy_after(code) == set()


def test_the_check_of_loading_can_fail(tmp_path: Path) -> None:
    """A heavy package that is imported anywhere below is reported; so are several."""
    (tmp_path / "torch.py").touch()
    (tmp_path / "onnx.py").touch()
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import torch, json, onnx"
    assert heavy_after(code) == {"torch", "onnx"}
