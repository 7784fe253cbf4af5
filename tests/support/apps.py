"""The app in the test's own process: threads instead of greenlets, an empty database for each test."""

import shutil
from functools import cache
from pathlib import Path

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import Engine, create_engine, text
from werkzeug.routing import Rule

from imapp.app import create_app, init_commands, leave, say_goodbye
from imapp.database.engines import CommitterEngine
from imapp.extensions import Base, db
from imapp.node import node_of
from imapp.settings import Settings
from tests.support.server import ROOT

#: Settings of the app unless a test overrides them: cheap hashes, no rate limits, operators without a second factor.
DEFAULTS = {
    "env": "test",
    "secret_key": "t" * 32,
    "rate_limits": False,
    "admin_second_factor": False,
    "argon2_memory_kib": 64,
    "argon2_time_cost": 1,
}

#: Tables that `empty` keeps: the migration has written their rows.
_KEPT = {"server_state"}


def _compile_each_builder_once() -> None:
    """Keep the functions that werkzeug compiles to build URLs: each of 3,000 apps would compile for 40 ms."""
    compiled: dict[object, object] = {}
    compile_builder = Rule._compile_builder

    def kept(rule: Rule, append_unknown: bool = True) -> object:
        key = (tuple(rule._trace), repr(rule.defaults), append_unknown)
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    Rule._compile_builder = kept


_compile_each_builder_once()


def make_app(url: str, folder: Path, **settings: object) -> Flask:
    """Return an app on a database that has its tables already."""
    app = create_app(Settings(**{**DEFAULTS, "database_url": url, "data_dir": folder, **settings}))
    init_commands(app)
    return app


def close_app(app: Flask) -> None:
    """Stop the app's threads and close its connections."""
    say_goodbye(app)
    leave(app)
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
        node_of(app).part(CommitterEngine).engine.dispose()


def migrate(url: str, folder: Path) -> None:
    """Create the tables with the real migrations."""
    app = make_app(url, folder)
    with app.app_context():
        upgrade(directory=str(ROOT / "migrations"))
    close_app(app)


def copy_of(template: Path, folder: Path) -> str:
    """Copy a migrated SQLite file; return the URL of the copy."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, folder / "imapp.db")
    return f"sqlite:///{folder}/imapp.db"


@cache
def _engine(url: str) -> Engine:
    return create_engine(url, pool_size=1, pool_pre_ping=True)  # some tests cut all connections


def empty(url: str) -> None:
    """Delete all rows of the tables of a MariaDB, except those in `_KEPT`."""
    with _engine(url).begin() as connection:
        connection.execute(text("SET foreign_key_checks = 0"))
        for table in Base.metadata.sorted_tables:
            if table.name not in _KEPT:
                connection.execute(table.delete())
