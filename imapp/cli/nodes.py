"""The nodes of the cluster."""

import sys

import click
import orjson
from flask.cli import with_appcontext

from imapp.schemas.base import now
from imapp.schemas.stats import NodeReport
from imapp.services import stats


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
@with_appcontext
def nodes(as_json: bool) -> None:
    """Show the living nodes of the cluster."""
    found = stats.node_reports()
    if found is None:
        raise click.ClickException("No cluster: REDIS_URL is unset, or Redis does not answer.")
    if as_json:
        click.echo(orjson.dumps([node.model_dump(mode="json") for node in found], option=orjson.OPT_INDENT_2))
    else:
        _print(found)


def _print(found: list[NodeReport]) -> None:
    # Not at import: the server loads this module too, and starts the faster without.
    from rich.console import Console
    from rich.table import Table

    titles = ("node", "state", "host", "pid", "port", "up", "connections", "users", "memory", "version")
    table = Table(*titles, box=None, pad_edge=False)
    for node in found:
        table.add_row(*_row(node))
    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 500).print(table)


def _row(node: NodeReport) -> list[str]:
    up = str(now() - node.started_at).partition(".")[0]
    memory = f"{node.rss_bytes / 2**20:.0f} MiB"
    numbers = map(str, (node.pid, node.port, up, node.connections, node.users, memory))
    return [node.id, node.state, node.host, *numbers, node.version]
