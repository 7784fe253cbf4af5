"""What is wrong with the path from a client to the database."""

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
@click.option("--nginx", metavar="FILE", help="Nginx' configuration: a file, a folder, or - for what nginx -T prints.")
@click.option("--url", metavar="URL", help="The address that clients use, like https://chat.example.org.")
@click.option("--only", multiple=True, metavar="NAME", help="A check, or a group like redis; may be repeated.")
@with_appcontext
def doctor(as_json: bool, nginx: str | None, url: str | None, only: tuple[str, ...]) -> None:
    """Look at everything that a node needs, and say what to do about what is wrong.

    Exit codes: 0 all is well, 1 warnings only, 2 something is wrong.
    """
    # Not at import: the server loads this module too, and starts the faster without.
    from imapp.doctor import runner
    from imapp.doctor.case import Case
    from imapp.doctor.catalogue import CHECKS

    unknown = set(only) - CHECKS.keys() - {name.partition(".")[0] for name in CHECKS}
    if unknown:
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: there are {', '.join(CHECKS)}", param_hint="--only")
    # What the clients of Redis and the like log is told in the table.
    logging.disable(logging.CRITICAL)
    case = Case(current_app._get_current_object(), nginx=nginx, url=url)  # type: ignore[attr-defined]  # a proxy
    results = runner.examine(case, runner.chosen(CHECKS, only))
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

    table = Table("check", "status", "what was found", "what to do", box=None, pad_edge=False)
    for one in results:
        status = Text(one.finding.status, style=_COLOURS[one.finding.status])
        cure = "\n".join(words for words in (one.finding.cure, one.finding.command) if words)
        table.add_row(one.name, status, one.finding.text, cure)
    # A pipe has no width: nothing may be cut there.
    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 500).print(table)
    statuses: list[str] = [one.finding.status for one in results]
    click.echo(", ".join(f"{statuses.count(status)} {status}" for status in _COLOURS))
