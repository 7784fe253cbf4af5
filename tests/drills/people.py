"""The crowd's two kinds of people: senders, which retry, and readers, which repair gaps as a good client does."""

import asyncio
import itertools
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.drills.oracle import Entry
from tests.support.clients.asynchronous import TROUBLE, AsyncClient

#: Error codes after which the same message is sent again.
AGAIN = {"busy", "unavailable", "internal_error", "rate_limited"}

#: Seconds that a sender waits for an ack before it tries another node, and that any person waits for a connection.
ACK_SECONDS = 10.0
CONNECT_SECONDS = 6.0

#: Minimum seconds between two syncs of one reader.
SYNC_SECONDS = 2.0


@dataclass
class CrowdState:
    """The state that all people of a crowd share."""

    urls: list[str]
    #: Mean seconds between two messages of a sender; letters that each message has in addition to its name.
    pause: float = 0.5
    padding: int = 0
    #: Seconds over which the first connections are spread; maximum seconds before the first attempt to reconnect.
    spread: float = 1.0
    retry: float = 1.0
    #: Whether all are disconnected for the time being.
    is_away: bool = False
    #: Set when the drill is over: no new message.
    is_ending: bool = False
    #: client_id -> time when it was first sent.
    sent_at: dict[str, float] = field(default_factory=dict)
    #: client_id -> the node that acknowledged it first.
    acked_by: dict[str, str] = field(default_factory=dict)


class Person:
    """One user with one device, which reconnects to another node whenever the connection is lost."""

    def __init__(self, state: CrowdState, token: str, user_id: int, conversation_id: int, home: int) -> None:
        self.state = state
        self.token = token
        self.user_id = user_id
        self.conversation_id = conversation_id
        self.name = f"user-{user_id}"
        self.returns = True
        self.client: AsyncClient | None = None
        #: Seconds of the longest time between the loss of a connection and the next one.
        self.longest_outage = 0.0
        self._urls = state.urls[home % len(state.urls) :] + state.urls[: home % len(state.urls)]

    @property
    def node(self) -> str:
        """The connected node's name, or "" without a connection."""
        return self.client.node if self.client is not None and not self.client.closed.is_set() else ""

    async def live(self) -> None:
        """Stay connected: reconnect after each loss, unless `returns` is false."""
        await asyncio.sleep(random.uniform(0, self.state.spread))
        failures, lost_at = 0, None
        for url in itertools.cycle(self._urls):
            failures += 1
            with suppress(*TROUBLE):
                self.client = await AsyncClient.open(url, self.token, self.hear, CONNECT_SECONDS)
                failures = 0
                self.longest_outage = max(self.longest_outage, time.monotonic() - lost_at if lost_at else 0.0)
                lost_at = None
                await self.be_there(self.client)
            lost_at = lost_at or time.monotonic()
            if self.client is not None:
                self.client.abort()
                if not self.returns:
                    return
            # Growing backoff with jitter: a crowd that reconnects at one moment would be a second fault.
            await asyncio.sleep(random.uniform(self.state.retry / 10, min(5.0, self.state.retry * 2.0**failures)))
            while self.state.is_away:
                await asyncio.sleep(0.2)

    def hear(self, event: str, payload: dict[str, Any]) -> None:
        """Handle a push."""
        if event == "server_draining" and self.client is not None:
            asyncio.get_running_loop().call_later(payload["reconnect_after_ms"] / 1000, self.client.abort)

    async def be_there(self, client: AsyncClient) -> None:
        """Act while connected; return when the connection is lost."""
        await client.closed.wait()


