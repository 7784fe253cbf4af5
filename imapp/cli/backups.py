"""Commands for backup and restore."""

import socket
import time
from pathlib import Path

import click
from flask.cli import with_appcontext

from imapp.cli.acting_operator import command_line
from imapp.cli.progress import progress_bar
from imapp.extensions import settings
from imapp.services import audit_log
from imapp.services.backup import backups, restores
from imapp.services.backup.backup_format import BackupFile
from imapp.services.operations import nodes

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("target", metavar="FILE_OR_DIR", type=_PATH)
@click.option("--verify", is_flag=True, help="Check the backup FILE instead of writing one.")
@click.option("--part-rows", type=click.IntRange(1, 1_000_000), default=backups.PART_ROWS, show_default=True,
              help="Rows of one part. An interruption costs at most one part.")  # fmt: skip
@with_appcontext
def backup(target: Path, verify: bool, part_rows: int) -> None:
    """Back up the database to FILE, or to DIR under a name with the time.

    The backup has the state of all tables at one moment, while the nodes continue to write. To resume an interrupted
    backup, start it again: it takes a new moment, reads again the rows that may have changed, and keeps the other rows.
    The file gets its name when it is complete; only its owner can read it. It contains password hashes and is not
    encrypted.
    """
    if verify:
        _verify(target)
        return
    audit_log.record(command_line(), "back_up", f"file:{target.name}")
    started = time.monotonic()
    with progress_bar("Backup", backups.estimate()) as progress:
        file, manifest, reused = backups.write(target, progress, part_rows)
    kept = f", {reused} of them from the interrupted backup" if reused else ""
    size = file.stat().st_size / 2**20
    click.echo(f"{file}: {manifest.rows} rows{kept}, {size:.1f} MiB, {time.monotonic() - started:.1f} s")


def _verify(file: Path) -> None:
    with BackupFile(file) as whole:
        _check(whole)
        manifest = whole.manifest
    click.echo(f"{file} is complete: {manifest.rows} rows of {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC, "
               f"revision {manifest.revision}, from {manifest.database}.")  # fmt: skip


def _check(whole: BackupFile) -> None:
    with progress_bar("Check", whole.manifest.rows) as progress:
        backups.verify(whole, progress)


@click.command()
@click.argument("file", type=_PATH)
@click.option("--replace", is_flag=True, help="Drop the tables of the database first.")
@click.option("--keep-sessions", is_flag=True, help="Leave devices logged in: for a move to another database.")
@click.option("--force", is_flag=True, help="Restore even if nodes run, or if this cannot be checked.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_appcontext
def restore(file: Path, replace: bool, keep_sessions: bool, force: bool, yes: bool) -> None:
    """Restore the backup FILE into an empty database; create the tables if needed.

    FILE is checked completely before anything is changed. To resume an interrupted restore, start it again with the
    same options. At the end the database gets a new epoch, so that all clients load everything again, and all devices
    must log in again.
    """
    if not force:
        _require_stopped()
    with BackupFile(file) as whole:
        _check(whole)
        restores.require_known(whole)
        target = restores.examine(whole, keep_sessions)
        if target == "full":
            _confirm(replace, yes)
        started = time.monotonic()
        with progress_bar("Restore", whole.manifest.rows) as progress:
            epoch = restores.restore(whole, target, progress, keep_sessions=keep_sessions)
        words = "Resumed and restored" if target == "begun" else "Restored"
        moment = f"{whole.manifest.created_at:%Y-%m-%d %H:%M:%S} UTC"
        seconds = time.monotonic() - started
        audit_log.record(command_line(), "restore", f"file:{file.name} of {moment}")
        click.echo(f"{words} {whole.manifest.rows} rows of {moment} in {seconds:.1f} s; new epoch {epoch}.")


def _require_stopped() -> None:
    """Raise ClickException if nodes run."""
    found = nodes.reports() if settings.redis_url else []
    if found is None:
        raise click.ClickException("Redis does not answer, so nodes may be running. If none is, use --force.")
    names = [node.id for node in found]
    if not names and _is_served():
        names = [f"the one on port {settings.port}"]
    if names:
        raise click.ClickException(f"Nodes run: {', '.join(names)}. Stop them first.")


def _is_served() -> bool:
    """Return whether a process listens on this node's port: the only sign of a running node without Redis."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - an address to compare
    try:
        socket.create_connection((host, settings.port), 1).close()
    except OSError:
        return False
    return True


def _confirm(replace: bool, yes: bool) -> None:
    if not replace:
        raise click.ClickException("The database is not empty: --replace drops its tables.")
    if not yes:
        click.confirm(f"Drop everything in {settings.masked()['DATABASE_URL']}?", abort=True)
