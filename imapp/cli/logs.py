"""A command that changes the log level of nodes for a limited time."""

import click
from flask.cli import with_appcontext

from imapp.cli.acting_operator import command_line
from imapp.errors import NotFoundError, UnavailableError
from imapp.logs.levels import LEVELS, ROOTS, is_allowed
from imapp.services import audit_log
from imapp.services.operations import nodes as service


def _logger(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not is_allowed(value):
        raise click.BadParameter(f"it must be one of {', '.join(ROOTS)} or a logger below.")
    return value


@click.command()
@click.argument("node_ids", metavar="[NODE]...", nargs=-1)
@click.argument("level", type=click.Choice(LEVELS, case_sensitive=False))
@click.option("--logger", default="", callback=_logger, help="Only this logger and those below, like imapp.realtime.")
@click.option(
    "--for", "seconds", default=600, show_default=True, type=click.IntRange(0), help="Seconds. 0: until the node ends."
)
@with_appcontext
def log_level(node_ids: tuple[str, ...], level: str, logger: str, seconds: int) -> None:
    """Set the log level of each NODE (without NODE: of all) to LEVEL; afterwards the old level returns."""
    try:
        told = service.change_log_level(node_ids, (level, logger, seconds))
    except NotFoundError:
        raise click.ClickException("No live node has this name: see flask im nodes.") from None
    except UnavailableError as exc:
        raise click.ClickException(f"{exc.message} For a single node, send SIGUSR1 to its gunicorn.") from None
    if told:
        audit_log.record(command_line(), "change_log_level", f"{level} {logger or 'all'} nodes:{','.join(told)}")
    until = f"for {seconds} s" if seconds else "until it ends"
    for node_id in told:
        click.echo(f"{node_id} logs at {level}, {until}.")
    if not told:
        raise click.ClickException("No node could be reached.")
