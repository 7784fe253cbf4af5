"""A user's device: the official Python client and REST; received events are kept in a list."""

from uuid import uuid4

import requests
import socketio

from tests.support.clients.received import ReceivedEvents

PASSWORD = "correct horse battery"


class Device(ReceivedEvents):
    """One session of one user. `Device.register(server)` makes a new user, `other_device()` logs in again."""

    def __init__(self, server, tokens: dict) -> None:
        super().__init__()
        self.server = server
        self.tokens = tokens
        self.user = tokens["user"]
        self.id = tokens["user"]["id"]
        self.sio: socketio.Client | None = None

    @classmethod
    def register(cls, server, name: str = "user", **extra: str) -> "Device":
        """Register a new user, with a random suffix to the name; return their first device, not connected yet."""
        return cls.named(server, f"{name}-{uuid4().hex[:10]}", **extra)

    @classmethod
    def named(cls, server, username: str, **extra: str) -> "Device":
        """Register a new user with exactly this name; return their first device, not connected yet."""
        body = {"username": username, "password": PASSWORD, **extra}
        answer = requests.post(server.url + "/api/auth/register", json=body, timeout=20)
        assert answer.status_code == 201, answer.text
        return cls(server, answer.json())

    def other_device(self) -> "Device":
        """Log the user in again; return the second device."""
        body = {"account": self.user["username"], "password": PASSWORD}
        answer = requests.post(self.server.url + "/api/auth/login", json=body, timeout=20)
        assert answer.status_code == 200, answer.text
        return Device(self.server, answer.json())

    def at(self, server) -> "Device":
        """Return a device with the same session at another node."""
        return Device(server, self.tokens)

    # -- REST --------------------------------------------------------------------------------------------------

    def rest(self, method: str, path: str, body: dict | None = None, **extra: str) -> requests.Response:
        """Send a REST request as this user; `extra` are headers."""
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}", **extra}
        return requests.request(method, self.server.url + path, json=body, headers=headers, timeout=30)

    def get(self, path: str) -> dict:
        """Send a GET that must succeed; return the JSON."""
        answer = self.rest("GET", path)
        assert answer.ok, answer.text
        return answer.json()

    def post(self, path: str, body: dict | None = None) -> dict:
        """Send a POST that must succeed; return the JSON."""
        answer = self.rest("POST", path, body or {})
        assert answer.ok, answer.text
        return answer.json() if answer.content else {}

    def history(self, conversation_id: int) -> list[dict]:
        """Return all messages of a conversation, oldest first."""
        messages: list[dict] = []
        while True:
            after = messages[-1]["seq"] if messages else 0
            page = self.get(f"/api/conversations/{conversation_id}/messages?after={after}&limit=200")
            messages += page["items"]
            if not page["has_more"]:
                return messages

    # -- Socket.IO ---------------------------------------------------------------------------------------------

    def connect(self, **options) -> "Device":
        """Open the socket; pushes are appended to `events`."""
        self.sio = socketio.Client(reconnection=options.pop("reconnection", False))
        self.sio.on("*", self._receive)
        self.sio.connect(self.server.url, auth={"token": self.tokens["access_token"]}, **options)
        return self

    def _receive(self, event: str, payload: dict | None = None) -> None:
        with self._heard:
            self.events.append((event, payload or {}))
            self._heard.notify_all()

    def call(self, command: str, payload: object = None, timeout: float = 60) -> dict:
        """Send a command and return its ack."""
        return self.sio.call(command, payload, timeout=timeout)

    def send(self, text: str, *, client_id: str | None = None, **target: int) -> dict:
        """Send a text; return the ack, which must be ok."""
        body = {"client_id": client_id or uuid4().hex, "type": "text", "content": {"text": text}, **target}
        ack = self.call("send_message", body)
        assert ack["ok"], ack
        return ack

    def close(self) -> None:
        """Disconnect."""
        if self.sio is not None and self.sio.connected:
            self.sio.disconnect()
