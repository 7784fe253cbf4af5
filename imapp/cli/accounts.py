"""Accounts by the operator's hand."""

import sys

import click
from flask.cli import with_appcontext

from imapp.cli.by import command_line
from imapp.services import admin_login, identity


@click.command()
@click.argument("username")
@click.option("--nickname", help="What others see. Default: the username.")
@click.option("--operator", is_flag=True, help="May see what the settings keep to operators.")
@with_appcontext
def create_user(username: str, nickname: str | None, operator: bool) -> None:
    """Create an account; its password is asked for, or read from a pipe."""
    user = identity.create_account(username, ask_password(), nickname, operator, command_line())
    click.echo(f"Created user {user.id}: {user.username}")


@click.command()
@click.argument("username", metavar="NAME|'#ID'")
@with_appcontext
def reset_second_factor(username: str) -> None:
    """Forget an operator's second factor; the next log-in at /admin sets up a new one."""
    admin_login.reset_second_factor(username, command_line())
    click.echo(f"{username} has no second factor any more.")


def ask_password() -> str:
    """Ask for a password, or read it from a pipe. Never an argument: those can be seen by every user of the machine."""
    stdin = sys.stdin
    if stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return stdin.readline().rstrip("\n")
