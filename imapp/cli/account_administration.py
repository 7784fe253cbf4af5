"""Commands that manage accounts: invitations, approval, passwords, operators' rights."""

import click
from flask.cli import with_appcontext

from imapp.cli.accounts import ask_password
from imapp.cli.acting_operator import command_line
from imapp.cluster.bus.write_only import heard_by_the_nodes
from imapp.schemas.invitations import InvitationIn
from imapp.services.accounts import account_administration, invitations, users

_USER = "NAME|'#ID'"


@click.command()
@click.option("--uses", type=click.IntRange(1, 100_000), default=1, show_default=True, help="Accounts per code.")
@click.option("--days", type=click.IntRange(1, 3650), default=7, show_default=True, help="Days until it expires.")
@with_appcontext
def invite(uses: int, days: int) -> None:
    """Create a code with which people can register, for IM_REGISTRATION=invitation."""
    made = invitations.create(InvitationIn(uses=uses, days=days), command_line())
    click.echo(f"{made.code}  for {uses} account{'s' if uses > 1 else ''} until {made.expires_at:%Y-%m-%d %H:%M} UTC")


@click.command()
@click.argument("user", metavar=f"[{_USER}]", required=False)
@with_appcontext
def approve(user: str | None) -> None:
    """Approve a new account, for IM_REGISTRATION=approval. Without a name, list the accounts that wait."""
    if user is None:
        for row in account_administration.waiting():
            click.echo(f"{row.username}  #{row.id}, since {row.pending_since:%Y-%m-%d %H:%M} UTC")
        return
    found = users.find_named(user)
    with heard_by_the_nodes():
        account_administration.approve(found.id, command_line())
    click.echo(f"User {found.id} ({found.username}) may log in.")


@click.command()
@click.argument("user", metavar=_USER)
@click.option("--generate", is_flag=True, help="Generate a password and print it.")
@with_appcontext
def set_password(user: str, generate: bool) -> None:
    """Set a user's password and end all sessions of the user.

    The command asks for the password, or reads it from a pipe.
    """
    found = users.find_named(user)
    with heard_by_the_nodes():
        password = account_administration.set_password(found.id, None if generate else ask_password(), command_line())
    shown = f": {password}" if generate else "."
    click.echo(f"User {found.id} ({found.username}) has a new password, and all sessions are ended{shown}")


@click.command()
@click.argument("user", metavar=_USER)
@with_appcontext
def make_operator(user: str) -> None:
    """Give an account the rights of an operator."""
    _set_operator(user, True)


@click.command()
@click.argument("user", metavar=_USER)
@with_appcontext
def revoke_operator(user: str) -> None:
    """Remove an account's rights of an operator, and its second factor."""
    _set_operator(user, False)


def _set_operator(user: str, is_operator: bool) -> None:
    found = users.find_named(user)
    with heard_by_the_nodes():
        account_administration.set_operator(found.id, is_operator, command_line())
    click.echo(f"User {found.id} ({found.username}) is {'now' if is_operator else 'no longer'} an operator.")
