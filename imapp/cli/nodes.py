"""Commands that list, drain and rebalance the nodes of the cluster."""

import sys
import time

import click
import orjson
from flask.cli import with_appcontext

from imapp.cli.acting_operator import command_line
from imapp.clock import now
from imapp.errors import NotFoundError, UnavailableError
from imapp.schemas.stats import NodeReport
from imapp.services.operations import nodes as service

#: Seconds between two checks of a draining node, which renews its report every 2 s.
_CHECK_SECONDS = 1.0


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
@with_appcontext
def nodes(as_json: bool) -> None:
    """Show the live nodes of the cluster."""
    found = service.living()
    if as_json:
        click.echo(orjson.dumps([node.model_dump(mode="json") for node in found], option=orjson.OPT_INDENT_2))
        return
    # Not imported at the top: the server loads this module, too, and starts faster without it.
    from rich.console import Console
    from rich.table import Table

    titles = ("node", "state", "host", "pid", "port", "up", "connections", "users", "memory", "version")
    table = Table(*titles, box=None, pad_edge=False)
    for node in found:
        up = str(now() - node.started_at).partition(".")[0]
        memory = f"{node.rss_bytes / 2**20:.0f} MiB"
        numbers = map(str, (node.pid, node.port, up, node.connections, node.users, memory))
        table.add_row(node.id, node.state, node.host, *numbers, node.version)
    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 500).print(table)


@click.command()
@click.argument("node_id", metavar="NODE")
@click.option("--wait", default=60, show_default=True, help="Seconds to wait until it has stopped. 0: do not wait.")
@with_appcontext
def drain(node_id: str, wait: int) -> None:
    """Drain NODE: it accepts no new clients, sends its clients to the other nodes at a limited rate, and stops."""
    try:
        told = service.drain(node_id, command_line())
    except NotFoundError:
        raise click.ClickException(f"No live node has the name {node_id}: see flask im nodes.") from None
    click.echo(f"{node_id} was told to drain: {told.connections} connections.")
    if wait:
        _wait_gone(told, time.monotonic() + wait)


@click.command()
@with_appcontext
def rebalance() -> None:
    """Spread the clients over the nodes: clients beyond a node's share reconnect, at a limited rate."""
    told = service.rebalance(command_line())
    counts = ", ".join(f"{node.id} {node.connections}" for node in told)
    click.echo(f"{len(told)} nodes were told to spread their clients. Connections now: {counts}.")


def _wait_gone(told: NodeReport, deadline: float) -> None:
    """Wait until the node has stopped or was started again; raises ClickException at the deadline."""
    while time.monotonic() < deadline:
        time.sleep(_CHECK_SECONDS)
        try:
            latest = service.report(told.id)
        except NotFoundError:
            click.echo(f"{told.id} has stopped.")
            return
        except UnavailableError:
            continue
        if latest.started_at != told.started_at:
            click.echo(f"{told.id} has stopped and was started again.")
            return
        click.echo(f"{told.id}: {latest.state}, {latest.connections} connections")
    raise click.ClickException(f"{told.id} is still running.")
