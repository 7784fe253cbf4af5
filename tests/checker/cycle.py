"""One cycle: load with faults, a quiet period of the promised length, then a comparison of everything."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.checker import comparison, faults, load, oracle, stored
from tests.checker.device import LiveDevice
from tests.checker.history import ACKED, Operation
from tests.checker.load import User
from tests.checker.oracle import Breach
from tests.checker.plan import Cycle
from tests.checker.rest import RequestFailedError
from tests.checker.testbed import Testbed

#: Limits in seconds for a message sent at rest: a push to all members' devices later than the first is noted in the
#: report; a member's device without the push after the second is deaf; within the third no other device may get it.
_PUSH_SECONDS, _DEAF_SECONDS = 3.0, 10.0
_LEAK_SECONDS = 0.3

#: Seconds until presence must be right: a lease, and a heartbeat of all nodes.
_PRESENCE_SECONDS = 15.0

#: Seconds within which all devices must be up to date before a cycle begins, and after a requested sync.
_LEVEL_SECONDS = 30.0

#: Seconds beyond the interval of the nodes' comparisons: the grace that the product promises (reconciliation.py), and a
#: margin for ticks, queries, `sync` and reconnections on a busy machine.
_GRACE_SECONDS, _MARGIN_SECONDS = 3.0, 8.0


def bound(reconcile_seconds: int) -> float:
    """Return the seconds after which all devices must be up to date, whatever happened."""
    return reconcile_seconds + _GRACE_SECONDS + _MARGIN_SECONDS


@dataclass
class Result:
    """One line of the report."""

    cycle: Cycle
    outcomes: Counter[str] = field(default_factory=Counter)
    #: Seconds from the end of load and faults until all devices showed what a new one shows; None if they never did.
    healed: float | None = None
    breaches: list[Breach] = field(default_factory=list)
    #: What the faults did, and how often devices were told to sync for each reason.
    notes: list[str] = field(default_factory=list)
    #: Number of conversations in which a probe message was sent.
    probed: int = 0
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether there is no breach."""
        return not self.breaches

    def counts(self) -> Counter[str]:
        """Return the number of breaches of each kind."""
        return Counter(breach.kind for breach in self.breaches)


def run(testbed: Testbed, cycle: Cycle, seconds: float) -> Result:
    """Run the cycle; all devices must be up to date within `seconds` after its end."""
    result = Result(cycle)
    began = time.monotonic()
    _await_level(testbed)
    hints = {device: len(device.hints) for device in testbed.devices}
    first_operation = len(testbed.history.operations)
    _harm(testbed, cycle, result)
    over = time.monotonic()
    result.outcomes = testbed.history.counts(first_operation)
    level_at, stale = comparison.wait(testbed, "stale", over + seconds)
    result.breaches += stale
    result.healed = None if stale else level_at - over
    told = Counter(reason for device, count in hints.items() for reason in device.hints[count:])
    result.notes += [f"{reason} {count}" for reason, count in sorted(told.items())]
    deaf = _probe(testbed, result)
    if deaf:
        # A node may have been reconnecting to Redis: it then tells its devices to sync. That must be over by now.
        time.sleep(max(0.0, over + seconds - time.monotonic()))
        result.notes.append(f"{len(deaf)} pushes missed at first")
        deaf = _probe(testbed, result)
    result.breaches += deaf
    result.breaches += comparison.wait(testbed, "stale", time.monotonic() + seconds)[1]
    result.breaches += _force(testbed)
    result.breaches += _judge(testbed)
    result.breaches += _presence(testbed)
    result.seconds = time.monotonic() - began
    return result


def _await_level(testbed: Testbed) -> None:
    end = time.monotonic() + _LEVEL_SECONDS
    while time.monotonic() < end and any(device.shown() is None for device in testbed.devices):
        time.sleep(0.1)
    for page in testbed.pages:
        page.look_into_all()


