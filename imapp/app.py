"""Assembles everything: the one place that knows all the others."""

from flask import Flask
from gevent import monkey

from config import Settings
from imapp import models  # noqa: F401 - registers the tables
from imapp.api import init_api
from imapp.cli import im
from imapp.database import engine_options, init_database
from imapp.extensions import db, migrate, socketio
from imapp.realtime import asyncapi
from imapp.realtime.commands import register_commands
from imapp.realtime.draining import drain
from imapp.realtime.server import init_realtime
from imapp.services.committer import Committer


def create_app(settings: Settings) -> Flask:
    """Build the app of one node; starts no thread and opens no connection."""
    app = Flask(__name__, static_folder=None)
    app.config.update(
        IMAPP=settings,
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url, settings),
    )
    db.init_app(app)
    migrate.init_app(app, db, render_as_batch=True)
    init_database(app)
    app.extensions["committer"] = Committer(
        app, batch_max=settings.committer_batch_max, queue_max=settings.committer_queue_max
    )
    init_api(app)
    app.cli.add_command(im)
    register_commands()
    app.register_blueprint(asyncapi.bp)
    init_realtime(app, "gevent" if monkey.is_module_patched("socket") else "threading")
    return app


def start(app: Flask) -> None:
    """Join the cluster; in the process that serves, once."""
    socketio.server.start()


def shutdown(app: Flask) -> None:
    """Let the clients go, finish what was accepted, leave the cluster."""
    settings = app.config["IMAPP"]
    app.extensions["imapp.draining"] = True
    drain(
        socketio.server,
        other_nodes=0 if socketio.server.manager.broker.is_alone else 1,
        seconds=settings.shutdown_timeout_seconds,
        per_second=settings.reconnects_per_second,
    )
    app.extensions["committer"].close()
    socketio.server.manager.broker.close()
