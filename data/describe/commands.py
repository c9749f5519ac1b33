"""`zscr data describe`: has the classes of a collection described by a language model or a file."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zscr.options import NamedPath
from zscr.printable import shown_on

if TYPE_CHECKING:
    from zscr.data.describe.asked import Asking
    from zscr.data.describe.endpoint import Endpoint

FOLDER = NamedPath()


class _Number(click.FloatRange):
    """A number of a range, which no comparison keeps NaN out of."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail("it is no number", param, ctx)
        return number


@click.command()
@click.argument("collection", type=FOLDER)
@click.option("--from", "file", type=FOLDER, help="Take them from this JSON file; ask nobody.")
@click.option("--model", envvar="OPENAI_MODEL", show_envvar=True, help="The model to ask.")
@click.option(
    "--base-url",
    envvar="OPENAI_BASE_URL",
    show_envvar=True,
    help="The OpenAI-compatible endpoint to ask [https://api.openai.com/v1].",
)
@click.option(
    "--api-key",
    envvar="OPENAI_API_KEY",
    show_envvar=True,
    default="",
    help="Its key; other users of this machine see it on a command line, not in the variable.",
)
@click.option("--prompts", type=FOLDER, help="Your own questions, a JSON file {id: question}.")
@click.option("--temperature", type=_Number(0, 2), help="Of the model [its own].")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Of its sampling [its own].")
@click.option(
    "--parallel",
    type=click.IntRange(1, 256),
    default=4,
    show_default=True,
    help="Questions that are asked at the same time.",
)
@click.option(
    "--tries",
    type=click.IntRange(1, 100),
    default=5,
    show_default=True,
    help="Of a question that gets no answer, or none that can be kept.",
)
@click.option(
    "--timeout",
    type=_Number(0, 86_400, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds that an answer may take.",
)
@click.option(
    "--wait",
    type=_Number(0, 60),
    default=0.5,
    show_default=True,
    help="Seconds before the second try, doubled with each; a server's Retry-After goes first.",
)
@click.option("--replace", is_flag=True, help="Put them in the place of those that there are.")
def describe(
    collection: Path, file: Path | None, prompts: Path | None, replace: bool, **options: Any
) -> None:
    """Describe the seen and validation classes of the collection COLLECTION, to train with.

    A language model is asked four questions a class (looks, visible parts, outlines of a drawing,
    what sets it apart), or descriptions are taken from a file: {class: {prompt: sentence}} or
    {class: [sentences]}. Unseen classes are never described. An answer that names another class is
    asked for again, and one that names an unseen class never kept. Answers are kept as they come:
    after a kill or Ctrl-C the same command goes on.

    \b
    Example:
      zscr data describe collections/sketchy25 --base-url http://localhost:8080/v1 --model qwen3
      OPENAI_API_KEY=... zscr data describe collections/sketchy25 --model gpt-4o-mini --seed 7
      zscr data describe collections/sketchy25 --from descriptions.json --replace
    """
    from zscr.data.collection import read_collection
    from zscr.data.describe.asked import ask_descriptions, import_descriptions
    from zscr.data.describe.prompts import QUESTIONS, read_prompts

    if file and prompts:
        raise click.UsageError("--from asks nobody; leave out --prompts")
    read = read_collection(collection)
    if file:
        folder = import_descriptions(read, file, replace=replace)
    else:
        asked = read_prompts(prompts) if prompts else QUESTIONS
        endpoint, asking = _endpoint(**options), _asking(**options)
        folder = ask_descriptions(read, endpoint, asked, asking, replace=replace)
    click.echo(shown_on(sys.stdout)(folder), color=True)


def _endpoint(
    base_url: str | None,
    model: str | None,
    api_key: str,
    temperature: float | None,
    seed: int | None,
    **_asking: object,
) -> Endpoint:
    from zscr.data.describe.endpoint import DEFAULT, Endpoint
    from zscr.errors import ConfigError

    if not model:
        raise ConfigError(
            "no model is named; give --model or OPENAI_MODEL, or take descriptions --from a file"
        )
    return Endpoint(base_url or DEFAULT, model, api_key.strip(), temperature, seed)


def _asking(parallel: int, tries: int, timeout: float, wait: float, **_endpoint: object) -> Asking:
    from zscr.data.describe.asked import Asking
    from zscr.patience import Patience

    return Asking(Patience(tries=tries, first_wait=wait, timeout=timeout), parallel)
