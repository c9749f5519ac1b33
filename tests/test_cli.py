"""The `zscr` command and the public names: documented, honest about errors, light to import."""

from __future__ import annotations

import errno
import gc
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

import zscr
from zscr.cli import LazyGroup, main
from zscr.errors import MissingExtraError, ZscrError
from zscr.extras import require_extras


def leaves(command, path):
    """Yield (path, command) of everything below a command that does something itself."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    if command.invoke_without_command:
        yield path, command
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from leaves(command.get_command(context, name), (*path, name))


def itself(group, words):
    """Say whether a group does something itself, and these words call no command of it."""
    return group.invoke_without_command and (not words or words[0].startswith("-"))


def groups(command, path=()):
    if isinstance(command, click.Group):
        yield path, command
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from groups(command.get_command(context, name), (*path, name))


LEAVES = dict(leaves(main, ()))


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_is_documented_with_an_example(path):
    """The first sentence is the help in the list; the example is one of this very command."""
    shown = CliRunner().invoke(main, [*path, "--help"])
    assert shown.exit_code == 0
    assert re.search(r"\n  \w.*\.", shown.stdout)
    assert re.search(rf"Example:\n    zscr {' '.join(path)}\b", shown.stdout)


def test_every_group_lists_its_commands():
    """With a sentence each; the groups have one, too."""
    for path, group in groups(main):
        shown = CliRunner().invoke(main, [*path, "--help"]).stdout
        assert group.help
        for name in group.list_commands(click.Context(group)):
            assert re.search(rf"^  {name} +[A-Z]", shown, re.MULTILINE), (path, name)


def test_every_example_can_be_parsed():
    """An option that was renamed would leave its examples behind."""
    for command in LEAVES.values():
        for line in re.findall(r"^ +zscr (.*)$", command.help, re.MULTILINE):
            words = re.findall(r'"[^"]*"|\S+', line)
            parsed = main
            while isinstance(parsed, click.Group) and not itself(parsed, words):
                parsed = parsed.get_command(click.Context(parsed), words.pop(0))
            context = parsed.make_context("zscr", [word.strip('"') for word in words])
            assert context.command is parsed


@pytest.mark.parametrize("args", [["nonsense"], ["index", "nonsense"], ["query", "--nonsense"]])
def test_unknown_words_exit_2(args):
    """With the word; nothing on stdout."""
    result = CliRunner().invoke(main, args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "nonsense" in result.stderr


def test_version():
    """One number, the package's; `-h` is help."""
    assert zscr.__version__ in CliRunner().invoke(main, ["--version"]).stdout
    assert CliRunner().invoke(main, ["-h"]).stdout == CliRunner().invoke(main, ["--help"]).stdout


@pytest.fixture
def failing():
    """Return a function that runs a command which raises what it is given."""

    def run(error):
        @click.command()
        def fail():
            raise error

        module = ModuleType("failing")
        module.fail = fail
        with pytest.MonkeyPatch.context() as patched:
            patched.setitem(sys.modules, "failing", module)
            return CliRunner().invoke(LazyGroup(homes={"fail": "failing:fail"}), ["fail"])

    return run


@pytest.mark.parametrize("error", [ZscrError("say 5; not 6"), MissingExtraError("trying", "trt")])
def test_known_errors_are_one_line(failing, error):
    """And exit 1."""
    result = failing(error)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {error}\n")


