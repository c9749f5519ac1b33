"""`zscr doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from zscr.errors import ConfigError
from zscr.options import NamedPath
from zscr.printable import printable, printable_json

_LATEST = Path("bundles/latest")


@click.command()
@click.argument("bundle", type=NamedPath(), required=False)
@click.option("--json", "as_json", is_flag=True, help="Write JSON for machines.")
def doctor(bundle: Path | None, as_json: bool) -> None:
    """Say what this machine is, what will run on it and how fast, and what is missing.

    Everything is read or measured: instructions of the processor, cores by affinity and by the
    container's quota, memory, bandwidth, fp32 products, packages, providers, disks. Of a BUNDLE
    [bundles/latest, if there is one] each query graph is timed, one query at a time, beside what
    its weights and products should take. The exit code is 1 where something that is needed is
    broken, and what mends it is said.

    \b
    Example:
      zscr doctor
      zscr doctor bundles/latest --json
    """
    from zscr.infer.doctor.page import page
    from zscr.infer.doctor.report import examine

    report = examine(bundle or (_LATEST if _LATEST.exists() else None))
    if as_json:
        click.echo(printable_json(report.to_json(), indent=1))
    else:
        click.echo("\n".join(map(printable, page(report).splitlines())))
    for broken in report.broken[:1]:
        raise ConfigError(f"{broken.what}; {broken.fix}")
