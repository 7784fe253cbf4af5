"""All clients of a drill, in one event loop in a thread of its own, and records of what they sent and saw."""

import asyncio
from bisect import bisect
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.drills.oracle import ConversationHistory
from tests.drills.people import CrowdState, Person, Reader, Sender
from tests.support.clients.asynchronous import AsyncClient, LoopThread
from tests.support.ports import wait_for


@dataclass(frozen=True)
class Shape:
    """The size of a crowd: groups, senders and readers in each group, and how much they send.

    `pause` is the mean number of seconds between a sender's messages, `padding` the additional letters of each message.
    """

    groups: int = 20
    senders: int = 3
    readers: int = 9
    #: Number of readers in each group that do not reconnect after a lost connection.
    leavers: int = 0
    pause: float = 2.0
    padding: int = 0
    #: Maximum seconds until the first attempt to reconnect after the loss of a connection.
    retry: float = 1.0

    @property
    def size(self) -> int:
        """Number of members of one group."""
        return self.senders + self.readers

    @property
    def users(self) -> int:
        """Number of members of all groups."""
        return self.groups * self.size


#: A user of the fixture: token, user id, conversation id.
User = tuple[str, int, int]


class Crowd:
    """See the module; `users` are `shape.size` for each group, in order."""

    def __init__(self, urls: list[str], users: list[User], shape: Shape) -> None:
        # A hundred connect in a second.
        self.state = CrowdState(urls, shape.pause, shape.padding, spread=shape.users / 100, retry=shape.retry)
        self.senders: list[Sender] = []
        self.readers: list[Reader] = []
        for index, (token, user_id, conversation_id) in enumerate(users[: shape.users]):
            place = index % shape.size
            kind = Sender if place < shape.senders else Reader
            person = kind(self.state, token, user_id, conversation_id, place)
            (self.senders if isinstance(person, Sender) else self.readers).append(person)
            person.returns = place < shape.size - shape.leavers
        self._loop = LoopThread()
        self._tasks: list[Future[Any]] = []
        self._guests: list[AsyncClient] = []

    @property
    def people(self) -> list[Person]:
        """All senders and readers."""
        return [*self.senders, *self.readers]

    def start(self, seconds: float = 180) -> None:
        """Connect all; return when all are connected and each sender has two acks."""
        self._tasks = [self._loop.submit(person.live()) for person in self.people]
        seconds += self.state.spread
        wait_for(self.are_all_there, seconds, "the connection of the crowd")
        wait_for(lambda: all(len(one.acked) > 1 for one in self.senders), seconds, "the load")

    def are_all_there(self) -> bool:
        """Return whether everybody that reconnects is connected."""
        return all(person.node for person in self.people if person.returns)

    def online(self) -> set[int]:
        """Return the ids of the connected users."""
        return {person.user_id for person in self.people if person.node}

    def at(self, node: str) -> list[Person]:
        """Return the people connected to this node."""
        return [person for person in self.people if person.node == node]

    def cut(self, people: Iterable[Person]) -> int:
        """Break these people's connections; return their number."""
        open_ = [one.client for one in people if one.client is not None and one.node]

        async def abort_all() -> None:
            for client in open_:
                client.abort()

        self._loop.run(abort_all())
        return len(open_)

    def leave(self) -> None:
        """Disconnect everybody until `come_back`."""
        self.state.is_away = True
        self.cut(self.people)

    def come_back(self) -> None:
        """Connect everybody again."""
        self.state.is_away = False

    def invite(self, url: str, tokens: Iterable[str], hear: Callable[..., None] = lambda *_: None) -> list[AsyncClient]:
        """Connect additional devices that only listen; return the connections of those that are let in."""

        async def come() -> list[AsyncClient | BaseException]:
            # A few at a time: connecting them is not part of the drill.
            turn = asyncio.Semaphore(20)

            async def one(token: str) -> AsyncClient:
                async with turn:
                    return await AsyncClient.open(url, token, hear)

            return await asyncio.gather(*map(one, tokens), return_exceptions=True)

        guests = [one for one in self._loop.run(come(), 180) if isinstance(one, AsyncClient)]
        self._guests += guests
        return guests

    def dismiss(self) -> None:
        """Disconnect all additional devices."""

        async def go() -> None:
            for guest in self._guests:
                guest.abort()

        self._loop.run(go())
        self._guests = []

    # -- healing -------------------------------------------------------------------------------------------------

    def pushed_at(self, since: float) -> float | None:
        """Return when all were reconnected and had been pushed a message sent at another node after `since`."""
        if not self.are_all_there():
            return None
        return self._last(self._first_push_from_elsewhere, since)

    def caught_up_at(self, since: float) -> float | None:
        """Return when the last reader had seen the last message acknowledged before `since`; None if not yet."""
        return self._last(self._caught_up_at, since)

    def _last(self, moment: Callable[[Reader, float], float | None], since: float) -> float | None:
        moments = [moment(reader, since) for reader in self.readers if reader.node]
        return None if None in moments else max((one for one in moments if one is not None), default=since)

    def _peers(self, reader: Reader) -> list[Sender]:
        return [one for one in self.senders if one.conversation_id == reader.conversation_id]

    def _caught_up_at(self, reader: Reader, since: float) -> float | None:
        owed = [name for one in self._peers(reader) for name, at in list(one.acked_at.items()) if at < since]
        seen = [reader.shown_at.get(name) for name in owed]
        return None if None in seen else max((one for one in seen if one is not None), default=since)

    def _first_push_from_elsewhere(self, reader: Reader, since: float) -> float | None:
        state = self.state
        if not {one.node for one in self._peers(reader) if one.node} - {reader.node}:
            return since
        for name, node, at in reader.pushed[bisect(reader.pushed, since, key=lambda push: push[2]) :]:
            if state.sent_at.get(name, 0) > since and state.acked_by.get(name, node) != node:
                return at
        return None

    # -- the end -------------------------------------------------------------------------------------------------

    def settle(self, seconds: float = 60) -> None:
        """Stop new messages and wait for those in flight; the oracle finds the ones that do not end in time."""
        self.state.is_ending = True
        self._wait(lambda: self.are_all_there() and all(one.is_done for one in self.senders), seconds)

    def look_again(self, heads: dict[int, int], seconds: float = 60) -> None:
        """Reconnect the readers, which then sync like an opened app; `heads` is the last seq of each conversation."""
        readers = [one for one in self.readers if one.returns]
        self.cut(readers)
        self._wait(lambda: all(len(one.shown) >= heads.get(one.conversation_id, 0) for one in readers), seconds)
        self._wait(self.are_all_there, seconds)

    def _wait(self, check: Callable[[], bool], seconds: float) -> None:
        with suppress(AssertionError):
            wait_for(check, seconds)
        for task in self._tasks:
            if task.done():
                task.result()

    def histories(self) -> dict[int, ConversationHistory]:
        """Return what the crowd knows of each conversation; the stored messages are missing."""
        told: dict[int, ConversationHistory] = {}
        for one in self.senders:
            history = told.setdefault(one.conversation_id, ConversationHistory())
            history.sent[one.name] = list(one.sent)
            history.acked |= one.acked
            history.reported |= one.reported.keys()
        for reader in self.readers:
            history = told.setdefault(reader.conversation_id, ConversationHistory())
            history.shown[reader.name] = list(reader.shown)
            if not (reader.returns or reader.node):
                history.left.add(reader.name)
        return told

    def close(self) -> None:
        """Disconnect all and stop the event loop."""

        async def end() -> None:
            for person in self.people:
                if person.client is not None:
                    person.client.abort()
            for guest in self._guests:
                guest.abort()

        self._loop.run(end())
        self._loop.close()
