"""Checks of Engine.IO requests, and the answers to them (Engine.IO protocol 4, "Query parameters")."""

import _socket
from collections.abc import Collection, Mapping
from typing import Protocol
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

import orjson
from gevent import GreenletExit

from imapp.engine import websocket_handshake
from imapp.engine.session import Session

_PROTOCOL = "4"


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of this server
    """Raised to refuse a request, with the codes and messages that Engine.IO clients know."""

    def __init__(self, status: str, code: int, message: str, *headers: tuple[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.body = orjson.dumps({"code": code, "message": message})
        self.headers = headers

    @classmethod
    def unknown_transport(cls) -> "Refusal":
        """Refuse a request with a missing or unknown `transport`."""
        return cls("400 Bad Request", 0, "Transport unknown")

    @classmethod
    def unknown_session(cls) -> "Refusal":
        """Refuse a request to a session that does not exist or has ended."""
        return cls("400 Bad Request", 1, "Session ID unknown")

    @classmethod
    def bad_method(cls) -> "Refusal":
        """Refuse a method other than GET, and other than POST in a polling session."""
        return cls("400 Bad Request", 2, "Bad handshake method")

    @classmethod
    def malformed(cls) -> "Refusal":
        """Refuse a request that is invalid, or not possible in the current state of the session."""
        return cls("400 Bad Request", 3, "Bad request")

    @classmethod
    def too_large(cls) -> "Refusal":
        """Refuse a body that is larger than the session may send."""
        return cls("413 Content Too Large", 3, "Payload too large")

    @classmethod
    def forbidden(cls) -> "Refusal":
        """Refuse a page of an origin that is not allowed, or a session that the application rejects."""
        return cls("403 Forbidden", 4, "Forbidden")

    @classmethod
    def other_protocol(cls) -> "Refusal":
        """Refuse a request with a missing or unknown protocol version `EIO`."""
        return cls("400 Bad Request", 5, "Unsupported protocol version")

    @classmethod
    def other_websocket(cls) -> "Refusal":
        """Refuse a WebSocket version other than 13, the one of RFC 6455."""
        return cls("426 Upgrade Required", 3, "Bad request", ("Sec-WebSocket-Version", "13"))

    @classmethod
    def busy(cls, seconds: int) -> "Refusal":
        """Refuse a new session because a limit is reached; the client may retry after `seconds`."""
        message = f"Busy, try again after {seconds} s"
        return cls("503 Service Unavailable", 6, message, ("Retry-After", str(seconds)))


class RequestHost(Protocol):
    """The server of a request; the attributes are python-engineio's."""

    sockets: Mapping[str, Session]
    transports: Collection[str]
    allow_upgrades: bool
    #: An empty list: every origin is served, without CORS headers.
    cors_allowed_origins: object

    def _cors_allowed_origins(self, environ: WSGIEnvironment) -> Collection[str] | None:
        """Return the origins that may connect; None: all."""

    def _cors_headers(self, environ: WSGIEnvironment) -> list[tuple[str, str]]:
        """Return the headers that let a page of an allowed origin read the answer."""

    def report_refused_origin(self, origin: str) -> None:
        """Count and log a connection that was refused for its origin."""


class Request:
    """One parsed request."""

    def __init__(self, environ: WSGIEnvironment, server: RequestHost) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self._server = server
        self._query = parse_qs(environ.get("QUERY_STRING", ""))
        self._sid = self._parameter("sid")
        self.wants_websocket = self._parameter("transport") == "websocket"
        #: The session of the request. None: the request opens a session, or its session does not exist.
        self.session: Session | None = server.sockets.get(self._sid) if self._sid else None

    def _parameter(self, name: str) -> str | None:
        values = self._query.get(name)
        return values[0] if values else None

    def check(self) -> None:
        """Raise Refusal if the request cannot be served."""
        self._check_origin()
        if self._parameter("transport") not in self._server.transports:
            raise Refusal.unknown_transport()
        if self._parameter("EIO") != _PROTOCOL:
            raise Refusal.other_protocol()
        if self._sid is not None and self.session is None:
            raise Refusal.unknown_session()
        if self.method != "GET" and (self.method != "POST" or self.session is None or self.wants_websocket):
            raise Refusal.bad_method()
        if self.wants_websocket:
            if websocket_handshake.is_upgrade(self.environ) and not websocket_handshake.is_version_13(self.environ):
                raise Refusal.other_websocket()
        elif self.session is not None and self.session.polling is None:
            raise Refusal.malformed()

    def _check_origin(self) -> None:
        origin = self.environ.get("HTTP_ORIGIN")
        if origin and self._server.cors_allowed_origins != []:
            allowed = self._server._cors_allowed_origins(self.environ)
            if allowed is not None and origin not in allowed:
                self._server.report_refused_origin(origin)
                raise Refusal.forbidden()

    @property
    def is_preflight(self) -> bool:
        """Return whether the request is a browser's CORS preflight."""
        return self.method == "OPTIONS"

    @property
    def can_upgrade(self) -> bool:
        """Return whether the session polls, and does not probe another WebSocket."""
        session = self.session
        return (
            session is not None
            and session.polling is not None
            and session.probe is None
            and self._server.allow_upgrades
        )

    @property
    def cors_headers(self) -> list[tuple[str, str]]:
        """Return the headers that let a page of an allowed origin read the answer."""
        return self._server._cors_headers(self.environ)

    @property
    def socket(self) -> _socket.socket | None:
        """Return the connection of the request; None for one that cannot be detached from its request."""
        return connection(self.environ)

    @property
    def end_of_request(self) -> BaseException:
        """Return the exception that makes the WSGI server end a request after its connection was detached."""
        return StopIteration() if "gunicorn.socket" in self.environ else GreenletExit()


def connection(environ: WSGIEnvironment) -> _socket.socket | None:
    """Return the socket inside the gevent socket of a request under gunicorn or pywsgi; None under another server."""
    body = environ["wsgi.input"]
    reader = getattr(body, "rfile", body)  # for an upgrade request, pywsgi passes the reader itself
    wrapper = environ.get("gunicorn.socket") or getattr(getattr(reader, "raw", None), "_sock", None)
    sock: _socket.socket | None = getattr(wrapper, "_sock", None)
    return sock


def answer(request: Request, start_response: StartResponse, body: bytes) -> list[bytes]:
    """Start a 200 response and return its body."""
    headers = [("Content-Type", "text/plain; charset=UTF-8"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers + request.cors_headers)
    return [body]


def refuse(request: Request, start_response: StartResponse, refusal: Refusal) -> list[bytes]:
    """Start the response of a refusal and return its body."""
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(refusal.body))), *refusal.headers]
    start_response(refusal.status, headers + request.cors_headers)
    return [refusal.body]
