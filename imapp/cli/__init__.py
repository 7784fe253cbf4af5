"""`flask im ...`: the operator's commands.

Law of the folder: a command reads its options, calls one service, and prints the result. A refusal is one line and exit
code 1.
"""

from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy.exc import DBAPIError, OperationalError

from imapp.cli.account_care import approve, invite, make_operator, revoke_operator, set_password
from imapp.cli.accounts import create_user, reset_second_factor
from imapp.cli.backups import backup, restore
from imapp.cli.bench import bench
from imapp.cli.demo import demo
from imapp.cli.doctor import doctor
from imapp.cli.documents import export_asyncapi, export_openapi, export_settings
from imapp.cli.fixture import load_fixture
from imapp.cli.logs import log_level
from imapp.cli.nodes import drain, nodes, rebalance
from imapp.cli.personal_data import erase_user, export_user
from imapp.cli.retention import retention
from imapp.cli.settings import show_settings
from imapp.cli.stats import stats
from imapp.cli.traces import trace
from imapp.database.errors import code_of
from imapp.errors import AppError

#: MySQL's error code for a table that does not exist.
_NO_SUCH_TABLE = 1146


class Commands(AppGroup):
    """The group of commands. It turns expected errors into one line; any other error is a bug and shows a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
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

for command in (
    approve, invite, make_operator, revoke_operator, set_password,
    backup, bench, create_user, demo, doctor, drain, erase_user, export_asyncapi, export_openapi, export_settings,
    export_user, load_fixture, log_level, nodes, rebalance, reset_second_factor, restore, retention,
    show_settings, stats, trace,
):  # fmt: skip
    im.add_command(command)
