"""REST access to real nodes as one user, which moves on to the next node when one does not answer."""

from typing import Any

import requests

from tests.sync import world

#: Timeouts in seconds for a connection and for an answer, after which the next node is used.
_PATIENCE = (2.0, 6.0)


class RequestFailedError(OSError):
    """The node did not answer, or refused; `status` is 0 without an answer, `code` is the error code in the answer."""

    def __init__(self, status: int, code: str, retry_after: float = 0) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.retry_after = retry_after


class Answer:
    """An answer with the attributes of the Flask test client's."""

    def __init__(self, status: int, body: Any) -> None:
        self.status_code = status
        self.json = body


class Rest(world.Rest):
    """Like `world.Rest`, over the network. Raises RequestFailedError if the answer is a refusal or is lost."""

    def __init__(self, urls: list[str], token: str, first: int = 0) -> None:
        self._urls = urls
        self._next_url = first
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def turn(self) -> None:
        """Use the next node from now on."""
        self._next_url += 1

    def try_(self, method: str, path: str, body: Any = None) -> Answer:
        """Send one request to the current node; after a failure the next node is used."""
        url = self._urls[self._next_url % len(self._urls)] + path
        try:
            answer = self._session.request(method, url, json=body, timeout=_PATIENCE)
            told = answer.json() if answer.content else None
        except (requests.RequestException, ValueError) as exc:
            self.turn()
            raise RequestFailedError(0, type(exc).__name__) from exc
        if answer.status_code >= 400:
            if answer.status_code >= 500:
                self.turn()
            raise RequestFailedError(answer.status_code, told["code"], float(told.get("retry_after") or 0))
        return Answer(answer.status_code, told)

    def __call__(self, path: str, body: Any = None) -> Any:
        """Send a GET, or with a body a POST; return the JSON of the answer."""
        return self.try_("GET" if body is None else "POST", path, body).json

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
