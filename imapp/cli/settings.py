"""The command that prints the settings."""

import sys

import click
from flask.cli import with_appcontext

from imapp.extensions import settings


@click.command("settings")
@with_appcontext
def show_settings() -> None:
    """Print the current settings; secrets are masked."""
    # Not imported at the top: the server loads this module, too, and starts faster without it.
    from rich.console import Console
    from rich.table import Table

    table = Table("variable", "value", box=None, pad_edge=False)
    for name, value in settings.masked().items():
        table.add_row(name, str(value))
    # A pipe has no width: use one at which no line is wrapped.
    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 500).print(table)
