"""The `zscr` command: loads a subcommand's module when it is called, and speaks of known errors."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

import click

import zscr
from zscr.errors import ZscrError
from zscr.printable import printable

# name -> module and attribute; the modules import click and the standard library only
COMMANDS = {
    "train": "zscr.train.commands:train",
    "evaluate": "zscr.train.commands:evaluate",
    "adapt": "zscr.train.adaptation.commands:adapt",
    "export": "zscr.export.commands:export",
    "query": "zscr.infer.commands:query",
    "index": "zscr.infer.index.commands:index",
    "data": "zscr.data.commands:data",
}


class LazyGroup(click.Group):
    """A group whose commands are imported on use; known errors are one line, exit 1; Ctrl-C 130.

    Args:
        homes: name -> module and attribute of each command.
        options: click's own, such as `help`.
    """

    def __init__(self, *, homes: Mapping[str, str], **options: Any) -> None:
        super().__init__(**options)
        self.homes = homes

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command line of this process, or other arguments."""
        if not args and options.get("args") is None:
            _speak_utf8()
        return super().main(*args, **options)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of the help."""
        return list(self.homes)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import one command; None if there is no such."""
        if name not in self.homes:
            return None
        module, attribute = self.homes[name].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run a command, and turn known errors and Ctrl-C into a sentence and an exit code."""
        try:
            return super().invoke(ctx)
        except ZscrError as error:
            raise click.ClickException(printable(error)) from error
        except click.UsageError as error:  # which repeats words of the command line
            raise click.UsageError(printable(error.format_message()), error.ctx) from error
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            raise click.exceptions.Exit(130) from None


def _speak_utf8() -> None:
    """Start again in Python's UTF-8 mode where the locale would read and write another encoding.

    Names of files, arguments and streams then are what they are under any other locale. The mode
    can be set at the start alone; Python itself sets it for the locale C, unless it is told not to.
    """
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


@click.group(
    cls=LazyGroup, homes=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(zscr.__version__, package_name="zscr")
def main() -> None:
    """Train zero-shot image retrieval, export it to ONNX and TensorRT, and find images.

    \b
    Three commands do the main job, in this order and in any directory:
      zscr train
      zscr export
      zscr query --file captions.txt
    """


if __name__ == "__main__":
    sys.exit(main())
