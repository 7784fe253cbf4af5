"""What is in force."""

import sys

import click
from flask.cli import with_appcontext

from imapp.extensions import settings


@click.command("settings")
@with_appcontext
def show_settings() -> None:
    """Print the settings in force; secrets are masked."""
    # Not at import: the server loads this module too, and starts the faster without.
    from rich.console import Console
    from rich.table import Table

    table = Table("variable", "value", box=None, pad_edge=False)
    for name, value in settings.masked().items():
        table.add_row(name, str(value))
    # A pipe has no width: nothing may be cut there.
    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 500).print(table)
