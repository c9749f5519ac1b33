"""The `zscr` command: loads a subcommand's module when it is called, and speaks of known errors."""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import click

import zscr
from zscr.errors import ZscrError
from zscr.printable import printable
from zscr.streams import Closed, prepare_streams

# name -> module and attribute; the modules import click and the standard library only
COMMANDS = {
    "train": "zscr.train.commands:train",
    "evaluate": "zscr.train.evaluation.commands:evaluate",
    "adapt": "zscr.train.adaptation.commands:adapt",
    "export": "zscr.export.commands:export",
    "engine": "zscr.export.tensorrt.commands:engine",
    "query": "zscr.infer.commands:query",
    "find": "zscr.infer.find.commands:find",
    "index": "zscr.infer.exchange.commands:index",  # with all of zscr.infer.index
    "models": "zscr.infer.models.commands:models",
    "inspect": "zscr.infer.inspection.commands:inspect",
    "doctor": "zscr.infer.doctor.commands:doctor",
    "bench": "zscr.infer.bench.commands:bench",
    "data": "zscr.data.commands:data",
}

# What a path may meet that a user names, wherever it is looked at; other errors keep their trace.
_OF_PATHS = {errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR}
_OF_PATHS |= {errno.EROFS, errno.EIO, errno.ESTALE}


# How many objects are made until circles of them are searched for, by Python 700: the libraries
# make a hundred thousand, all to stay, and a start spent a tenth of its time in searching them.
_COLLECTING = 10_000, 10, 10


class LazyGroup(click.Group):
    """A group whose commands are imported on use; known errors are one line, exit 1; Ctrl-C 130.

    Args:
        homes: name -> module and attribute of each command.
        options: click's own, such as `help`.
    """

    def __init__(self, *, homes: Mapping[str, str], **options: Any) -> None:
        super().__init__(**options)
        self.homes = homes

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

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the whole command line of this process, or other arguments, over sound streams."""
        whole = not args and extra.get("args") is None
        if whole:
            _speak_utf8()
            gc.set_threshold(*_COLLECTING)
        try:
            prepare_streams()
        except Closed as error:
            error.show()
            sys.exit(error.exit_code)
        try:
            return super().main(*args, **extra)
        finally:
            if whole:
                gc.freeze()  # the process ends: nothing is to be searched for circles any more

    def invoke(self, ctx: click.Context) -> object:
        """Run a command, and turn known errors and Ctrl-C into a sentence and an exit code."""
        try:
            return super().invoke(ctx)
        except ZscrError as error:
            raise click.ClickException(printable(error)) from error
        except click.UsageError as error:  # which repeats words of the command line
            raise click.UsageError(printable(error.format_message()), error.ctx) from error
        except UnicodeEncodeError as error:
            raise _unencodable(error) from error
        except (OSError, RuntimeError) as error:
            raise _unreachable(error) from error
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


def _unreachable(error: OSError | RuntimeError) -> Exception:
    """Say that a file or folder may not be used, or has an impossible name; else it is a fault."""
    fix = "change its permissions or name another place"
    if isinstance(error, OSError) and error.filename is not None and error.errno in _OF_PATHS:
        said = f"{os.fsdecode(error.filename)} cannot be used ({error.strerror}); {fix}"
    elif str(error).startswith("Symlink loop from "):  # before Python 3.13, which has an OSError
        said = f"a link leads round in a circle ({error}); name another place"
    else:
        return error
    return click.ClickException(printable(said))


def _unencodable(error: UnicodeEncodeError) -> Exception:
    """Say that a name from the command line or the disk is not UTF-8; anything else is a fault."""
    part = error.object[error.start : error.end]
    if not all("\ud800" <= character <= "\udfff" for character in part):
        return error
    shown = ascii(error.object[:80])
    return click.ClickException(f"{shown} is not UTF-8, as in Latin-1; write or rename it in UTF-8")


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
    # Pillow's, about metadata of images: they name no file, and what cannot be read is listed.
    warnings.filterwarnings("ignore", module=r"PIL\b")


if __name__ == "__main__":
    sys.exit(main())