@pytest.mark.parametrize(
    "line",
    [
        "index info {}",
        "index verify {}",
        "index add . --index {} --bundle {bundle}",
        "index sync {} --index {index} --bundle {bundle}",
        "query --text red --bundle {}",
        "query --text red --bundle {bundle} --index {}",
        "data check {}",
        "export {}",
        "train --collection {}",
    ],
)
def test_a_place_that_may_not_be_looked_at_is_one_sentence(deployed, tmp_path, monkeypatch, line):
    """As one behind a folder without permission, which root enters; an overlong name stands in."""
    monkeypatch.chdir(tmp_path)
    args = line.format(300 * "a", bundle=deployed.bundle, index=deployed.index).split()
    done = CliRunner().invoke(main, args)
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    assert re.fullmatch(r"Error: .*aaa.* \(File name too long\); .*\n", done.stderr)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("args", [["add", ""], ["sync", ""], ["add", ".", "--index", ""]])
def test_an_empty_path_is_not_the_current_folder(tmp_path, monkeypatch, args):
    """As of a variable that a script has not set."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["index", *args])
    assert (done.exit_code, "it is empty; name a file" in done.stderr) == (2, True)


def test_errors_cannot_take_over_the_terminal(failing):
    """A name or caption that they repeat may hold anything."""
    assert failing(ZscrError("no \x1b[2J\u202eboo")).stderr == "Error: no \\x1b[2J\\u202eboo\n"


def test_an_extra_that_is_half_there_is_missing(monkeypatch):
    """Refused before the work begins: without onnxscript, torch alone exports nothing."""
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match=r"trying needs the extra 'export': pip install"):
        require_extras("trying", "export")


def test_other_errors_keep_their_traceback(failing):
    """They are bugs: a sentence would hide where."""
    error = ValueError("unforeseen")
    assert failing(error).exception is error


REFUSED = [
    (PermissionError(errno.EACCES, "Permission denied", "runs/a\nb"), r"runs/a\nb cannot be used"),
    (
        OSError(errno.ENAMETOOLONG, "File name too long", b"xxx"),
        "xxx cannot be used (File name",
    ),
    (RuntimeError("Symlink loop from 'x'"), "a link leads round in a circle"),
]


@pytest.mark.parametrize(("error", "told"), REFUSED)
def test_paths_that_the_system_refuses_are_one_line(failing, error, told):
    """In whatever part of the work: an unreadable file, an overlong name, a link to itself."""
    result = failing(error)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {told}")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("error", [OSError("no path"), RuntimeError("unforeseen")])
def test_errors_of_no_path_keep_their_traceback(failing, error):
    """As other bugs."""
    assert failing(error).exception is error


def test_ctrl_c_exits_130(failing):
    """As shells expect."""
    result = failing(KeyboardInterrupt())
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_public_names():
    """All of them, and no more; the lazy ones are the classes themselves."""
    assert zscr.__all__ == ["Bundle", "Index", "Query", "Searcher", "__version__", "find", "load"]
    assert [getattr(zscr, name).__module__ for name in zscr.__all__[:4]] == [
        "zscr.infer.bundle",
        "zscr.infer.index.index",
        "zscr.data.records",
        "zscr.infer.searcher",
    ]
    assert set(zscr.__all__) <= set(dir(zscr))
    with pytest.raises(AttributeError, match="'zscr' has no attribute 'Retriever'"):
        zscr.Retriever  # noqa: B018


def test_load(deployed, monkeypatch):
    """By default the latest export here, with its index; either can be named."""
    monkeypatch.chdir(deployed.folder)
    searcher = zscr.load()
    assert searcher.bundle.folder == deployed.bundle.resolve()
    [answer] = searcher.search(["small white circle"], k=2)
    assert len(answer.hits) == 2
    named = zscr.load(bundle=str(deployed.bundle), index=str(deployed.index))
    assert named.search(["small white circle"], k=2) == [answer]


def test_the_readmes_python_runs(deployed, tmp_path, monkeypatch, capsys):
    """Where the three commands have run, with an image of the gallery as robin.jpg."""
    text = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    bundles = tmp_path / "bundles"
    bundles.mkdir()
    (bundles / "latest").symlink_to(deployed.bundle.resolve())
    (bundles / "latest.index").symlink_to(deployed.index.resolve())
    image = zscr.load(deployed.bundle).search(["a circle"], k=1)[0].hits[0].image
    shutil.copy(image, tmp_path / "robin.jpg")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    assert [line[:2] for line in capsys.readouterr().out.splitlines()] == ["1 ", "2 ", "3 "]
    assert len(names["similar"].hits) == 3


def python(code):
    """Run code in a fresh interpreter."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_importing_the_package_loads_the_standard_library_alone():
    """Even numpy waits until a name needs it."""
    code = "import sys; before = set(sys.modules); import zscr; print(*set(sys.modules) - before)"
    loaded = {name.split(".")[0] for name in python(code).stdout.split()}
    assert "zscr" in loaded
    assert loaded - sys.stdlib_module_names == {"zscr"}


def test_the_library_does_not_write_its_log_to_stderr():
    """Unless the program that uses it asks for that; engines alone have a log."""
    code = "import logging, zscr.infer.engines.listener as e; e.log.warning('odd')"
    assert python(code).stderr == ""
    asked = code.replace("; e.log", "; logging.basicConfig(); e.log")
    assert "odd" in python(asked).stderr


def test_a_program_that_calls_a_command_keeps_its_own_ways_of_collecting_garbage():
    """The process of the command itself collects rarely, and at its end no more."""
    show = "print(gc.get_threshold()[0], gc.get_freeze_count() > 0)"
    call = (
        "import atexit, gc, sys; from zscr.cli import main; atexit.register(lambda: {show}); {how}"
    )
    within = python(call.format(show=show, how="main(['--version'])")).stdout
    alone = python(call.format(show=show, how="sys.argv[1:] = ['--version']; main()")).stdout
    assert within.splitlines()[-1] == f"{gc.get_threshold()[0]} False"
    assert alone.splitlines()[-1] == "10000 True"
