"""A client's requests through the address that clients use (--url), each over a connection of its own."""

import json
import ssl
import time
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import simple_websocket

#: Seconds that one answer may take.
SECONDS = 5.0

POLLING = "/socket.io/?EIO=4&transport=polling"
WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"


class UnexpectedError(Exception):
    """Something answered, and not as a node does; says how."""


class Visitor:
    """See the module. Certificates are not looked at here: that is a check of its own."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.is_tls = parts.scheme == "https"
        self.host = parts.hostname or "localhost"
        self.port = parts.port or (443 if self.is_tls else 80)
        self._netloc, self._prefix = parts.netloc, parts.path.rstrip("/")
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    def request(self, method: str, path: str, body: str | None = None) -> tuple[int, str, dict[str, str]]:
        """One request: status, text, headers."""
        if self.is_tls:
            link: HTTPConnection = HTTPSConnection(self.host, self.port, timeout=SECONDS, context=self._tls)
        else:
            link = HTTPConnection(self.host, self.port, timeout=SECONDS)
        try:
            link.request(
                method, self._prefix + path, body, {"Content-Type": "text/plain;charset=UTF-8"} if body else {}
            )
            answer = link.getresponse()
            return answer.status, answer.read().decode(errors="replace"), dict(answer.getheaders())
        finally:
            link.close()

    def open(self) -> str:
        """Begin a session by polling; gives its id."""
        status, text, _ = self.request("GET", POLLING)
        if status != 200 or not text.startswith("0{"):
            raise UnexpectedError(f"{status} to the first poll: {text[:80]!r}")
        sid: str = json.loads(text[1:])["sid"]
        return sid

    def websocket(self, sid: str = "") -> Any:
        """A WebSocket, of a session when `sid` is given; raises ConnectionError when it is refused."""
        url = f"{'wss' if self.is_tls else 'ws'}://{self._netloc}{self._prefix}{WEBSOCKET}"
        try:
            return simple_websocket.Client.connect(
                url + (f"&sid={sid}" if sid else ""), ssl_context=self._tls if self.is_tls else None
            )
        except simple_websocket.ConnectionError as exc:
            raise UnexpectedError(f"no WebSocket: {exc}") from exc


def expect(link: Any, *beginnings: str) -> str:
    """The next message, which must begin with one of these."""
    found = link.receive(timeout=SECONDS)
    if not isinstance(found, str) or not found.startswith(beginnings):
        raise UnexpectedError(f"{str(found)[:80]!r} instead of {' or '.join(beginnings)}")
    return found


def round_trip(link: Any) -> float:
    """Ask to be connected without a token and be refused: seconds of the way to the node's rules and back."""
    began = time.monotonic()
    link.send("40")
    expect(link, "44")
    return time.monotonic() - began
