"""How gunicorn runs one node: one gevent worker, one line for each thing that goes wrong, a clean stop.

Exit codes: 0 stopped, 2 settings that cannot be used, 3 the port cannot be had, 6 no permission to write.
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
worker_class = "gevent"
# Always one worker: a Socket.IO session lives in one process, and gunicorn cannot route by session.
workers = 1
# Never preload: connections and locks made before the fork would be made before gevent's patches too.
preload_app = False
# Never recycle: every open socket would be cut.
max_requests = 0
worker_connections = settings.max_connections
# The worker bounds its own stop by this setting; gunicorn's axe falls a little later.
graceful_timeout = settings.shutdown_timeout_seconds + 3
keepalive = settings.keepalive_seconds  # an idle connection is waited for when the node stops
# The header `Server`: a stranger need not know what serves.
gunicorn.http.wsgi.SERVER = "imapp"
# All of a user's nodes would share one control socket, and the first to stop would remove it.
control_socket_disable = True
umask = 0o077
# imapp/proxies.py decides whom to believe; here nobody is.
forwarded_allow_ips = ""
# The heartbeat file must not wait for a busy disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - only the folder is shared

# Each socket is a file: take what the system allows.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))


# -- logs ----------------------------------------------------------------------------------------------------

# The worker turns the file over (IM_LOG_FILE), see post_worker_init.
logconfig_dict = of_master(settings)
accesslog = None  # the REST door writes its own (IM_ACCESS_LOG)

_log = get_logger("imapp.server")


# -- start and stop ------------------------------------------------------------------------------------------


def on_starting(server) -> None:
    """Say in one line that the port cannot be had; gunicorn would try five times and say it each time."""
    if server.master_pid:  # an upgrade in place: the listening socket is handed over
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
    """Every way to stop is the clean one: Ctrl-C reaches the worker and, through the master, once more."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda *_: _stop(worker))
    from imapp.app import start  # after the patches
    from imapp.slow_readers import NotTaken

    worker.logs = worker.wsgi.extensions["imapp.logs"] = NodeLogs(settings)
    worker.logs.start()
    logging.getLogger("gunicorn.error").addFilter(NotTaken())
    # An operator's `kill -USR1` of the master, who passes it on.
    signal.signal(signal.SIGUSR1, lambda *_: worker.logs.toggle_debug())
    worker.stopping = threading.Lock()
    worker.stopped = False
    # An order to this node to go is obeyed as if an operator had ended it.
    worker.wsgi.extensions["imapp.stop"] = lambda: os.kill(os.getppid(), signal.SIGTERM)
    start(worker.wsgi)
    _calm_the_collector()
    _log.info("node_serves", urls=" ".join(f"http://{address}" for address in bind))


def _calm_the_collector() -> None:
    """Let the collector look at what clients leave behind, less often: a full look stops the node's only thread.

    The program's own 150,000 objects, 100 ms of looking, are set aside. Messages leave no cycles, so young ones
    are looked at when 10,000 more are alive, not 700: by then those of a batch are gone and need no promotion.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _stop(worker) -> None:
    import gevent  # in the worker, where it has patched

    gevent.spawn(_finish, worker)


def _finish(worker) -> None:
    """Say goodbye to all sockets; whoever comes second waits for the first."""
    from imapp.app import say_goodbye  # after the patches

    with worker.stopping:
        if not worker.stopped:
            worker.stopped = True
            say_goodbye(worker.wsgi)
    worker.alive = False  # until now it went on listening: to say that it is not ready, and for polling clients


def worker_exit(server, worker) -> None:
    """Leave when the goodbye is said and the last request is answered; a worker that failed to start has none."""
    if hasattr(worker, "stopping"):
        from imapp.app import leave  # after the patches

        _finish(worker)
        leave(worker.wsgi)
        worker.logs.stop()
        _log.info("node_stopped")
