"""Commands for users' legal rights: export of their data, and erasure."""

from pathlib import Path
from typing import get_args

import click
from flask.cli import with_appcontext

from imapp.cli.acting_operator import command_line
from imapp.cluster.bus.write_only import heard_by_the_nodes
from imapp.schemas.users import OwnMessages
from imapp.services import audit_log
from imapp.services.accounts import erasure, exports, users


@click.command()
@click.argument("user", metavar="NAME|'#ID'")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@with_appcontext
def export_user(user: str, file: Path) -> None:
    """Write all data of a user to FILE, a zip file of JSON lines with a README."""
    found = users.find_named(user)
    try:
        counts = exports.export(found.id, file)
    except OSError as exc:
        raise click.ClickException(f"{file}: {exc.strerror}") from exc
    audit_log.record(command_line(), "export_user", f"user:{found.id}")
    parts = ", ".join(f"{count} {name}" for name, count in counts.items() if count and name != "account")
    click.echo(f"{file}: user {found.id}, {parts or 'only the account'}")


@click.command()
@click.argument("user", metavar="NAME|'#ID'")
@click.option("--messages", type=click.Choice(get_args(OwnMessages)), default="anonymise", show_default=True,
              help="Keep the messages under an anonymous account, or recall them.")  # fmt: skip
@click.option("--transfer-groups", is_flag=True, help="Transfer the user's groups instead of refusing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_appcontext
def erase_user(user: str, messages: OwnMessages, transfer_groups: bool, yes: bool) -> None:
    """Erase an account permanently: its name, its sessions, contacts, blocks and memberships.

    The data of other users is unchanged. To resume an interrupted erasure, start it again with the ID, like '#17'.
    """
    found = users.find_named(user)
    shown = f"user {found.id} ({found.username})"
    if not yes:
        click.confirm(f"Erase {shown} permanently?", abort=True)
    with heard_by_the_nodes():
        recalled = erasure.erase(found.id, messages, transfer_groups=transfer_groups)
    audit_log.record(command_line(), "erase_user", f"user:{found.id}")
    click.echo(f"Erased {shown}" + (f", {recalled} messages recalled." if messages == "delete" else "."))
