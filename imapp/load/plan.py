"""The sequence of senders and receivers: the same in every run, with private and group messages evenly mixed."""

import secrets
from dataclasses import dataclass
from itertools import count

from imapp.load.users import User


@dataclass(frozen=True)
class PlannedMessage:
    """A message to send, and the connections that must receive it."""

    number: int
    sender: int
    receivers: set[int]
    #: The target as in the payload of the command.
    target: str
    packet: bytes


class Plan:
    """The plan of a run. Connections 2k and 2k+1 send to each other; in groups, the members send in turn."""

    def __init__(self, users: list[User], groups: dict[int, list[int]], group_share: float, text_bytes: int) -> None:
        self.run = secrets.token_hex(6)
        self._users = users
        self._groups = list(groups.items())
        self._group_share = group_share if groups else 0.0
        self._text = "x" * text_bytes
        self._numbers = count(1)
        #: The order of senders; the two users of a pair do not send right after each other.
        self._turns = [*range(0, len(users), 2), *range(1, len(users), 2)]
        self._private = self._in_groups = 0

    def next(self, offline: set[int]) -> PlannedMessage | None:
        """Return the next message between connections that are online; None if there is no such pair or group."""
        number = next(self._numbers)
        if int(number * self._group_share) > int((number - 1) * self._group_share):
            return self._to_group(number, offline)
        return self._to_peer(number, offline)

    def _to_peer(self, number: int, offline: set[int]) -> PlannedMessage | None:
        for _ in self._turns:
            sender = self._turns[self._private % len(self._turns)]
            self._private += 1
            peer = sender ^ 1 if sender ^ 1 < len(self._users) else 0
            if sender not in offline and peer not in offline:
                return self._message(number, sender, {peer}, f'"to_user_id":{self._users[peer].id}')
        return None

    def _to_group(self, number: int, offline: set[int]) -> PlannedMessage | None:
        for _ in self._groups:
            conversation_id, members = self._groups[self._in_groups % len(self._groups)]
            turn = self._in_groups // len(self._groups)
            self._in_groups += 1
            online = [place for place in members if place not in offline] if offline else members
            if len(online) > 1:
                sender = online[turn % len(online)]
                return self._message(number, sender, {*online} - {sender}, f'"conversation_id":{conversation_id}')
        return None

    def _message(self, number: int, sender: int, receivers: set[int], target: str) -> PlannedMessage:
        packet = (
            f'42{number}["send_message",{{{target},"client_id":"{self.run}-{number}","type":"text",'
            f'"content":{{"text":"{self._text}"}}}}]'
        )
        return PlannedMessage(number, sender, receivers, target, packet.encode())
