"""One cycle: load with faults amid it, rest for the promised time, then everything is compared."""

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
from tests.checker.field import Field
from tests.checker.ledger import ACKED, Fact
from tests.checker.load import User
from tests.checker.oracle import Breach
from tests.checker.plan import Cycle
from tests.checker.rest import DoorError

#: Seconds in which a message that is sent at rest is pushed to all members; who has not been pushed it long after is
#: deaf. Seconds in which it must have come to nobody else.
_PUSH_SECONDS, _DEAF_SECONDS = 3.0, 10.0
_LEAK_SECONDS = 0.3

#: Seconds until presence must be right: a lease, and a beat of all nodes.
_PRESENCE_SECONDS = 15.0

#: Seconds within which everybody must be level before a cycle begins, and after a sync that is asked for.
_LEVEL_SECONDS = 30.0

#: What the product promises beyond the interval of its comparisons: its grace (reconciliation.py). Then what ticks,
#: queries, `sync` and clients' ways back take on a busy machine.
_GRACE_SECONDS, _MARGIN_SECONDS = 3.0, 8.0


def bound(reconcile_seconds: int) -> float:
    """Seconds after which everybody must be level, whatever happened."""
    return reconcile_seconds + _GRACE_SECONDS + _MARGIN_SECONDS


@dataclass
class Result:
    """One line of the report."""

    cycle: Cycle
    outcomes: Counter[str] = field(default_factory=Counter)
    #: Seconds from the end of load and faults until all devices showed what a new one shows; None: never.
    healed: float | None = None
    breaches: list[Breach] = field(default_factory=list)
    #: What the faults did; why devices were told to sync, and how often.
    notes: list[str] = field(default_factory=list)
    #: Conversations probed.
    probed: int = 0
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether nothing at all was wrong."""
        return not self.breaches

    def counts(self) -> Counter[str]:
        """How many breaches of each kind."""
        return Counter(breach.kind for breach in self.breaches)


def run(ground: Field, cycle: Cycle, seconds: float) -> Result:
    """Play the cycle; everybody must be level so many seconds after its end."""
    result = Result(cycle)
    began = time.monotonic()
    _await_level(ground)
    hints = {device: len(device.hints) for device in ground.devices}
    first_fact = len(ground.ledger.facts)
    _harm(ground, cycle, result)
    over = time.monotonic()
    result.outcomes = ground.ledger.counts(first_fact)
    level_at, stale = comparison.wait(ground, "stale", over + seconds)
    result.breaches += stale
    result.healed = None if stale else level_at - over
    told = Counter(reason for device, count in hints.items() for reason in device.hints[count:])
    result.notes += [f"{reason} {count}" for reason, count in sorted(told.items())]
    deaf = _probe(ground, result)
    if deaf:
        # A node may have been on its way back to Redis: who missed it is told to sync. It must be over by now.
        time.sleep(max(0.0, over + seconds - time.monotonic()))
        result.notes.append(f"{len(deaf)} pushes missed at first")
        deaf = _probe(ground, result)
    result.breaches += deaf
    result.breaches += comparison.wait(ground, "stale", time.monotonic() + seconds)[1]
    result.breaches += _force(ground)
    result.breaches += _judge(ground)
    result.breaches += _presence(ground)
    result.seconds = time.monotonic() - began
    return result


def _await_level(ground: Field) -> None:
    end = time.monotonic() + _LEVEL_SECONDS
    while time.monotonic() < end and any(device.shown() is None for device in ground.devices):
        time.sleep(0.1)
    for page in ground.pages:
        page.look_into_all()


def _harm(ground: Field, cycle: Cycle, result: Result) -> None:
    """Load and faults; ends when all users are done and all is healed."""
    began = time.monotonic()
    told: list[str] = []

    def harm() -> None:
        told.extend(f"{fault.kind} {faults.inject(ground, fault, began)}".strip() for fault in cycle.faults)

    thread = threading.Thread(target=harm, name="faults", daemon=True)
    thread.start()
    load.play(ground.users, cycle.ops, began)
    thread.join()
    assert len(told) == len(cycle.faults), "a fault could not be done: see the traceback above"
    result.notes += told


# -- who is pushed to ----------------------------------------------------------------------------------------------


def _probe(ground: Field, result: Result) -> list[Breach]:
    """Send one message in each conversation; all devices of all members must be pushed it, and no other."""
    members: dict[int, list[int]] = {}
    for member in stored.read(ground.rows).members:
        members.setdefault(member.conversation_id, []).append(member.user_id)
    users = {user.id: user for user in ground.users}
    links = {device: device.wire for device in ground.devices if device.node}
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda item: _send(ground, [users[id_] for id_ in item[1]], item[0]), members.items()))
    probes = {message_id: members[id_] for message_id, id_ in zip(sent, members, strict=True) if message_id}
    result.probed = len(probes)
    began = time.monotonic()
    while time.monotonic() < began + _DEAF_SECONDS and _deaf(links, probes):
        time.sleep(0.05)
    if time.monotonic() > began + _PUSH_SECONDS:
        result.notes.append(f"pushed after {time.monotonic() - began:.1f} s")
    time.sleep(_LEAK_SECONDS)
    found = []
    for message_id, inside in probes.items():
        # Who was sent elsewhere meanwhile (nodes share their clients out again) has it by `sync`.
        devices = {one.name: (one.user_id, message_id in one.heard) for one, link in links.items() if one.wire is link}
        found += oracle.heard(message_id, inside, devices)
    return found


def _deaf(links: dict[LiveDevice, Any], probes: dict[str, list[int]]) -> bool:
    return any(
        one.user_id in inside and message_id not in one.heard and one.wire is link
        for message_id, inside in probes.items()
        for one, link in links.items()
    )


def _send(ground: Field, members: list[User], conversation_id: int) -> str | None:
    """By the first who may: in a private conversation that is blocked nobody may."""
    name = f"probe-{uuid4().hex[:12]}"
    body = {"client_id": name, "type": "text", "content": {"text": name}}
    for user in members:
        with suppress(DoorError):
            told = user.rest.try_("POST", f"/api/conversations/{conversation_id}/messages", body).json
            ground.ledger.note(Fact("send", user.id, {"client_id": name}, ACKED, told))
            return str(told["message"]["id"])
    return None


# -- the rest ------------------------------------------------------------------------------------------------------


def _force(ground: Field) -> list[Breach]:
    """After a sync that nobody asked the device for, it must be right in any case."""
    for device in ground.devices:
        device.sync()
    return comparison.wait(ground, "wrong", time.monotonic() + _LEVEL_SECONDS)[1]


def _judge(ground: Field) -> list[Breach]:
    """What an earlier cycle has named is not named again."""
    found = [one for one in oracle.judge(stored.read(ground.rows), ground.ledger.facts) if str(one) not in ground.named]
    ground.named |= {str(breach) for breach in found}
    return found


def _presence(ground: Field) -> list[Breach]:
    end = time.monotonic() + _PRESENCE_SECONDS
    while time.monotonic() < end:
        if ground.presence_is_true():
            return []
        time.sleep(0.3)
    told: dict[str, Any] = {node.environ["NODE_ID"]: sorted(ground._online_at(node)) for node in ground.living()}
    return [Breach("presence", f"connected {sorted(ground.online())}, nodes say {told}")]
