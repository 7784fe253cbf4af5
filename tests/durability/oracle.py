"""Checks what must hold after every fault."""

import threading
import time
from uuid import uuid4

import pytest
import requests

from tests.drills.oracle import ConversationHistory, judge
from tests.support.clients.official import Device


class Writer:
    """Sends messages over REST one after the other, each with one client_id until it is acknowledged."""

    def __init__(self, device: Device, conversation_id: int) -> None:
        self.device = device
        self.conversation_id = conversation_id
        #: client_id -> seq as acknowledged, in the order of sending.
        self.acked: dict[str, int] = {}
        #: Error codes of the refusals; None for a broken connection.
        self.problems: list[str | None] = []
        #: Seconds of the slowest answered attempt.
        self.slowest = 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> "Writer":
        """Start sending."""
        self._thread.start()
        return self

    def end(self) -> None:
        """Stop sending new messages, without waiting."""
        self._ending.set()

    def stop(self) -> None:
        """Stop sending new messages; wait until the one in flight is acknowledged, with retries."""
        self._ending.set()
        self._thread.join(90)
        assert not self._thread.is_alive(), f"the last message was never acknowledged: {self.problems[-5:]}"

    def _run(self) -> None:
        while not self._ending.is_set():
            client_id = uuid4().hex
            while client_id not in self.acked:
                self._attempt(client_id)

    def _attempt(self, client_id: str) -> None:
        began = time.monotonic()
        try:
            answer = send(self.device, self.conversation_id, client_id)
        except requests.RequestException:
            self._note(None)
        else:
            self.slowest = max(self.slowest, time.monotonic() - began)
            if answer.ok:
                self.acked[client_id] = answer.json()["message"]["seq"]
            else:
                self._note(answer.json()["code"])

    def _note(self, problem: str | None) -> None:
        self.problems.append(problem)
        time.sleep(0.1)


@pytest.fixture
def write():
    """Provide `write(device, conversation_id)`, which starts a writer that sends until `.stop()`."""
    writers = []

    def start(device, conversation_id: int) -> Writer:
        writers.append(Writer(device, conversation_id).start())
        return writers[-1]

    yield start
    for one in writers:
        one.end()


def body(client_id: str, **fields: object) -> dict:
    """Return a message with its client_id as the text."""
    return {"client_id": client_id, "type": "text", "content": {"text": client_id}, **fields}


def send(device: Device, conversation_id: int, client_id: str) -> requests.Response:
    """Send a message with its client_id as the text by REST."""
    return device.rest("POST", f"/api/conversations/{conversation_id}/messages", body(client_id))


def private_conversation(one: Device, other: Device) -> int:
    """Return the id of the private conversation of the two users."""
    return one.post("/api/conversations", {"user_id": other.id})["id"]


def hold(conversation_id: int, readers: list[Device], acked: dict[str, int]) -> list[dict]:
    """Check that acked messages are stored once, at their seq, without holes, the same for all; return the history."""
    histories = [reader.history(conversation_id) for reader in readers]
    history = histories[0]
    assert all(other == history for other in histories[1:]), "readers see different histories"
    stored = [(message["seq"], message["client_id"] or f"system-{message['seq']}") for message in history]
    verdict = judge([ConversationHistory(acked=acked, stored=stored)])
    assert verdict.holds, verdict.findings
    return history


def hold_in_order(history: list[dict], sender: Device, sent: list[str]) -> None:
    """Check that the sender's messages are stored in the order sent, without any others of theirs."""
    stored = [message["client_id"] for message in history if message["sender_id"] == sender.id]
    assert stored == sent
