"""Requests through the address that clients use (--url), each over its own connection."""

import json
import ssl
import time
from http.client import HTTPConnection, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from imapp.doctor.websocket import UnexpectedError, WebSocket

#: Time limit of one answer, in seconds.
SECONDS = 5.0

_POLLING = "/socket.io/?EIO=4&transport=polling"
_WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    text: str
    headers: dict[str, str]


class HttpClient:
    """A client of the address. It does not verify certificates: that is a separate check."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.is_tls = parts.scheme == "https"
        self.host = parts.hostname or "localhost"
        self.port = parts.port or (443 if self.is_tls else 80)
        self._netloc, self._prefix = parts.netloc, parts.path.rstrip("/")
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    def _connect(self) -> HTTPConnection:
        if self.is_tls:
            return HTTPSConnection(self.host, self.port, timeout=SECONDS, context=self._tls)
        return HTTPConnection(self.host, self.port, timeout=SECONDS)

    def get(self, path: str) -> Answer:
        """Send a GET request."""
        connection = self._connect()
        try:
            connection.request("GET", self._prefix + path)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode(errors="replace"), dict(answer.getheaders()))
        finally:
            connection.close()

    def open(self) -> str:
        """Open a session by polling; return its id."""
        answer = self.get(_POLLING)
        if answer.status != 200 or not answer.text.startswith("0{"):
            raise UnexpectedError(f"{answer.status} to the first poll: {answer.text[:80]!r}")
        sid: str = json.loads(answer.text[1:])["sid"]
        return sid

    def is_known(self, sid: str) -> bool:
        """Return whether a session's GET, and a POST while the GET waits, both reach the session's node.

        Like a client, it sends a CONNECT, but without a token, and reads the refusal.
        """
        path = f"{self._prefix}{_POLLING}&sid={sid}"
        poll, post = self._connect(), self._connect()
        try:
            poll.request("GET", path)
            post.request("POST", path, "40", {"Content-Type": "text/plain;charset=UTF-8"})
            if post.getresponse().status != 200:
                return False
            answer = poll.getresponse()
            return answer.status == 200 and answer.read().startswith(b"44")
        finally:
            poll.close()
            post.close()

    def websocket(self, sid: str = "") -> WebSocket:
        """Open a WebSocket, for an existing session if `sid` is given; raises UnexpectedError if it is refused."""
        path = f"{self._prefix}{_WEBSOCKET}" + (f"&sid={sid}" if sid else "")
        connection = WebSocket(self.host, self.port, SECONDS, self._tls if self.is_tls else None)
        connection.open(self._netloc, path)
        return connection


def round_trip(connection: WebSocket) -> float:
    """Send a CONNECT without a token and wait for the refusal; return the seconds to the node's handler and back."""
    began = time.monotonic()
    connection.send("40")
    connection.expect("44")
    return time.monotonic() - began
