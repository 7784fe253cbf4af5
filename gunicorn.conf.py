"""The gunicorn configuration of one node: one gevent worker, one line for each error at start, a clean stop.

Exit codes: 0 stopped, 2 unusable settings, 3 the port is not available, 6 no permission to write.
"""

import gc
import logging
import os
import resource
import signal
import socket
import sys
import threading
from pathlib import Path

import gunicorn.http.wsgi

from config import SettingsError, load_settings
from imapp.logs import get_logger
from imapp.logs.setup import NodeLogs, of_master

try:
    settings = load_settings()
except SettingsError as exc:
    sys.stderr.write(f"{exc}\n")
    sys.exit(exc.exit_code)

_host = f"[{settings.host}]" if ":" in settings.host else settings.host
_ports = [port for port in (settings.port, settings.socketio_port) if port is not None]
bind = [f"{_host}:{port}" for port in _ports]
wsgi_app = "wsgi:app"
# IM_TRANSPORT=stock: the worker that Flask-SocketIO's documentation names, with limits. Otherwise nothing of it is
# imported.
worker_class = "imapp.realtime.websocket_worker.WebSocketWorker" if settings.transport == "stock" else "gevent"
# Always one worker: a Socket.IO session lives in one process, and gunicorn cannot route by session.
workers = 1
# Never preload: connections and locks would be created before the fork, and so before gevent's patches.
preload_app = False
# Never restart the worker after a number of requests: that would close every open socket.
max_requests = 0
worker_connections = settings.max_connections
# The worker limits the time of its own stop to this setting; gunicorn kills it 3 s later.
graceful_timeout = settings.shutdown_timeout_seconds + 3
keepalive = settings.keepalive_seconds  # a stopping node waits for idle connections
# The header `Server` does not disclose gunicorn and its version.
gunicorn.http.wsgi.SERVER = "imapp"
# All nodes of one system user would share one control socket, and the first node to stop would remove it.
control_socket_disable = True
umask = 0o077
# imapp/trusted_proxies.py decides which proxies are trusted; gunicorn trusts none.
forwarded_allow_ips = ""
# The file with which the worker shows the master that it is alive must not wait for a busy disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - only the folder is shared

# Each socket is an open file: raise the limit to the highest that the system allows.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))


# -- logs ----------------------------------------------------------------------------------------------------

# The worker rotates the file (IM_LOG_FILE), see post_worker_init.
logconfig_dict = of_master(settings)
accesslog = None  # imapp.api writes its own (IM_ACCESS_LOG)

_log = get_logger("imapp.server")


# -- start and stop ------------------------------------------------------------------------------------------


def on_starting(server) -> None:
    """Exit with one line if the port is not available; gunicorn would try five times and log each failure."""
    if server.master_pid:  # an upgrade in place: this master inherits the listening socket
        return
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    for port in _ports:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((settings.host, port))
        except OSError as exc:
            sys.stderr.write(f"Cannot listen on {_host}:{port}: {exc.strerror}. Choose another HOST or PORT.\n")
            sys.exit(3)


def post_worker_init(worker) -> None:
    """Make every signal to stop a clean stop, and start the app.

    Ctrl-C reaches the worker twice: from the terminal and through the master.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda *_: _stop(worker))
    from imapp.app import start  # after the patches
    from imapp.node import node_of
    from imapp.slow_readers import NotTaken

    worker.logs = node_of(worker.wsgi).add(NodeLogs(settings))
    worker.logs.start()
    logging.getLogger("gunicorn.error").addFilter(NotTaken())
    # The master passes an operator's `kill -USR1` on to its worker.
    signal.signal(signal.SIGUSR1, lambda *_: worker.logs.toggle_debug())
    worker.stopping = threading.Lock()
    worker.stopped = False
    # The order to drain, from another node, stops this node like an operator's signal to the master.
    node_of(worker.wsgi).stop = lambda: os.kill(os.getppid(), signal.SIGTERM)
    start(worker.wsgi)
    _tune_garbage_collector()
    _log.info("node_serves", urls=" ".join(f"http://{address}" for address in bind))


def _tune_garbage_collector() -> None:
    """Make garbage collections rarer and shorter, because a full collection stops the node's only thread.

    The program's own 150,000 objects are frozen, because their collection takes 100 ms. Messages leave no cycles, so
    the youngest generation is collected after 10,000 new objects, not 700: by then the objects of a batch are freed,
    and need not be promoted.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _stop(worker) -> None:
    import gevent  # only in the worker, after its patches

    gevent.spawn(_finish, worker)


def _finish(worker) -> None:
    """Drain the node, then let the worker end; a second call waits for the first one."""
    from imapp.app import say_goodbye  # after the patches

    with worker.stopping:
        if not worker.stopped:
            worker.stopped = True
            say_goodbye(worker.wsgi)
    worker.alive = False  # it listened until now, to answer probes with "not ready" and to serve polling clients


def worker_exit(server, worker) -> None:
    """Leave the cluster after the drain and the last request; a worker that failed to start has nothing to leave."""
    if hasattr(worker, "stopping"):
        from imapp.app import leave  # after the patches

        _finish(worker)
        leave(worker.wsgi)
        worker.logs.stop()
        _log.info("node_stopped")