def _harm(testbed: Testbed, cycle: Cycle, result: Result) -> None:
    """Run load and faults; return when all users are done and all faults are healed."""
    began = time.monotonic()
    told: list[str] = []

    def harm() -> None:
        told.extend(f"{fault.kind} {faults.inject(testbed, fault, began)}".strip() for fault in cycle.faults)

    thread = threading.Thread(target=harm, name="faults", daemon=True)
    thread.start()
    load.play(testbed.users, cycle.ops, began)
    thread.join()
    assert len(told) == len(cycle.faults), "a fault could not be done: see the traceback above"
    result.notes += told


# -- pushes --------------------------------------------------------------------------------------------------------


def _probe(testbed: Testbed, result: Result) -> list[Breach]:
    """Send a message in each conversation; return the breaches: members' devices without the push, others' with it."""
    members: dict[int, list[int]] = {}
    for member in stored.read(testbed.rows).members:
        members.setdefault(member.conversation_id, []).append(member.user_id)
    users = {user.id: user for user in testbed.users}
    connections = {device: device.wire for device in testbed.devices if device.node}
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda item: _send(testbed, [users[id_] for id_ in item[1]], item[0]), members.items()))
    probes = {message_id: members[id_] for message_id, id_ in zip(sent, members, strict=True) if message_id}
    result.probed = len(probes)
    began = time.monotonic()
    while time.monotonic() < began + _DEAF_SECONDS and _deaf(connections, probes):
        time.sleep(0.05)
    if time.monotonic() > began + _PUSH_SECONDS:
        result.notes.append(f"pushed after {time.monotonic() - began:.1f} s")
    time.sleep(_LEAK_SECONDS)
    found = []
    for message_id, inside in probes.items():
        # A device that was moved to another node meanwhile (nodes rebalance their clients) gets the message by `sync`.
        devices = {
            one.name: (one.user_id, message_id in one.heard)
            for one, connection in connections.items()
            if one.wire is connection
        }
        found += oracle.heard(message_id, inside, devices)
    return found


def _deaf(connections: dict[LiveDevice, Any], probes: dict[str, list[int]]) -> bool:
    return any(
        one.user_id in inside and message_id not in one.heard and one.wire is connection
        for message_id, inside in probes.items()
        for one, connection in connections.items()
    )


def _send(testbed: Testbed, members: list[User], conversation_id: int) -> str | None:
    """Send a probe as the first member with the right to; return the message's id.

    Return None if no member has the right: the private conversation is blocked.
    """
    name = f"probe-{uuid4().hex[:12]}"
    body = {"client_id": name, "type": "text", "content": {"text": name}}
    for user in members:
        with suppress(RequestFailedError):
            told = user.rest.try_("POST", f"/api/conversations/{conversation_id}/messages", body).json
            testbed.history.note(Operation("send", user.id, {"client_id": name}, ACKED, told))
            return str(told["message"]["id"])
    return None


# -- sync, storage, presence ---------------------------------------------------------------------------------------


def _force(testbed: Testbed) -> list[Breach]:
    """Make all devices sync without a hint; return the differences that remain: none is allowed now."""
    for device in testbed.devices:
        device.sync()
    return comparison.wait(testbed, "wrong", time.monotonic() + _LEVEL_SECONDS)[1]


def _judge(testbed: Testbed) -> list[Breach]:
    """Return the breaches in the database, without those that an earlier cycle has reported."""
    found = [
        one
        for one in oracle.judge(stored.read(testbed.rows), testbed.history.operations)
        if str(one) not in testbed.named
    ]
    testbed.named |= {str(breach) for breach in found}
    return found


def _presence(testbed: Testbed) -> list[Breach]:
    end = time.monotonic() + _PRESENCE_SECONDS
    while time.monotonic() < end:
        if testbed.presence_is_true():
            return []
        time.sleep(0.3)
    told: dict[str, Any] = {node.environ["NODE_ID"]: sorted(testbed._online_at(node)) for node in testbed.living()}
    return [Breach("presence", f"connected {sorted(testbed.online())}, nodes say {told}")]
