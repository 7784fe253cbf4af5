"""A node's report about itself, which each heartbeat writes to Redis."""

import os
import socket
from typing import Any

from flask import Flask

import imapp
from imapp import metrics
from imapp.cluster import presence, seal


def report_of(app: Flask) -> dict[str, Any]:
    """Return the report of an app's node, for the other nodes and for operators."""
    settings, local = app.config["IMAPP"], presence.local_of(app)
    return {
        "id": settings.node_id,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "port": settings.port,
        "socketio_port": settings.socketio_port,
        "state": "draining" if app.extensions.get("imapp.draining") else "up",
        "started_at": app.extensions["imapp.started_at"],
        "connections": len(local.open),
        "users": len(local.users()),
        "platforms": local.platforms(),
        "rss_bytes": metrics.memory_bytes(),
        "version": imapp.__version__,
        "key": seal.fingerprint(settings.secret_key),
    }
