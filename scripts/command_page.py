"""Prints docs/commands.md: every command, option and setting of `zscr`, as the code has them."""

# ruff: noqa: T201
from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from zscr.cli import main as zscr
from zscr.train.methods.registry import METHODS, load_method

PAGE = Path(__file__).resolve().parents[1] / "docs/commands.md"
HEAD = """# Commands

What `zscr --help` says of every command and the settings of every method, written by
`scripts/commands --write`. [formats.md](formats.md) says what a collection, a run, a bundle and an
index are.
"""


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something itself, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, "the group lists it"
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def of_command(name: str, command: click.Command) -> str:
    """Return one command's heading, what it does, its options, a line each, and its example."""
    context = click.Context(command, info_name=name)
    usage = " ".join(["zscr", name, *command.collect_usage_pieces(context)])
    about, _, example = inspect.cleandoc(command.help or "").partition("\b\nExample:\n")
    options = [o.get_help_record(context) for o in command.params if isinstance(o, click.Option)]
    lines = [f"- `{names}`: {joined(said)}" for names, said in filter(None, options)]
    paragraphs = [joined(part) for part in about.strip().split("\n\n")]
    parts = [f"## `{usage}`", *paragraphs, "\n".join(lines)]
    parts.append(f"```\n{inspect.cleandoc(example)}\n```")
    return "\n\n".join(filter(None, parts)) + "\n"


def joined(text: str) -> str:
    """Return a text without the source's line breaks."""
    return re.sub(r"\s+", " ", text)


def of_method(name: str) -> str:
    """Return a method's settings and its heads', with defaults and what the source says of each."""
    module = load_method(name)
    fields = {field.name: field.default for field in dataclasses.fields(module.Config)}
    noted = re.findall(r"^    (\w+): .+?  # (.+)$", inspect.getsource(module.Config), re.MULTILINE)
    heads = inspect.signature(module.Method.heads).parameters.values()
    own = {each.name: each.default for each in heads if each.kind is each.KEYWORD_ONLY}
    arguments = (inspect.getdoc(module.Method.heads) or "").partition("Args:\n")[2]
    told = re.findall(r"^    (\w+): (.+?)(?=\n    \w|\Z)", arguments, re.MULTILINE | re.DOTALL)
    parts = [f"## Settings of `{name}`", settings(fields, dict(noted))]
    parts += ["Of its heads, for `zscr evaluate --set` and `zscr export --set`:"]
    return "\n\n".join([*parts, settings(own, dict(told))]) + "\n"


def settings(values: Mapping[str, object], said: Mapping[str, str]) -> str:
    """Return a line a setting: its default as `--set` takes it, and what is said of it."""
    lines = (
        f"- `{name}={word(value)}`: {joined(said.get(name, ''))}" for name, value in values.items()
    )
    return "\n".join(line.removesuffix(": ") for line in lines)


def word(value: object) -> str:
    """Return a value as the shell has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def page() -> str:
    """Return the whole page."""
    parts = [HEAD, *(of_command(*each) for each in commands(zscr)), *map(of_method, METHODS)]
    return "\n".join(parts)


def main() -> None:
    """Print the page or write it."""
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(), "utf-8")
    elif sys.argv[1:]:
        raise SystemExit(__doc__)
    else:
        print(page(), end="")


if __name__ == "__main__":
    main()
