"""A client of long-polling that sends each request when a test says so, and answers no pings."""

import json
from typing import Any
from urllib.parse import urlsplit

import requests

#: Seconds after which a request fails: longer than a poll waits for a packet in tests.
_SECONDS = 10.0


class Polling:
    """One session. A URL without a path means /socket.io/."""

    def __init__(self, url: str) -> None:
        self.url = url if urlsplit(url).path else url + "/socket.io/"
        self.sid = ""

    def request(self, method: str, body: bytes | str | None = None, **query: str) -> requests.Response:
        """Send a request."""
        return requests.request(method, self.url, params=query, data=body, timeout=_SECONDS)

    def open(self) -> dict[str, Any]:
        """Open a session; return the data of the server's handshake."""
        answer = self.request("GET", EIO="4", transport="polling")
        assert answer.status_code == 200, answer.text
        assert answer.text[0] == "0"
        session: dict[str, Any] = json.loads(answer.text[1:])
        self.sid = session["sid"]
        return session

    def get(self) -> requests.Response:
        """Send a poll; return the answer."""
        return self.request("GET", EIO="4", transport="polling", sid=self.sid)

    def post(self, body: bytes | str) -> requests.Response:
        """Send a payload; return the answer."""
        return self.request("POST", body, EIO="4", transport="polling", sid=self.sid)