class Sender(Person):
    """Sends one message after the other, each with one client_id and at any node until it is acknowledged."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.sent: list[str] = []
        self.acked: dict[str, int] = {}
        self.reported: dict[str, str] = {}
        self.duplicates = 0
        #: Error codes after which a send was retried; "" for a missing ack.
        self.troubles: list[str] = []
        #: client_id -> time of the ack.
        self.acked_at: dict[str, float] = {}

    @property
    def is_done(self) -> bool:
        """Whether no send is in flight."""
        return len(self.acked) + len(self.reported) == len(self.sent)

    async def be_there(self, client: AsyncClient) -> None:
        """Send messages; a message without an ack is sent again over the next connection."""
        while not client.closed.is_set():
            if self.is_done:
                await asyncio.sleep(self.state.pause * random.uniform(0.5, 1.5))
                if self.state.is_ending:
                    await client.closed.wait()
                    return
                self._begin(f"{self.user_id}-{len(self.sent)}")
            await self._attempt(client, self.sent[-1])

    def _begin(self, client_id: str) -> None:
        self.sent.append(client_id)
        self.state.sent_at[client_id] = time.monotonic()

    async def _attempt(self, client: AsyncClient, client_id: str) -> None:
        text = client_id + " " + "x" * self.state.padding
        body = {"client_id": client_id, "type": "text", "content": {"text": text.strip()}}
        try:
            ack = await client.call("send_message", {**body, "conversation_id": self.conversation_id}, ACK_SECONDS)
        except TROUBLE:
            self.troubles.append("")
            raise
        if ack["ok"]:
            self.acked_at[client_id] = time.monotonic()
            self.duplicates += ack["duplicate"]
            self.acked[client_id] = ack["message"]["seq"]
            self.state.acked_by[client_id] = client.node
        elif ack["error"]["code"] in AGAIN:
            self.troubles.append(ack["error"]["code"])
            await asyncio.sleep(random.uniform(0.1, 0.5))
        else:
            self.reported[client_id] = ack["error"]["code"]


class Reader(Person):
    """Shows each change once and in order; fetches missed changes with `sync`."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.shown: list[Entry] = []
        #: client_id -> time when it was first shown.
        self.shown_at: dict[str, float] = {}
        #: Pushed messages: client_id, node that pushed, time.
        self.pushed: list[tuple[str, str, float]] = []
        self.hints = 0
        self._change = 0
        self._early: dict[int, tuple[str, dict[str, Any]]] = {}
        self._wants_sync = asyncio.Event()
        self._synced_at = 0.0

    def hear(self, event: str, payload: dict[str, Any]) -> None:
        """Show a change that follows the last one; keep one that is too early, and sync to fill the gap."""
        super().hear(event, payload)
        if event == "sync_required":
            self.hints += 1
            self._wants_sync.set()
        about = payload.get("message") or payload
        if about.get("conversation_id") != self.conversation_id or not about.get("change"):
            return
        if event == "message_created":
            self.pushed.append((about["client_id"], self.node, time.monotonic()))
        self._early[about["change"]] = (event, payload)
        if not self._wants_sync.is_set():
            self._show_what_follows()

    async def be_there(self, client: AsyncClient) -> None:
        """Sync after connecting and whenever a change may have been missed."""
        self._wants_sync.set()
        while not client.closed.is_set():
            if await self._is_wanted(client):
                # Space out the syncs: all readers get the hint at once, and a broken bus makes every push show a gap.
                since_last = time.monotonic() - self._synced_at
                await asyncio.sleep(random.uniform(0, 0.5) + max(0.0, SYNC_SECONDS - since_last))
                await self._sync(client)
                self._synced_at = time.monotonic()

    async def _is_wanted(self, client: AsyncClient) -> bool:
        waits = [asyncio.create_task(one.wait()) for one in (self._wants_sync, client.closed)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
        return not client.closed.is_set()

    async def _sync(self, client: AsyncClient) -> None:
        known = {str(self.conversation_id): self._change}
        answer: dict[str, Any] = {"ok": False}
        # A slow node does not get faster if its clients give up and ask another: go on after a timeout.
        with suppress(TimeoutError):
            answer = await client.call("sync", {"conversations": known, "limit": 500}, ACK_SECONDS)
        if not answer["ok"]:
            await asyncio.sleep(random.uniform(0.2, 0.8))
            return
        is_behind = False
        for found in answer["conversations"]:
            if found["id"] == self.conversation_id:
                self._early |= {one["change"]: (one["event"], one) for one in found["changes"]}
                is_behind = found["next_change"] < found["last_change"]
        if not is_behind:
            self._wants_sync.clear()
        self._show_what_follows()

    def _show_what_follows(self) -> None:
        """Show the changes up to the next hole; a hole starts a sync."""
        while entry := self._early.pop(self._change + 1, None):
            self._change += 1
            event, payload = entry
            if event == "message_created":
                message = payload["message"]
                name = message["client_id"] or f"system-{message['seq']}"
                self.shown.append((message["seq"], name))
                self.shown_at.setdefault(name, time.monotonic())
        self._early = {change: entry for change, entry in self._early.items() if change > self._change}
        if self._early:
            self._wants_sync.set()
