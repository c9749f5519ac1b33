"""The README and the documents say what is so: commands parse, links lead to files.

Tables, the page of commands and the drawing of the imports are what their scripts write.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest

from zscr.cli import main

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
OPERATORS = tuple("();<>|&")


def blocks(text: str) -> Iterator[str]:
    """Yield what stands in fenced blocks of the shell: those without a language have it."""
    for found in re.finditer(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL):
        if found[2] in ("", "sh", "bash", "shell", "console"):
            yield found[3].replace("\\\n", " ")


def commands(text: str) -> list[str]:
    """Return every line of the fenced blocks that calls zscr, without its first word."""
    return re.findall(r"^[ $]*zscr (.*)", "\n".join(blocks(text)), re.MULTILINE)


def shell_words(line: str) -> list[str]:
    """Return a command's words as the shell would split them, without comments, pipes and files."""
    reader = shlex.shlex(line, posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    return list(takewhile(lambda word: not word.startswith(OPERATORS), reader))


def mentions(text: str) -> list[str]:
    """Return what is said of zscr's commands in running text: `zscr export --trt`."""
    prose = re.sub(r"^( *)```.*?^\1```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`zscr ([^`]*)`", prose)


def parse(line: str) -> None:
    """Parse a command as the shell would call it, without running it.

    Raises:
        click.ClickException: no such command, option, choice or number of arguments.
    """
    words = shell_words(line)
    command: click.Command = main
    asks = words[-1:] in (["--help"], ["--version"])  # which end the program when they are parsed
    while isinstance(command, click.Group) and not (asks and len(words) == 1):
        if command.invoke_without_command and (not words or words[0].startswith("-")):
            break
        command = child(command, words)
    if not asks:
        command.make_context("zscr", words)


def child(group: click.Group, words: list[str]) -> click.Command:
    """Take the next word off a line and return the command that it names."""
    word = words.pop(0) if words else ""
    command = group.get_command(click.Context(group), word)
    if command is None:
        raise click.UsageError(f"no such command '{word}'")
    return command


def check_mention(line: str) -> None:
    """Refuse commands and options that do not exist; arguments may be left out or stand for any."""
    words = line.split()
    command: click.Command = main
    while isinstance(command, click.Group) and words and re.fullmatch(r"[a-z]+", words[0]):
        command = child(command, words)
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    for option in (word.split("=")[0] for word in words if re.match("--?[a-z]", word)):
        if option not in known | {"--help", "-h", "--version"}:
            raise click.UsageError(f"no such option '{option}'")


def scripts(text: str) -> list[tuple[str, list[str]]]:
    """Return what is said of scripts and benchmarks, anywhere: the file, and its options."""
    found = re.findall(r"(?<![\w/.])((?:scripts|benchmarks)/[\w-]+(?:\.py)?)([^`\n]*)", text)
    return [(file, re.findall(r"(?<!\S)--[a-z-]+", rest)) for file, rest in found]


def links(text: str) -> list[str]:
    """Return the targets of links and images that lead to files of the repository."""
    targets = re.findall(r"\]\(([^)\s]+)[^)]*\)", text)
    return [each.split("#")[0] for each in targets if not re.match(r"[a-z]+:|#", each)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_command_can_be_called(path: Path) -> None:
    """Each zscr line of a block parses, each `zscr …` of the text names options that exist."""
    text, wrong = path.read_text("utf-8"), []
    for check, lines in ((parse, commands(text)), (check_mention, mentions(text))):
        for line in lines:
            try:
                check(line)
            except click.ClickException as error:
                wrong.append(f"zscr {line}: {error.format_message()}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_script_that_is_named_exists(path: Path) -> None:
    """With the options that it is named with."""
    wrong = [each for each in scripts(path.read_text("utf-8")) if not has_options(*each)]
    assert wrong == []


def has_options(file: str, options: list[str]) -> bool:
    """Say whether a script, or a folder of that name, is there and knows the options."""
    path = ROOT / file
    source = path.read_text("utf-8") if path.is_file() else ""
    if "scripts/command_page.py" in source:  # which reads the options for it
        source = (ROOT / "scripts/command_page.py").read_text("utf-8")
    return path.exists() and all(f'"{option}"' in source for option in options)


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_extra_that_is_named_exists(path: Path) -> None:
    """In `pip install 'zscr[…]'`, and of a checkout."""
    named = re.findall(r"'(?:zscr|\.)\[([a-z,-]+)\]'", path.read_text("utf-8"))
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert {each for extras in named for each in extras.split(",")} <= set(
        config["project"]["optional-dependencies"]
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_link_leads_to_a_file(path: Path) -> None:
    """Seen from the document's own folder."""
    lost = [each for each in links(path.read_text("utf-8")) if not (path.parent / each).exists()]
    assert lost == []


def test_the_readme_has_commands_and_links() -> None:
    """The two tests above find something to check."""
    text = (ROOT / "README.md").read_text("utf-8")
    assert {line.split()[0] for line in commands(text)} >= {"train", "export", "query"}
    assert "docs/experiments.md" in links(text)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("trian", "no such command 'trian'"),
        ("data conjure x", "no such command 'conjure'"),
        ("train --colection x", "No such option '--colection'"),
        ("query --file x --format pdf", "'pdf' is not one of"),
        ("train a b c", "unexpected extra argument"),
    ],
)
def test_the_check_of_commands_can_fail(line: str, said: str) -> None:
    """Words, options, choices and arguments that do not exist are told."""
    with pytest.raises(click.ClickException) as told:
        parse(line)
    assert said in told.value.format_message()


@pytest.mark.parametrize("line", ["conjure", "train --colection x", "data make -z"])
def test_the_check_of_mentions_can_fail(line: str) -> None:
    """Commands and options that do not exist are told."""
    with pytest.raises(click.UsageError, match="no such"):
        check_mention(line)


def test_scripts_that_do_not_exist_are_told() -> None:
    """By their names and by their options, in blocks as in running text."""
    text = "scripts/tset  # all\n`python benchmarks/tables.py --chek`, `scripts/commands --write`"
    tset, chek, write = found = scripts(text)
    assert found == [
        ("scripts/tset", []),
        ("benchmarks/tables.py", ["--chek"]),
        ("scripts/commands", ["--write"]),
    ]
    assert not has_options(*tset)
    assert not has_options(*chek)
    assert has_options(*write)


def test_what_is_read_of_a_document() -> None:
    """Blocks, indented and continued too; no comments, no pipes, no links elsewhere."""
    text = (
        "See [a](b/c.md#top), [d](https://e.org/f), [g](#h) and `zscr export --trt`.\n"
        "```\nzscr train \\\n  --out x  # why\n```\n"
        "- item\n\n  ```sh\n  $ zscr query | head\n  ```\n```text\nzscr and more\n```\n"
    )
    assert list(map(shell_words, commands(text))) == [["train", "--out", "x"], ["query"]]
    assert mentions(text) == ["export --trt"]
    assert links(text) == ["b/c.md"]


def test_every_command_and_option_is_documented() -> None:
    """docs/commands.md is what `scripts/commands --write` writes; each option says something."""
    page = (ROOT / "docs/commands.md").read_text("utf-8")
    call = [sys.executable, str(ROOT / "scripts/command_page.py")]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert page == done.stdout, "the commands have changed: run scripts/commands --write"
    parts = dict(
        re.findall(r"^## `zscr ([a-z0-9_ -]+?) \[.*\n((?:(?!## ).*\n)*)", page, re.MULTILINE)
    )
    for words, command in leaves(main):
        for option in (o for o in command.params if isinstance(o, click.Option)):
            line = rf"^- `.*{option.opts[0]}\b.*`: \w.*\w.*$"
            assert re.search(line, parts[words], re.MULTILINE), f"{words} {option.opts[0]}"


def leaves(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something itself, with the words that call it."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from leaves(command, f"{path}{name} ")


def test_the_figures_are_those_of_the_results() -> None:
    """Every table is what `benchmarks/tables.py` writes."""
    call = [sys.executable, str(ROOT / "benchmarks/tables.py"), "--check"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_drawing_of_the_imports_is_what_the_code_has() -> None:
    """`scripts/architecture --write` draws it anew."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/architecture")],
        capture_output=True,
        text=True,
        check=True,
    )
    document = (ROOT / "docs/architecture.md").read_text("utf-8")
    assert f"<!-- imports -->\n{done.stdout}<!-- /imports -->" in document, (
        "the imports have changed: run scripts/architecture --write"
    )
