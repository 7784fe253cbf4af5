"""Starts as a node does, up to the loaded application, and tells how that went. A process of its own.

Usage: python -m imapp.doctor.rehearsal

Gunicorn's own code reads gunicorn.conf.py, the worker class that it names makes its patches, then the application is
loaded: in the order of a real start. No port is opened and no cluster joined. Prints one line of JSON.
"""

import sys
import warnings
from types import SimpleNamespace
from typing import Any

#: Modules whose waits must be greenlets' waits.
WAITING = ("socket", "ssl", "select", "threading", "time", "queue", "subprocess")


def rehearse() -> dict[str, Any]:
    """Do it; gives what a node would be."""
    # Not before: what is imported here is what gunicorn's master would have imported.
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
    }


def unpatched() -> list[str]:
    """The modules of this process that wait as threads do, and would stop the event loop."""
    from gevent import monkey

    return [name for name in WAITING if not monkey.is_module_patched(name)]


def transport_of(app: Any) -> str:
    """What carries Socket.IO in this app: `engine` or `stock`."""
    module = type(app.extensions["imapp.server"].eio).__module__
    return "engine" if module.startswith("imapp.engine") else "stock"


if __name__ == "__main__":
    import json

    sys.stdout.write(json.dumps(rehearse()) + "\n")
