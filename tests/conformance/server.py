"""The engine without the product, for tests of the two protocols: `python -m tests.conformance.server --help`.

It serves Socket.IO in the namespaces / and /custom, or with --engineio a bare Engine.IO server that echoes messages. It
runs under gunicorn's gevent worker, as the product does.
"""

import argparse
from typing import Any

from gunicorn.app.base import BaseApplication


class Gunicorn(BaseApplication):
    """One gevent worker on one port."""

    def __init__(self, port: int, given: argparse.Namespace) -> None:
        self._settings = {
            "bind": f"127.0.0.1:{port}",
            "worker_class": "gevent",
            "worker_connections": 20_000,
            "graceful_timeout": 1,
            "keepalive": 60,
            "loglevel": "warning",
            "control_socket_disable": True,
        }
        self._given = given
        super().__init__()

    def load_config(self) -> None:
        """Apply the settings of this server."""
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Make the app; called in the worker."""
        from tests.conformance.apps import make_app  # must follow gevent's patches

        return make_app(self._given)


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--path")
    parser.add_argument("--ping-interval", type=float, default=25)
    parser.add_argument("--ping-timeout", type=float, default=20)
    parser.add_argument("--max-payload", type=int, default=1_000_000)
    parser.add_argument("--connect-timeout", type=float, default=45)
    parser.add_argument("--slow-bytes", type=int, default=8 * 1024 * 1024)
    parser.add_argument("--slow-seconds", type=float, default=20)
    parser.add_argument("--engineio", action="store_true", help="serve bare Engine.IO")
    given = parser.parse_args()
    Gunicorn(given.port, given).run()


if __name__ == "__main__":
    main()
