"""The REST calls of a load test: it creates accounts and groups before the run, and reads metrics during it."""

import json
import secrets
import ssl
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple

from imapp.load.errors import LoadError
from imapp.load.options import address_of
from imapp.load.users import User

#: Time limit of an answer, in seconds.
_TIMEOUT = 20.0

#: Seconds to wait after a 429 without Retry-After.
_PAUSE = 5.0


def tls_of(url: str, ca: Path | None) -> ssl.SSLContext | None:
    """Return the TLS context for an https address; None for http."""
    return ssl.create_default_context(cafile=ca) if url.startswith("https:") else None


class Answer(NamedTuple):
    """An answer of the server."""

    status: int
    body: bytes
    #: The value of the header Retry-After.
    retry_after: str | None


class Rest:
    """The REST client of one server; raises LoadError if the server does not answer."""

    def __init__(self, url: str, ca: Path | None = None) -> None:
        self._url = url
        self._parts, self._port = address_of(url)
        self._tls = tls_of(url, ca)

    def request(self, method: str, path: str, body: object = None, token: str | None = None) -> Answer:
        """Send a request."""
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        host = str(self._parts.hostname)
        if self._tls is None:
            connection = HTTPConnection(host, self._port, timeout=_TIMEOUT)
        else:
            connection = HTTPSConnection(host, self._port, timeout=_TIMEOUT, context=self._tls)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), answer.headers["Retry-After"])
        except (OSError, HTTPException) as exc:
            raise LoadError(f"{self._url} does not answer: {exc}") from exc
        finally:
            connection.close()

    def create(self, path: str, body: object, token: str | None = None) -> Any:
        """Create a resource, and wait for rate limits as long as needed; raises LoadError if it is refused."""
        while True:
            answer = self.request("POST", path, body, token)
            if answer.status == 201:
                return json.loads(answer.body)
            if answer.status != 429:
                raise LoadError(f"{self._url}{path} answers {answer.status}: {_detail(answer.body)}")
            pause = answer.retry_after
            time.sleep(float(pause) if pause and pause.isdigit() else _PAUSE)


def _detail(body: bytes) -> str:
    try:
        found = json.loads(body)
        return f"{found['code']}: {found['detail']}"
    except (ValueError, KeyError, TypeError):
        return "no reason given"


def register(rest: Rest, count: int, tell: Callable[[int], None]) -> Iterator[User]:
    """Create accounts one by one and yield them. Password hashing and rate limits make this slow by design."""
    run = secrets.token_hex(4)
    for number in range(1, count + 1):
        body = {"username": f"bench-{run}-{number}", "password": secrets.token_urlsafe(18)}
        made = rest.create("/api/auth/register", body)
        tell(number)
        yield User(made["access_token"], made["user"]["id"], None)


def make_group(rest: Rest, members: list[User]) -> int:
    """Create a group; return the id of its conversation."""
    owner, *others = members
    body = {"name": "load test", "member_ids": [user.id for user in others]}
    return int(rest.create("/api/groups", body, owner.token)["conversation_id"])
