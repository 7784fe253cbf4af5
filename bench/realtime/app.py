"""One small application on two engines: ours, and Flask-SocketIO as its documentation shows it.

    python -m bench.realtime.app ours|stock PORT

A connecting client sends a token and enters the room `all` and its own room. `ping` is acknowledged; `say` is emitted
to the room `all` and acknowledged; `tell` is emitted to another client's own room and acknowledged. node/server.mjs
is the same in JavaScript.
"""

import sys
from typing import Any

from gunicorn.app.base import BaseApplication


def ours() -> Any:
    """The engine beneath python-socketio, with the room manager that the product uses."""
    import socketio

    from imapp.cluster.bus.local_rooms import LocalRooms
    from imapp.engine.server import EngineServer
    from imapp.engine.socketio import StrictServer

    server = StrictServer(eio_class=EngineServer, client_manager=Rooms.on(LocalRooms))

    @server.event
    def connect(sid: str, _environ: dict[str, Any], auth: Any) -> bool | None:
        if (auth or {}).get("token") != "secret":
            return False
        server.enter_room(sid, "all")
        server.enter_room(sid, f"user:{auth['user']}")
        return None

    @server.event
    def ping(_sid: str, _payload: Any) -> dict[str, bool]:
        return {"ok": True}

    @server.event
    def say(_sid: str, payload: Any) -> dict[str, bool]:
        server.emit("said", payload, to="all")
        return {"ok": True}

    @server.event
    def tell(_sid: str, payload: Any) -> dict[str, bool]:
        server.emit("said", payload, to=f"user:{payload['to']}")
        return {"ok": True}

    return socketio.WSGIApp(server)


class Rooms:
    """Sends a room's packets in one call, like the product's manager."""

    @staticmethod
    def on(base: Any) -> Any:
        """Create the application."""
        from imapp.engine.socketio_packets import EVENT, parts

        class Manager(base):
            def emit(self, event: str, data: Any, namespace: str, room: Any = None, **_options: Any) -> None:
                packet = self.server.packet_class(EVENT, [event, data], namespace).encode()
                members = [eio_sid for _sid, eio_sid in self.get_participants(namespace, room)]
                self.server.send_to_many(members, parts(packet))

        return Manager()


def stock() -> Any:
    """Return the application on Flask-SocketIO."""
    from flask import Flask
    from flask_socketio import ConnectionRefusedError as Refused
    from flask_socketio import SocketIO, emit, join_room

    app = Flask(__name__)
    socketio = SocketIO(app, async_mode="gevent")

    @socketio.on("connect")
    def connect(auth: Any) -> None:
        if (auth or {}).get("token") != "secret":
            raise Refused("no token")
        join_room("all")
        join_room(f"user:{auth['user']}")

    @socketio.on("ping")
    def ping(_payload: Any) -> dict[str, bool]:
        return {"ok": True}

    @socketio.on("say")
    def say(payload: Any) -> dict[str, bool]:
        emit("said", payload, to="all")
        return {"ok": True}

    @socketio.on("tell")
    def tell(payload: Any) -> dict[str, bool]:
        emit("said", payload, to=f"user:{payload['to']}")
        return {"ok": True}

    return app


#: python-engineio needs the worker of gevent-websocket if that package is installed.
_WORKERS = {"ours": "gevent", "stock": "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"}


class Gunicorn(BaseApplication):
    """One gevent worker."""

    def __init__(self, engine: str, port: int) -> None:
        self._engine = engine
        self._port = port
        super().__init__()

    def load_config(self) -> None:
        """Load the same settings as the product."""
        settings = {
            "bind": f"127.0.0.1:{self._port}", "worker_class": _WORKERS[self._engine], "worker_connections": 20_000,
            "loglevel": "error", "control_socket_disable": True, "graceful_timeout": 1,
        }  # fmt: skip
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Load the application in the worker."""
        return {"ours": ours, "stock": stock}[self._engine]()


if __name__ == "__main__":
    Gunicorn(sys.argv[1], int(sys.argv[2])).run()
