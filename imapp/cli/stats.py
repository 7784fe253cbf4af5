"""The command that prints the statistics of the cluster."""

import sys
import time

import click
import orjson
from flask.cli import with_appcontext

from imapp.errors import UnavailableError
from imapp.schemas.rates import ClusterStats, Rates
from imapp.services.operations import nodes, rates

#: Seconds between two tables of --watch.
_WATCH_SECONDS = 5

#: The cells of a table for a node without rates.
_NONE = ["-"] * 7


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--watch", is_flag=True, help=f"Print again every {_WATCH_SECONDS} seconds, until Ctrl-C.")
@with_appcontext
def stats(as_json: bool, watch: bool) -> None:
    """Show users, connections by node and platform, and the rates of the last step."""
    _print(_ask(), as_json)
    while watch:
        time.sleep(_WATCH_SECONDS)
        try:
            _print(_ask(), as_json)
        except UnavailableError:
            click.echo("Redis does not answer.", err=True)


def _ask() -> ClusterStats:
    return rates.describe(nodes.living())


def _print(found: ClusterStats, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps(found.model_dump(mode="json")))
        return
    # Not imported at the top: the server loads this module, too, and starts faster without it.
    from rich.console import Console
    from rich.table import Table

    titles = ("node", "state", "connections", "users", "msg/s", "cmd/s", "conn/s", "disc/s", "mean", "p99", "cpu")
    table = Table(*titles, box=None, pad_edge=False)
    for node in found.nodes:
        table.add_row(node.id, node.state, str(node.connections), str(node.users), *_numbers(node.rates))
    table.add_row("all", "", str(found.connections), str(found.users), *_numbers(found.rates))
    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 500)
    console.print(table)
    platforms = sorted(found.platforms.items(), key=lambda share: -share[1])
    shares = [f"{count} {platform}" for platform, count in platforms]
    console.print(", ".join([*shares, f"rates of the last {found.step_seconds} s"]))


def _numbers(rates_: Rates | None) -> list[str]:
    if rates_ is None:
        return _NONE
    of_messages = rates_.messages_per_second, rates_.commands_per_second
    of_sockets = rates_.connects_per_second, rates_.disconnects_per_second
    times = ("-" if one is None else f"{one:.1f} ms" for one in (rates_.latency_ms, rates_.p99_ms))
    return [*(f"{one:.1f}" for one in of_messages + of_sockets), *times, f"{100 * rates_.cpu:.0f} %"]
