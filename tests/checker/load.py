"""The users: each does the operations of the plan one after the other, and retries as a client would."""

import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from tests.checker.acts import ACTS, Act
from tests.checker.device import LiveDevice
from tests.checker.history import ACKED, REFUSED, UNKNOWN, History, Operation
from tests.checker.plan import Op
from tests.checker.rest import RequestFailedError, Rest
from tests.support.clients.asynchronous import TROUBLE

#: Error codes after which it is unknown whether the operation was done, or which ask for a retry.
_OPEN = {"busy", "unavailable", "internal_error", "rate_limited"}

#: Seconds for which a message is retried, and another operation.
_INSISTS, _TRIES = 40.0, 12.0


class User:
    """A user with two devices and REST access; `others` are the other users' ids, `groups` the ids of all groups."""

    def __init__(self, id_: int, devices: list[LiveDevice], rest: Rest, history: History) -> None:
        self.id = id_
        self.devices = devices
        self.rest = rest
        self.others: list[int] = []
        self.groups: list[int] = []
        self._history = history

    def live(self, ops: list[Op], began: float) -> None:
        """Do the operations, each at its time after `began`."""
        for op in ops:
            time.sleep(max(0.0, began + op.at - time.monotonic()))
            self.do(op)

    def do(self, op: Op) -> Operation | None:
        """Do one operation; retry until its result is known or the time is over. Return None if it has no object."""
        act = ACTS[op.kind](self, op)
        if act is None:
            return None
        operation = Operation(op.kind, self.id, act.about, began=time.monotonic())
        patience = _INSISTS if op.kind == "send" else _TRIES * op.retries
        while not self._attempt(op, act, operation) and time.monotonic() < operation.began + patience:
            time.sleep(0.3)
        self._history.note(operation)
        return operation

    def _attempt(self, op: Op, act: Act, operation: Operation) -> bool:
        """Try once; return whether the result is known."""
        operation.outcome = UNKNOWN
        try:
            operation.told = self._call(op, act)
        except RequestFailedError as exc:
            operation.code = exc.code
            if exc.status and exc.code not in _OPEN:
                operation.outcome = REFUSED
                return True
        except (*TROUBLE, FutureTimeoutError):
            operation.code = ""
        else:
            operation.outcome = ACKED
            return True
        operation.doubts += 1
        return False

    def _call(self, op: Op, act: Act) -> dict[str, Any]:
        connection = self.devices[op.picks[2] % len(self.devices)].wire
        if op.by_socket and act.command and connection is not None and connection.is_open:
            answer: dict[str, Any] = connection.call(act.command, act.payload)
            if not answer["ok"]:
                raise RequestFailedError(400, answer["error"]["code"])
            return answer
        if act.before is not None:
            self._prepare(*act.before)
        return self.rest.try_(act.method, act.path, act.body).json or {}

    def _prepare(self, method: str, path: str) -> None:
        try:
            self.rest.try_(method, path)
        except RequestFailedError as exc:
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
