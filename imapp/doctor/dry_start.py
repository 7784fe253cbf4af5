"""A dry start: a node's start, up to the loaded application, in its own process.

Usage: python -m imapp.doctor.dry_start

As in a real start, gunicorn reads gunicorn.conf.py, then the configured worker class patches modules, then the
application is loaded. It opens no port and joins no cluster. It prints one line of JSON.
"""

import sys
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from flask import Flask


#: Modules that block, and that gevent must patch.
BLOCKING = ("socket", "ssl", "select", "threading", "time", "queue", "subprocess")


class DryStart(TypedDict):
    """The state after a dry start."""

    #: The name of the class of gunicorn's worker.
    worker: str
    #: The modules that gevent has not patched.
    unpatched: list[str]
    #: gevent's warnings about its patches.
    warnings: list[str]
    #: `engine` or `stock`.
    transport: str
    has_gevent_websocket: bool


def dry_start() -> DryStart:
    """Start as far as the loaded application; return the state that the doctor checks."""
    # Imported here, as in gunicorn's master, where no other module has been imported before.
    from gunicorn.app.wsgiapp import WSGIApplication

    sys.argv = ["gunicorn"]
    gunicorn = WSGIApplication()
    worker_class = gunicorn.cfg.worker_class
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if hasattr(worker_class, "patch"):
            worker_class.patch(SimpleNamespace(sockets=[]))
    app: Flask = gunicorn.wsgi()
    return {
        "worker": worker_class.__name__,
        "unpatched": unpatched(),
        "warnings": [str(one.message).splitlines()[0][:300] for one in caught if "onkey" in type(one.message).__name__],
        "transport": transport_of(app),
        "has_gevent_websocket": "geventwebsocket" in sys.modules,
    }


def unpatched() -> list[str]:
    """Return the modules of this process that gevent has not patched, and that would block the event loop."""
    from gevent import monkey

    return [name for name in BLOCKING if not monkey.is_module_patched(name)]


def transport_of(app: "Flask") -> str:
    """Return the transport of Socket.IO in this app: `engine` or `stock`."""
    from imapp.node import node_of  # not before the patches
    from imapp.realtime.server import RealtimeServer

    module = type(node_of(app).part(RealtimeServer).eio).__module__
    return "engine" if module.startswith("imapp.engine") else "stock"


if __name__ == "__main__":
    import json

    sys.stdout.write(json.dumps(dry_start()) + "\n")
