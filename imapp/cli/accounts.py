"""Commands that create accounts and reset second factors."""

import sys

import click
from flask.cli import with_appcontext

from imapp.cli.acting_operator import command_line
from imapp.services.accounts import admin_login, identity


@click.command()
@click.argument("username")
@click.option("--nickname", help="The name that other users see. Default: the username.")
@click.option("--operator", is_flag=True, help="Give the account an operator's rights.")
@with_appcontext
def create_user(username: str, nickname: str | None, operator: bool) -> None:
    """Create an account. The command asks for the password, or reads it from a pipe."""
    user = identity.create_account(username, ask_password(), nickname, operator, command_line())
    click.echo(f"Created user {user.id}: {user.username}")


@click.command()
@click.argument("username", metavar="NAME|'#ID'")
@with_appcontext
def reset_second_factor(username: str) -> None:
    """Delete an operator's second factor. The next log-in at /admin sets up a new one."""
    admin_login.reset_second_factor(username, command_line())
    click.echo(f"The second factor of {username} is deleted.")


def ask_password() -> str:
    """Ask for a password, or read it from a pipe. Arguments are not safe: every user of the machine can see them."""
    stdin = sys.stdin
    if stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return stdin.readline().rstrip("\n")
