"""`flask im ...`: the operator's commands.

Law of the folder: a command reads its options, calls one service, and prints the result. A refusal is one line and exit
code 1.
"""

from importlib import import_module

import click
from flask.cli import AppGroup
from sqlalchemy.exc import DBAPIError, OperationalError

from imapp.database.errors import code_of
from imapp.errors import AppError

#: MySQL's error code for a table that does not exist.
_NO_SUCH_TABLE = 1146


#: The module of each command. It is imported when the command is run: a node runs none, and starts faster.
_MODULE_OF = {
    command: module
    for module, commands in {
        "account_administration": "approve invite make-operator revoke-operator set-password",
        "accounts": "create-user reset-second-factor",
        "backups": "backup restore",
        "bench": "bench",
        "bench_users": "load-fixture",
        "demo": "demo",
        "doctor": "doctor",
        "documents": "export-asyncapi export-openapi export-settings",
        "logs": "log-level",
        "nodes": "drain nodes rebalance",
        "personal_data": "erase-user export-user",
        "retention": "retention",
        "settings": "settings",
        "stats": "stats",
        "traces": "trace",
    }.items()
    for command in commands.split()
}


class Commands(AppGroup):
    """The group of commands. It turns expected errors into one line; any other error is a bug and shows a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(_MODULE_OF)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return the command, or None if there is no such command."""
        if cmd_name not in _MODULE_OF:
            return None
        module = import_module(f"imapp.cli.{_MODULE_OF[cmd_name]}")
        return next(
            thing for thing in vars(module).values() if isinstance(thing, click.Command) and thing.name == cmd_name
        )

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; raises ClickException."""
        try:
            return super().invoke(ctx)
        except AppError as exc:
            raise click.ClickException(exc.message) from exc
        except DBAPIError as exc:
            if code_of(exc) == _NO_SUCH_TABLE or "no such table" in str(exc.orig):
                raise click.ClickException("The database has no tables: create them with flask db upgrade.") from exc
            if isinstance(exc, OperationalError):
                raise click.ClickException(f"The database does not answer: {exc.orig}") from exc
            raise


im = Commands("im", help="Operate this server.")
