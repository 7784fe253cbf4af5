"""The users: each does the operations of the plan one after the other, and retries as a client would."""

import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from tests.checker.acts import ACTS, Act
from tests.checker.device import LiveDevice
from tests.checker.ledger import ACKED, REFUSED, UNKNOWN, Fact, Ledger
from tests.checker.plan import Op
from tests.checker.rest import DoorError, Rest
from tests.support.clients.asynchronous import TROUBLE

#: Error codes after which it is unknown whether the operation was done, or which ask for a retry.
_OPEN = {"busy", "unavailable", "internal_error", "rate_limited"}

#: Seconds for which a message is retried, and another operation.
_INSISTS, _TRIES = 40.0, 12.0


class User:
    """A user with two devices and REST access; `others` are the other users' ids, `groups` the ids of all groups."""

    def __init__(self, id_: int, devices: list[LiveDevice], rest: Rest, ledger: Ledger) -> None:
        self.id = id_
        self.devices = devices
        self.rest = rest
        self.others: list[int] = []
        self.groups: list[int] = []
        self._ledger = ledger

    def live(self, ops: list[Op], began: float) -> None:
        """Do the operations, each at its time after `began`."""
        for op in ops:
            time.sleep(max(0.0, began + op.at - time.monotonic()))
            self.do(op)

    def do(self, op: Op) -> Fact | None:
        """Do one operation; retry until its result is known or the time is over. Return None if it has no object."""
        act = ACTS[op.kind](self, op)
        if act is None:
            return None
        fact = Fact(op.kind, self.id, act.about, began=time.monotonic())
        patience = _INSISTS if op.kind == "send" else _TRIES * op.retries
        while not self._attempt(op, act, fact) and time.monotonic() < fact.began + patience:
            time.sleep(0.3)
        self._ledger.note(fact)
        return fact

    def _attempt(self, op: Op, act: Act, fact: Fact) -> bool:
        """Try once; return whether the result is known."""
        fact.outcome = UNKNOWN
        try:
            fact.told = self._call(op, act)
        except DoorError as exc:
            fact.code = exc.code
            if exc.status and exc.code not in _OPEN:
                fact.outcome = REFUSED
                return True
        except (*TROUBLE, FutureTimeoutError):
            fact.code = ""
        else:
            fact.outcome = ACKED
            return True
        fact.doubts += 1
        return False

    def _call(self, op: Op, act: Act) -> dict[str, Any]:
        connection = self.devices[op.picks[2] % len(self.devices)].wire
        if op.by_socket and act.command and connection is not None and connection.is_open:
            answer: dict[str, Any] = connection.call(act.command, act.payload)
            if not answer["ok"]:
                raise DoorError(400, answer["error"]["code"])
            return answer
        if act.before is not None:
            self._prepare(*act.before)
        return self.rest.try_(act.method, act.path, act.body).json or {}

    def _prepare(self, method: str, path: str) -> None:
        try:
            self.rest.try_(method, path)
        except DoorError as exc:
            if exc.status in {0, 503}:
                raise


def play(users: list[User], ops: tuple[Op, ...], began: float) -> None:
    """Let all users do their operations at the same time."""
    with ThreadPoolExecutor(len(users), thread_name_prefix="user") as pool:
        turns = [
            pool.submit(user.live, [op for op in ops if op.user == number], began) for number, user in enumerate(users)
        ]
        for turn in turns:
            turn.result()
