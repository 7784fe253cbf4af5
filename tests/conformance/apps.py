"""The applications that `tests.conformance.server` serves."""

import argparse
from typing import Any

import engineio
import gevent
import socketio

from imapp.engine.limits import Limits
from imapp.engine.server import EngineServer
from imapp.engine.socketio import StrictServer

#: Seconds between the answer to a CONNECT and the first event. Clients that wait for one message at a time lose those
#: that arrive in the same read of the socket.
APART = 0.04


def socketio_app(options: dict[str, Any], path: str) -> socketio.WSGIApp:
    """Return a Socket.IO app that sends the arguments of each event back."""
    server = StrictServer(eio_class=EngineServer, namespaces=["/", "/custom"], **options)
    for namespace in ("/", "/custom"):
        _add_handlers(server, namespace)
        _add_endings(server, namespace)
    return socketio.WSGIApp(server, socketio_path=path)


def _add_handlers(server: StrictServer, namespace: str) -> None:
    def greet(sid: str, auth: Any) -> None:
        gevent.sleep(APART)
        server.emit("auth", auth, to=sid, namespace=namespace)

    @server.on("connect", namespace=namespace)
    def connect(sid: str, _environ: dict[str, Any], auth: Any) -> bool:
        if (auth or {}).get("is_refused"):
            gevent.sleep(2 * APART)
            return False
        gevent.spawn(greet, sid, auth or {})
        return True

    @server.on("message", namespace=namespace)
    def message(sid: str, *arguments: Any) -> None:
        server.emit("message-back", arguments, to=sid, namespace=namespace)

    @server.on("message-with-ack", namespace=namespace)
    def message_with_ack(_sid: str, *arguments: Any) -> tuple[Any, ...]:
        return arguments


def _add_endings(server: StrictServer, namespace: str) -> None:
    """Add handlers for the tests of the engine itself; the protocols' test suites do not use them."""
    ended: dict[str, str] = {}
    stubborn: set[str] = set()

    @server.on("disconnect", namespace=namespace)
    def disconnect(sid: str, reason: str) -> None:
        ended[sid] = reason
        if sid in stubborn:
            raise RuntimeError("as a test wants it")

    @server.on("how-ended", namespace=namespace)
    def how_ended(_sid: str, other: str) -> tuple[str | None, bool]:
        return ended.get(other), other in server.manager.rooms.get(namespace, {}).get(None, {})

    @server.on("be-stubborn", namespace=namespace)
    def be_stubborn(sid: str) -> None:
        stubborn.add(sid)

    @server.on("sleep", namespace=namespace)
    def sleep(_sid: str, seconds: float) -> float:
        gevent.sleep(seconds)
        return seconds

    @server.on("fail", namespace=namespace)
    def fail(_sid: str) -> None:
        raise ValueError("as a test wants it")

    @server.on("send-away", namespace=namespace)
    def send_away(sid: str) -> None:
        server.emit("farewell", to=sid, namespace=namespace)
        server.eio.disconnect(server.manager.eio_sid_from_sid(sid, namespace))


def engineio_app(options: dict[str, Any], path: str) -> engineio.WSGIApp:
    """Return an Engine.IO app that sends each message back."""
    server = EngineServer(**options)
    server.on("connect", lambda _sid, _environ: None)
    server.on("message", server.send)
    server.on("disconnect", lambda _sid, _reason: None)
    return engineio.WSGIApp(server, engineio_path=path)


def make_app(given: argparse.Namespace) -> Any:
    """Return the app that the command line asks for."""
    limits = Limits(payload_bytes=given.max_payload, slow_bytes=given.slow_bytes, slow_seconds=given.slow_seconds)
    options = {
        "ping_interval": given.ping_interval,
        "ping_timeout": given.ping_timeout,
        "max_http_buffer_size": given.max_payload,
        "limits": limits,
        "cors_allowed_origins": "*",
    }
    if given.engineio:
        return engineio_app(options, given.path or "/engine.io")
    return socketio_app({**options, "connect_timeout": given.connect_timeout}, given.path or "/socket.io")
