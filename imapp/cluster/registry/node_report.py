"""A node's report about itself, which each heartbeat writes to Redis."""

import os
import socket
from typing import Any

from flask import Flask

import imapp
from imapp.cluster.bus import signing
from imapp.cluster.registry import presence
from imapp.node import node_of
from imapp.telemetry import metrics


def report_of(app: Flask) -> dict[str, Any]:
    """Return the report of an app's node, for the other nodes and for operators."""
    node, local = node_of(app), presence.local_of(app)
    settings = node.settings
    return {
        "id": settings.node_id,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "port": settings.port,
        "socketio_port": settings.socketio_port,
        "state": "draining" if node.is_draining else "up",
        "started_at": node.started_at,
        "connections": len(local.open),
        "users": len(local.users()),
        "platforms": local.platforms(),
        "rss_bytes": metrics.memory_bytes(),
        "version": imapp.__version__,
        "key": signing.fingerprint(settings.secret_key),
    }
