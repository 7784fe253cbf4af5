"""The plan of a cycle as data: made from a seed, printed, written to a file, replayed and shrunk."""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

#: Relative frequency of each kind of operation (acts.py does them).
WEIGHTS = {
    "send": 68, "edit": 12, "recall": 6, "react": 18, "unreact": 6, "pin": 8, "unpin": 4, "read": 18, "mark_unread": 4,
    "draft": 6, "mute": 6, "hide_message": 2, "add": 14, "kick": 10, "leave": 6, "join": 10, "rename": 8, "promote": 4,
    "demote": 2, "meet": 6, "part": 2, "profile": 2, "create_group": 1, "open_private": 1,
}  # fmt: skip

#: Approximate seconds of load before and after the fault of a short cycle.
_BEFORE, _AFTER = 1.2, 1.0

#: How many random numbers select an operation's conversation, message and other user from what the device shows.
_PICKS = 3


@dataclass(frozen=True)
class Op:
    """A user's operation, done `at` seconds after the start of the cycle, or later, when the previous one is done."""

    at: float
    user: int
    kind: str
    picks: tuple[int, ...]
    #: Over the socket of one of the user's devices, if there is such a command; otherwise over REST.
    by_socket: bool = False
    #: Retry after an answer that leaves the result unknown. A message is always retried.
    retries: bool = True


@dataclass(frozen=True)
class Fault:
    """A fault of `seconds` that starts at `at` (faults.py injects it); `node` is the index of the affected node."""

    kind: str
    at: float
    seconds: float
    node: int = 0


@dataclass(frozen=True)
class Cycle:
    """Load with faults, then a quiet period in which all devices must become up to date."""

    seed: int
    number: int
    #: micro: the load ends during the fault, so that the change that the fault hit is the last one. long: it goes on.
    mode: str
    ops: tuple[Op, ...]
    faults: tuple[Fault, ...]
    setup: str = "default"
    users: int = 8

    @property
    def name(self) -> str:
        """The first column of the report."""
        return f"{self.seed}/{self.number}"

    def write(self, path: Path) -> None:
        """Write the cycle to a file, to be replayed."""
        path.write_text(json.dumps(asdict(self)) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the cycle that `write` has written."""
        told: dict[str, Any] = json.loads(path.read_text())
        ops = tuple(Op(**{**op, "picks": tuple(op["picks"])}) for op in told.pop("ops"))
        return cls(ops=ops, faults=tuple(Fault(**fault) for fault in told.pop("faults")), **told)


@dataclass(frozen=True)
class Shape:
    """The size of a cycle: users, nodes, load and faults."""

    setup: str = "default"
    users: int = 8
    nodes: int = 3
    #: Mean seconds between two operations of one user.
    pause: float = 0.35
    #: The faults to choose from: kind -> minimum and maximum seconds.
    faults: dict[str, tuple[float, float]] = field(default_factory=dict)
    #: Seconds of load of a long cycle, and of rest between its faults.
    seconds: float = 60.0
    rest: float = 6.0


def micro(seed: int, number: int, shape: Shape, kind: str | None = None) -> Cycle:
    """Return a cycle with a few seconds of load and one fault, which outlasts the load in two of three cycles."""
    chance = random.Random(f"{seed}/{number}/micro")
    fault = _fault(chance, shape, kind or chance.choice(sorted(shape.faults)), _BEFORE * chance.uniform(0.6, 1.2))
    share = chance.choice([0.3, 0.8, 1.0])
    end = fault.at + fault.seconds * share + (_AFTER if share == 1.0 else 0)
    return Cycle(seed, number, "micro", _ops(chance, shape, end), (fault,), shape.setup, shape.users)


def long(seed: int, number: int, shape: Shape) -> Cycle:
    """Return a cycle with a minute of load and one fault after the other; the load ends after the last fault."""
    chance = random.Random(f"{seed}/{number}/long")
    faults = []
    at = shape.rest * chance.uniform(0.5, 1.0)
    while at < shape.seconds - shape.rest:
        faults.append(_fault(chance, shape, chance.choice(sorted(shape.faults)), at))
        at += faults[-1].seconds + shape.rest * chance.uniform(0.5, 1.5)
    return Cycle(seed, number, "long", _ops(chance, shape, shape.seconds), tuple(faults), shape.setup, shape.users)


def _fault(chance: random.Random, shape: Shape, kind: str, at: float) -> Fault:
    seconds = chance.uniform(*shape.faults[kind])
    return Fault(kind, round(at, 2), round(seconds, 2), chance.randrange(shape.nodes))


def _ops(chance: random.Random, shape: Shape, end: float) -> tuple[Op, ...]:
    kinds: Sequence[str] = list(WEIGHTS)
    ops = []
    for user in range(shape.users):
        at = chance.uniform(0, shape.pause)
        while at < end:
            picks = tuple(chance.randrange(1000) for _ in range(_PICKS))
            kind = chance.choices(kinds, list(WEIGHTS.values()))[0]
            ops.append(Op(round(at, 2), user, kind, picks, chance.random() < 0.5, chance.random() < 0.7))
            at += shape.pause * chance.uniform(0.3, 1.7)
    return tuple(sorted(ops, key=lambda op: (op.at, op.user)))
