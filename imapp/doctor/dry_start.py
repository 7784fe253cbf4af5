"""A rehearsal of a node's start, up to the loaded application, in its own process.

Usage: python -m imapp.doctor.dry_start

As in a real start, gunicorn reads gunicorn.conf.py, then the configured worker class patches modules, then the
application is loaded. It opens no port and joins no cluster. It prints one line of JSON.
"""

import sys
import warnings
from types import SimpleNamespace
from typing import Any

#: Modules that block, and that gevent must patch.
WAITING = ("socket", "ssl", "select", "threading", "time", "queue", "subprocess")


def rehearse() -> dict[str, Any]:
    """Rehearse the start; return what the doctor examines."""
    # Imported here, as in gunicorn's master, where no other module has been imported before.
    from gunicorn.app.wsgiapp import WSGIApplication

    sys.argv = ["gunicorn"]
    gunicorn = WSGIApplication()
    worker_class = gunicorn.cfg.worker_class
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        if hasattr(worker_class, "patch"):
            worker_class.patch(SimpleNamespace(sockets=[]))
    app: Any = gunicorn.wsgi()
    return {
        "worker": worker_class.__name__,
        "unpatched": unpatched(),
        "told": [str(one.message).splitlines()[0][:300] for one in told if "onkey" in type(one.message).__name__],
        "transport": transport_of(app),
        "has_gevent_websocket": "geventwebsocket" in sys.modules,
    }


def unpatched() -> list[str]:
    """Return the modules of this process that gevent has not patched, and that would block the event loop."""
    from gevent import monkey

    return [name for name in WAITING if not monkey.is_module_patched(name)]


def transport_of(app: Any) -> str:
    """Return the transport of Socket.IO in this app: `engine` or `stock`."""
    from imapp.node import node_of  # not before the patches
    from imapp.realtime.server import RealtimeServer

    module = type(node_of(app).part(RealtimeServer).eio).__module__
    return "engine" if module.startswith("imapp.engine") else "stock"


if __name__ == "__main__":
    import json

    sys.stdout.write(json.dumps(rehearse()) + "\n")
