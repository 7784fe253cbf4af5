"""The app factory, and the start and end of a node. Only this module imports all the others."""

import sys
import time

from flask import Flask
from gevent import monkey

from imapp import __version__
from imapp.api import init_api
from imapp.cli import im
from imapp.cluster import redis
from imapp.cluster.bus.room_manager import RoomManager
from imapp.cluster.redis_url import parse
from imapp.cluster.registry import presence
from imapp.cluster.registry.heartbeat import NodeHeartbeat, NodeTakenError
from imapp.cluster.registry.registry import registry_of
from imapp.database.engines import engine_options, init_database
from imapp.extensions import db
from imapp.logs import get_logger
from imapp.node import Node, bind, node_of
from imapp.realtime import asyncapi
from imapp.realtime.commands import register_commands
from imapp.realtime.drain import drain
from imapp.realtime.server import RealtimeServer
from imapp.realtime.setup import init_realtime
from imapp.realtime.upkeep import NodeUpkeep
from imapp.services.messaging import receipts
from imapp.services.operations.sampler import Sampler
from imapp.services.write_path.committer import Committer
from imapp.settings import Settings
from imapp.slow_readers import AnswerDeadline
from imapp.telemetry import event_loop, metrics, tracing
from imapp.trusted_proxies import TrustedProxies

log = get_logger(__name__)

#: Exit code of a node that refuses to start; gunicorn does not start the worker again.
REFUSED = 3

#: Seconds that a starting node waits for Redis to answer.
REDIS_SECONDS = 3.0


def create_app(settings: Settings) -> Flask:
    """Build the app of one node, without starting threads or opening connections."""
    app = Flask(__name__, static_folder=None)
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url, settings),
    )
    node = Node(settings)
    bind(app, node)
    metrics.INFO.clear()
    metrics.INFO.labels(version=__version__, node=settings.node_id).set(1)
    # The limits with which alerts and charts compare this node's figures.
    metrics.CONNECTIONS_LIMIT.set(settings.max_connections)
    metrics.COMMIT_QUEUE_LIMIT.set(settings.committer_queue_max)
    metrics.BUS_QUEUE_LIMIT_BYTES.set(settings.bus_queue_max_bytes)
    db.init_app(app)
    init_database(app)
    node.add(Committer(app, batch_max=settings.committer_batch_max, queue_max=settings.committer_queue_max))
    init_api(app)
    app.cli.add_command(im)
    register_commands()
    app.register_blueprint(asyncapi.bp)
    init_realtime(app, "gevent" if monkey.is_module_patched("socket") else "threading")
    doors = AnswerDeadline(app.wsgi_app, settings.keepalive_seconds)
    app.wsgi_app = node.add(TrustedProxies(doors, settings.trusted_proxies))  # type: ignore[method-assign]  # Flask's way
    return app


def init_commands(app: Flask) -> None:
    """Add to the app what only commands use: Flask-Migrate. Its import takes a tenth of a node's start."""
    from flask_migrate import Migrate

    Migrate().init_app(app, db, render_as_batch=True)


def start(app: Flask) -> None:
    """Join the cluster. Call it once, in the serving process. Raises SystemExit if the node cannot start."""
    event_loop.watch()
    node = node_of(app)
    _start_tracing(node.settings)
    node.part(NodeUpkeep).start()
    if node.settings.redis_url is not None:
        _check_redis(node)
        try:
            node.add(NodeHeartbeat(app, registry_of(app), on_taken=node.stop)).start()
        except NodeTakenError as exc:
            message = f"{node.settings.node_id} is already running: give this node another NODE_ID"
            log.error("node_taken", by=str(exc), message=message)
            sys.exit(REFUSED)
    node.add(Sampler(app)).start()


def _start_tracing(settings: Settings) -> None:
    if settings.tracing:
        try:
            tracing.start(settings.node_id, __version__)
        except ModuleNotFoundError as exc:
            message = "IM_TRACING=on needs pip install -r requirements-tracing.txt"
            log.error("tracing_absent", error=str(exc), message=message)
            sys.exit(REFUSED)


def _check_redis(node: Node) -> None:
    """Wait up to REDIS_SECONDS for Redis. If it does not answer, refuse to start or log a warning, as configured."""
    settings, broker = node.settings, node.part(RoomManager).broker
    deadline = time.monotonic() + REDIS_SECONDS
    while not broker.is_up and time.monotonic() < deadline:
        time.sleep(0.05)
    if broker.is_up:
        return
    absent = f"Redis does not answer at {parse(str(settings.redis_url))}"
    if settings.redis_at_start == "refuse":
        log.error("redis_absent", message=f"{absent}: refusing to start (IM_REDIS_AT_START=refuse)")
        sys.exit(REFUSED)
    log.warning("redis_absent", message=f"{absent}: waiting for it; this node is not ready until then")


def say_goodbye(app: Flask) -> None:
    """Make the clients reconnect elsewhere and close their connections; requests are served, and changes published."""
    node = node_of(app)
    settings, server = node.settings, node.part(RealtimeServer)
    node.is_draining = True
    with app.app_context():
        others = sum(report["id"] != settings.node_id for report in presence.cluster().reports() or [])
    drain(
        server,
        other_nodes=others,
        seconds=settings.shutdown_timeout_seconds,
        per_second=settings.reconnects_per_second,
    )


def leave(app: Flask) -> None:
    """Commit the accepted writes and leave the cluster. Call it after the last request; the bus closes last."""
    node = node_of(app)
    node.part(Committer).close()
    receipts.flush(app)
    for part in (node.find(NodeHeartbeat), node.find(Sampler)):
        if part is not None:
            part.stop()
    node.part(RoomManager).broker.close()
    redis.close(app)
    tracing.stop()
