"""A small client that survives the loss of its node: the expected behaviour of a client of this server.

When its connection ends it connects to another node at once, calls `sync` for missed changes, and repeats
unacknowledged sends with the same client id. Each message waits for the ack of the one before, because the order of
acks is the order of a conversation. A message is shown when its number is the next one, and dropped when it was shown
before. When a number is missing, the client calls `sync`.
"""

import json
import random
import time
from collections import Counter, deque
from contextlib import suppress
from typing import Protocol

import gevent

from tests.support.clients.raw import RawSocket

#: Seconds between two attempts to connect to a node.
_RETRY = 0.05


class Crowd(Protocol):
    """Shared state of all users."""

    ports: list[int]
    run: str
    counts: Counter[str]

    def note(self, what: str, seconds: float) -> None:
        """Record the longest time of its kind."""


class User:
    """A user with a client as the module describes it."""

    def __init__(self, crowd: Crowd, token: str, user_id: str) -> None:
        self.crowd = crowd
        self.token = token
        self.id = int(user_id)
        self.port = random.choice(crowd.ports)
        self.link: RawSocket | None = None
        #: The latest known change of each conversation.
        self.position: dict[int, int] = {}
        #: Unacknowledged messages; the first one is in flight.
        self.waiting: deque[dict] = deque()
        self.acked: list[str] = []
        self.seen: list[str] = []
        self.seen_at: float | None = None
        self.is_new = True

    def run(self) -> None:
        """Stay connected until the process ends."""
        while True:
            began = time.perf_counter()
            link = self._find_node()
            self.crowd.note("outage", time.perf_counter() - began)
            self.link = link
            with suppress(OSError):
                if self.waiting:
                    self.crowd.counts["sent again"] += 1
                    self._say_first(link)
                while True:
                    self._read(link)
            self.link = None
            link.close()
            self.crowd.counts["reconnects"] += 1
            self._choose_another()

    def _choose_another(self) -> None:
        self.port = random.choice([port for port in self.crowd.ports if port != self.port])

    def _find_node(self) -> RawSocket:
        """Connect and catch up."""
        while True:
            link = None
            try:
                link = RawSocket(f"http://127.0.0.1:{self.port}", timeout=30)
                link.log_in(self.token)
                self._sync(link)
            except OSError:
                if link is not None:
                    link.close()
                gevent.sleep(_RETRY)
                self._choose_another()
            else:
                return link

    # -- sending -----------------------------------------------------------------------------------------------------

    def send(self, number: int, peer: int) -> None:
        """Send the next message now, or when the earlier ones are acknowledged."""
        body = {"to_user_id": peer, "client_id": f"{self.crowd.run}-{self.id}-{number}", "type": "text"}
        body["content"] = {"text": f"#t={time.perf_counter():.6f}# hello world hello world"}
        self.waiting.append(body)
        if self.link is not None and len(self.waiting) == 1:
            with suppress(OSError):  # the reader notices the failure too
                self._say_first(self.link)

    def _say_first(self, link: RawSocket) -> None:
        link.send_text(f'421["send_message",{json.dumps(self.waiting[0])}]'.encode())

    # -- receiving ---------------------------------------------------------------------------------------------------

    def _read(self, link: RawSocket) -> None:
        link.fill()
        for packet in link.packets():
            self._take(link, packet)

    def _take(self, link: RawSocket, packet: bytes) -> None:
        if packet == b"2":
            link.send_text(b"3")
        elif packet.startswith(b'42["message_created"'):
            message = json.loads(packet[2:])[1]["message"]
            if not self._show(message):
                self._sync(link)
        elif packet.startswith(b'42["sync_required"'):
            self.crowd.counts["told to sync"] += 1
            self._sync(link)
        elif packet.startswith(b"43"):
            self._note_ack(link, json.loads(packet[packet.index(b"[") :])[0])
        elif packet == b"1":
            raise ConnectionResetError("closed by the server")

    def _accepted(self, ack: dict) -> dict:
        """Try another node after a refused connection."""
        if not ack["ok"]:
            self.crowd.counts["refused: " + ack["error"]["code"]] += 1
            raise ConnectionAbortedError(ack["error"]["code"])
        return ack

    def _note_ack(self, link: RawSocket, ack: dict) -> None:
        message = self._accepted(ack)["message"]
        self.crowd.counts["acks that it was stored before"] += ack["duplicate"]
        known = self.position.get(message["conversation_id"], 0)
        self.position[message["conversation_id"]] = max(known, message["change"])
        self.acked.append(message["client_id"])
        self.waiting.popleft()
        if self.waiting:
            self._say_first(link)

    def _show(self, message: dict) -> bool:
        """Show the next change; return false if a change before it is missing."""
        conversation_id, change = message["conversation_id"], message["change"]
        expected = self.position.get(conversation_id, 0) + 1
        if change < expected:
            self.crowd.counts["repeats dropped"] += message["sender_id"] != self.id
            return True
        if change > expected:
            self.crowd.counts["gaps found"] += 1
            return False
        self.position[conversation_id] = change
        if message["sender_id"] != self.id:
            self._note_receipt(message)
        return True

    def _note_receipt(self, message: dict) -> None:
        now = time.perf_counter()
        self.seen.append(message["client_id"])
        self.crowd.note("delay", now - float(message["content"]["text"].split("#")[1][2:]))
        if self.seen_at is not None:
            self.crowd.note("silence", now - self.seen_at)
        self.seen_at = now

    def _sync(self, link: RawSocket) -> None:
        """Sync missing changes and show them; apply buffered pushes afterwards."""
        known = json.dumps({"conversations": self.position})
        link.send_text(f'420["sync",{known}]'.encode())
        pushed: list[bytes] = []
        answer = None
        while answer is None:
            link.fill()
            for packet in link.packets():
                if packet.startswith(b"430["):
                    answer = packet
                else:
                    pushed.append(packet)
        self._apply(self._accepted(json.loads(answer[3:])[0]))
        for packet in pushed:
            self._take(link, packet)

    def _apply(self, answer: dict) -> None:
        for conversation in answer["conversations"]:
            if self.is_new:  # false for messages of an earlier run
                self.position[conversation["id"]] = conversation["last_change"]
            else:
                for change in conversation["changes"]:
                    self._show(change["message"])
        self.is_new = False
