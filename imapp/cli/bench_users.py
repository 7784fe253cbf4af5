"""A command that writes test data directly into the database."""

import os
import time
from pathlib import Path

import click
from flask.cli import with_appcontext

from imapp.extensions import settings
from imapp.services import bench_users


@click.command()
@click.option("--users", type=click.IntRange(1, 1_000_000), required=True, help="Number of users.")
@click.option("--groups", type=click.IntRange(0, 100_000), default=0, help="Number of groups.")
@click.option("--group-size", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Members per group.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file for the tokens.")
@with_appcontext
def load_fixture(users: int, groups: int, group_size: int, out: Path) -> None:
    """Create users and groups for benchmarks, with tokens valid for a day.

    It writes a line for each user: access token, user id, conversation id of the user's first group or "-". The users
    have no password. The command refuses to run in production.
    """
    if settings.env == "production":
        raise click.ClickException("test data needs IM_ENV=development or IM_ENV=test")
    if groups and group_size > users:
        raise click.ClickException("a group cannot have more members than there are users")
    started = time.monotonic()
    lines = bench_users.load(users, groups, group_size)
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # tokens: only its owner can read it
        with os.fdopen(descriptor, "w") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as exc:
        raise click.ClickException(f"{out}: {exc.strerror}") from exc
    click.echo(f"{users} users and {groups} groups in {time.monotonic() - started:.1f} s: {out}")
