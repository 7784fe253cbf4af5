"""`flask im doctor`: the checks of a node and of everything that it depends on."""

import logging
import sys
from typing import TYPE_CHECKING

import click
import orjson
from flask import current_app
from flask.cli import with_appcontext

if TYPE_CHECKING:
    from imapp.doctor.runner import Result

_COLOURS = {"OK": "green", "WARN": "yellow", "FAIL": "bold red", "SKIP": "dim"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of a table.")
@click.option("--nginx", metavar="FILE", help="Nginx configuration: a file, a folder, or - for nginx -T.")
@click.option("--url", metavar="URL", help="The address that clients use, like https://chat.example.org.")
@click.option("--only", multiple=True, metavar="NAME", help="Only this check or group, like redis; may be repeated.")
@with_appcontext
def doctor(as_json: bool, nginx: str | None, url: str | None, only: tuple[str, ...]) -> None:
    """Check everything that a node depends on, and print advice for each problem.

    Exit codes: 0 no problems, 1 warnings only, 2 at least one failure.
    """
    # Not imported at the top: the server loads this module, too, and starts faster without it.
    from imapp.doctor import runner
    from imapp.doctor.catalogue import CHECKS
    from imapp.doctor.context import Context

    unknown = set(only) - CHECKS.keys() - {name.partition(".")[0] for name in CHECKS}
    if unknown:
        names = f"unknown check {', '.join(sorted(unknown))}; known are {', '.join(CHECKS)}"
        raise click.BadParameter(names, param_hint="--only")
    # The table shows the errors that the clients of Redis and the database would log.
    logging.disable(logging.CRITICAL)
    context = Context(current_app._get_current_object(), nginx=nginx, url=url)  # type: ignore[attr-defined]  # a proxy
    results = runner.run_checks(context, runner.select_checks(CHECKS, only))
    (_print_json if as_json else _print)(results)
    sys.exit(runner.exit_code(results))


def _print_json(results: "list[Result]") -> None:
    rows = [{"name": one.name, **vars(one.finding), "seconds": round(one.seconds, 3)} for one in results]
    statuses: list[str] = [one.finding.status for one in results]
    counts = {status.lower(): statuses.count(status) for status in _COLOURS}
    click.echo(orjson.dumps({**counts, "checks": rows}, option=orjson.OPT_INDENT_2))


def _print(results: "list[Result]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("check", "status", "finding", "what to do", box=None, pad_edge=False)
    for one in results:
        status = Text(one.finding.status, style=_COLOURS[one.finding.status])
        cure = "\n".join(words for words in (one.finding.cure, one.finding.command) if words)
        table.add_row(one.name, status, one.finding.text, cure)
    # A pipe has no width: use one at which no line is wrapped.
    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 500).print(table)
    statuses: list[str] = [one.finding.status for one in results]
    click.echo(", ".join(f"{statuses.count(status)} {status}" for status in _COLOURS))
