"""Accounts by the operator's hand."""

import sys

import click
from flask.cli import with_appcontext

from imapp.services import identity


@click.command()
@click.argument("username")
@click.option("--nickname", help="What others see. Default: the username.")
@click.option("--operator", is_flag=True, help="May see what the settings keep to operators.")
@with_appcontext
def create_user(username: str, nickname: str | None, operator: bool) -> None:
    """Create an account; its password is asked for, or read from a pipe."""
    user = identity.create_account(username, _password(), nickname, operator)
    click.echo(f"Created user {user.id}: {user.username}")


def _password() -> str:
    """Never an argument: those can be seen by every user of the machine."""
    stdin = sys.stdin
    if stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return stdin.readline().rstrip("\n")
