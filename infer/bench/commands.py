"""`zscr bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from zscr.infer.options import make_runtime, runtime_options
from zscr.options import NamedPath
from zscr.progress import say

if TYPE_CHECKING:
    from zscr.infer.bench.asked import Pool
    from zscr.infer.bench.settings import Settings
    from zscr.infer.bench.subject import Subject

FOLDER = NamedPath()
FILE = click.Path(path_type=Path)
PARTS = ("single", "server", "offline", "index")


@click.group(invoke_without_command=True)
@click.option(
    "--bundle", type=FOLDER, default="bundles/latest", show_default=True, help="The model."
)
@click.option("--index", type=FOLDER, help="The gallery [the index beside the bundle].")
@click.option("--against", type=FOLDER, metavar="BUNDLE", help="Another model, asked in turns.")
@click.option("--against-index", type=FOLDER, help="Its gallery [the index beside it].")
@click.option(
    "--file", type=FILE, help="Captions, or queries (.jsonl) [the examples of the bundle]."
)
@click.option("--collection", metavar="NAME", help="Ask the unseen queries of a collection.")
@click.option("--task", default="text", show_default=True, help="The collection's task.")
@click.option(
    "--scenario",
    "scenarios",
    type=click.Choice(PARTS),
    multiple=True,
    help="What to measure; repeatable [all].",
)
@click.option("--seconds", type=float, metavar="S", help="Length of each scenario [20].")
@click.option("--queries", type=int, metavar="N", help="Queries of each scenario.")
@click.option("--rate", type=float, metavar="R", help="Queries a second that the server is sent.")
@click.option(
    "--p99", type=float, metavar="MS", help="Find the largest rate whose p99 is within MS."
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Queries that the server answers at once.",
)
@click.option("-k", type=click.IntRange(1), default=10, show_default=True, help="Images a query.")
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Of all draws.")
@click.option("--out", type=FOLDER, help="A new folder for the report [results/bench-NUMBER].")
@runtime_options
@click.pass_context
def bench(context: click.Context, /, **options: Any) -> None:
    """Measure how fast a bundle and its index answer, after the rules of MLPerf inference.

    Scenarios: single asks one query after another, and splits its time into stages; server sends
    queries at random moments, whether or not those before have been answered, and counts a query's
    latency from its moment; offline has all queries at once; index measures recall against queries
    a second, at every ef. Without --rate and --p99 the server is sent 0.7 of the throughput of
    single queries.

    Percentiles are upper bounds that so many queries prove with confidence 0.99: p99 takes 459 at
    least. Fewer give '-' and the number that it takes.

    With --against two bundles answer the same queries in turns, and the report compares them.
    Ctrl-C ends the measurement and keeps what there is. The folder holds result.json, table.md and
    page.html; the tables are printed, too. The exit code is 1 where p99 is not within --p99.

    \b
    Example:
      zscr bench
      zscr bench --file captions.txt --seconds 60
      zscr bench --scenario server --p99 50
      zscr bench --against bundles/other --scenario single --queries 1000
      zscr bench --scenario index
      zscr bench compare results/bench-001 results/bench-002
    """
    if context.invoked_subcommand is None:
        _measure(**options)
        return
    for name in context.params:
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with 'zscr bench' alone")


@bench.command()
@click.argument("a", type=FILE)
@click.argument("b", type=FILE)
@click.option("--anyway", is_flag=True, help="Compare results of other machines or settings, too.")
def compare(a: Path, b: Path, anyway: bool) -> None:
    """Say whether B is faster than A, two results of 'zscr bench', in each scenario and stage.

    The ratio of the medians is given with its 95 % interval, from blocks of queries that are
    resampled. That holds what the machine did in a run, not what changed between the two: measure
    bundles against each other in one run (--against) where small differences matter.

    \b
    Example:
      zscr bench compare results/bench-001 results/bench-002
      zscr bench compare old/result.json new/result.json --anyway
    """
    from zscr.infer.bench.compare import HEAD, compare, compared_rows, faults, load_faults
    from zscr.infer.bench.lines import busy_words
    from zscr.infer.bench.result import read_result
    from zscr.infer.bench.table import markdown_table

    results = read_result(a), read_result(b)
    found = compare(*results, anyway=anyway)
    for fault in [*faults(*results), *load_faults(*results)]:
        say(f"not the same in both: {fault}")
    for busy in filter(None, map(busy_words, results)):
        say(busy)
    click.echo(markdown_table(HEAD, compared_rows(found)), nl=False)


def _measure(scenarios: tuple[str, ...], p99: float | None, **options: Any) -> None:
    from zscr.disk import require_writable
    from zscr.infer.bench.bench import Bench
    from zscr.infer.bench.files import DEFAULT, write_result
    from zscr.infer.bench.table import tables

    settings = _settings(scenarios, p99, options)
    require_writable(options["out"] or DEFAULT, new=options["out"] is not None)
    subjects = _subjects(options)
    measured = Bench(subjects, _pool(subjects, options), settings)
    result = measured.run()
    click.echo(tables(result), nl=False)
    say(f"wrote {write_result(result, options['out'])}")
    if result.interrupted:
        say("what was measured until then is kept")
        raise KeyboardInterrupt
    if not measured.bounds_held:
        raise click.exceptions.Exit(1)


def _settings(scenarios: tuple[str, ...], p99: float | None, options: dict[str, Any]) -> Settings:
    from zscr.infer.bench.limit import Limit
    from zscr.infer.bench.server import Load
    from zscr.infer.bench.settings import Settings

    return Settings(
        tuple(part for part in PARTS if part in (scenarios or PARTS)),
        Limit.of(options["queries"], options["seconds"]),
        Load(options["rate"], p99, options["workers"]),
        options["k"],
        options["backend"],
        _runtime(options).thread_count,
        options["seed"],
        options["release_memory"],
    )


def _runtime(options: dict[str, Any]) -> Any:
    names = ("backend", "threads", "allow_fallback", "release_memory", "precision")
    return make_runtime(**{name: options[name] for name in names})


def _subjects(options: dict[str, Any]) -> list[Subject]:
    from zscr.infer.bench.bench import told_apart
    from zscr.infer.bench.subject import Subject

    if options["against_index"] is not None and options["against"] is None:
        raise click.UsageError("--against-index goes with --against")
    named = [(options["bundle"], options["index"])]
    if options["against"] is not None:
        named.append((options["against"], options["against_index"]))
    runtime = _runtime(options)
    return told_apart([Subject.open(*each, runtime, options["k"]) for each in named])


def _pool(subjects: list[Subject], options: dict[str, Any]) -> Pool:
    from zscr.infer.bench.asked import (
        collection_queries,
        example_queries,
        file_queries,
        fill_pool,
    )

    if options["file"] is not None and options["collection"] is not None:
        raise click.UsageError("give queries by either --file or --collection")
    if options["file"] is not None:
        found = file_queries(options["file"])
    elif options["collection"] is not None:
        found = collection_queries(options["collection"], options["task"], "unseen")
    else:
        found = example_queries(subjects[0].searcher.bundle)
    return fill_pool(subjects, found, options["seed"])
