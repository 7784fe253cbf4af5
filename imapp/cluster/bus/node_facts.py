"""A node's answer to the doctor: how it really runs, which its settings alone do not show."""

import os
import platform
import resource
import time
from typing import TypedDict

from flask import Flask

import imapp
from imapp.node import node_of
from imapp.trusted_proxies import TrustedProxies


class NodeFacts(TypedDict):
    """The facts about a node, as JSON."""

    id: str
    host: str
    pid: int
    version: str
    #: Unix time in seconds by the node's own clock.
    clock: float
    #: The module of the Engine.IO server.
    engine: str
    #: The modules of the standard library that gevent has not patched, but should have.
    unpatched: list[str]
    files_limit: int
    max_connections: int
    database_connections: int
    #: Whether the node receives its own messages over the bus.
    hears_itself: bool
    #: The address of an untrusted proxy that sent X-Forwarded-For; None if there was none.
    disbelieved: str | None


def facts_of(app: Flask, *, engine: str, hears_itself: bool) -> NodeFacts:
    """Return the facts about an app's node, without secrets."""
    from gevent import monkey  # imported here: tests and the command line run without gevent

    settings = node_of(app).settings
    return {
        "id": settings.node_id,
        "host": platform.node(),
        "pid": os.getpid(),
        "version": imapp.__version__,
        "clock": time.time(),
        "engine": engine,
        "unpatched": [name for name in ("socket", "ssl", "threading", "time") if not monkey.is_module_patched(name)],
        "files_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "max_connections": settings.max_connections,
        "database_connections": settings.db_pool_size + settings.db_pool_overflow + 1,
        "hears_itself": hears_itself,
        "disbelieved": node_of(app).part(TrustedProxies).disbelieved,
    }
