"""Commands that write the generated documents: OpenAPI, AsyncAPI and docs/settings.md."""

from pathlib import Path

import click
import orjson
from flask import current_app
from flask.cli import with_appcontext

from imapp.api.http import openapi
from imapp.cli import settings_document
from imapp.realtime import asyncapi


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file. Default: standard output.")
@with_appcontext
def export_openapi(out: Path | None) -> None:
    """Write the OpenAPI document of the REST API."""
    write(orjson.dumps(openapi.document(current_app), option=orjson.OPT_INDENT_2), out)


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file. Default: standard output.")
@with_appcontext
def export_asyncapi(out: Path | None) -> None:
    """Write the AsyncAPI document of the Socket.IO API."""
    write(orjson.dumps(asyncapi.document(), option=orjson.OPT_INDENT_2), out)


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file. Default: standard output.")
@with_appcontext
def export_settings(out: Path | None) -> None:
    """Write docs/settings.md, the reference of all settings."""
    write(settings_document.document().encode(), out)


def write(text: bytes, out: Path | None) -> None:
    """Write to the file or to standard output; raises ClickException if the file cannot be written."""
    if out is None:
        click.echo(text)
        return
    try:
        out.write_bytes(text + b"\n")
    except OSError as exc:
        raise click.ClickException(f"{out}: {exc.strerror}") from exc
