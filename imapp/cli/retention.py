"""The command that deletes old data, started by an operator or by a timer."""

import time

import click
from flask.cli import with_appcontext

from imapp.cli.acting_operator import command_line
from imapp.cli.progress import progress_bar
from imapp.extensions import settings
from imapp.services import audit_log
from imapp.services.retention import retention as service
from imapp.services.retention.retention import Policy
from imapp.services.retention.retention_sweep import Pace


@click.command()
@click.option("--yes", is_flag=True, help="Delete. Without it, rows are only counted.")
@click.option("--dry-run", is_flag=True, help="Only count rows, even with --yes.")
@click.option("--batch", type=click.IntRange(10, 10_000), default=500, show_default=True,
              help="Rows per transaction.")  # fmt: skip
@click.option("--pause-ms", type=click.IntRange(0, 10_000), default=50, show_default=True,
              help="Milliseconds between two transactions.")  # fmt: skip
@with_appcontext
def retention(yes: bool, dry_run: bool, batch: int, pause_ms: int) -> None:
    """Delete data that is older than the settings IM_RETENTION_... allow. With 0 days, data is kept forever.

    The command can run while the nodes run: it uses small transactions. To resume an interrupted run, start it again.
    """
    policy = Policy.of_settings()
    deletes = yes and not dry_run
    messages, changes = settings.retention_messages_days, settings.retention_changes_days
    log = min(filter(None, (messages, changes)), default=0)
    ended = _days(settings.retention_sessions_days)
    click.echo(f"Kept: messages {_days(messages)}, changes {_days(log)}, ended sessions {ended}.")
    started = time.monotonic()
    with progress_bar("Delete" if deletes else "Count", service.conversations()) as progress:
        if deletes:
            audit_log.record(
                command_line(), "delete_old", f"messages:{_days(messages)} changes:{_days(log)} sessions:{ended}"
            )
            counts = service.run(policy, Pace(batch, pause_ms / 1000), progress)
        else:
            counts = service.preview(policy, progress)
    for table, count in counts.rows.items():
        if count:
            click.echo(f"{table}: {count} rows {'deleted' if deletes else 'would be deleted'}")
    click.echo(f"{counts.conversations} conversations, {time.monotonic() - started:.1f} s."
               + ("" if deletes else " Nothing was deleted: use --yes to delete."))  # fmt: skip


def _days(days: int) -> str:
    return f"{days} days" if days else "forever"
