"""What happens in a cycle, as data: made from a seed, printed, written to a file, played again, and cut into halves."""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

#: How often each kind of operation comes, compared with the others (acts.py does them).
WEIGHTS = {
    "send": 68, "edit": 12, "recall": 6, "react": 18, "unreact": 6, "pin": 8, "unpin": 4, "read": 18, "mark_unread": 4,
    "draft": 6, "mute": 6, "hide_message": 2, "add": 14, "kick": 10, "leave": 6, "join": 10, "rename": 8, "promote": 4,
    "demote": 2, "meet": 6, "part": 2, "profile": 2, "create_group": 1, "open_private": 1,
}  # fmt: skip

#: Seconds of load before and after a fault of a short cycle, about.
_BEFORE, _AFTER = 1.2, 1.0

#: Numbers that an operation takes to choose its conversation, message and other user from what its device shows.
_PICKS = 3


@dataclass(frozen=True)
class Op:
    """One thing that a user does, `at` seconds after the cycle's begin, or as soon as the one before is done."""

    at: float
    user: int
    kind: str
    picks: tuple[int, ...]
    #: Over the socket of one of the user's devices where there is such a command; else over REST.
    by_socket: bool = False
    #: Again after an answer that leaves it open whether it was done. A message is always sent again.
    retries: bool = True


@dataclass(frozen=True)
class Fault:
    """What is harmed, from `at` on for `seconds` (faults.py does it); `node` is the one that it concerns."""

    kind: str
    at: float
    seconds: float
    node: int = 0


@dataclass(frozen=True)
class Cycle:
    """Load, faults amid it; then quiet, in which everybody must become level."""

    seed: int
    number: int
    #: micro: the load ends amid the fault, so that the change that the fault hit is the last one. long: it goes on.
    mode: str
    ops: tuple[Op, ...]
    faults: tuple[Fault, ...]
    setup: str = "default"
    users: int = 8

    @property
    def name(self) -> str:
        """What a line of the report begins with."""
        return f"{self.seed}/{self.number}"

    def write(self, path: Path) -> None:
        """Keep it, to be played again."""
        path.write_text(json.dumps(asdict(self)) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` kept."""
        told: dict[str, Any] = json.loads(path.read_text())
        ops = tuple(Op(**{**op, "picks": tuple(op["picks"])}) for op in told.pop("ops"))
        return cls(ops=ops, faults=tuple(Fault(**fault) for fault in told.pop("faults")), **told)


@dataclass(frozen=True)
class Shape:
    """How many users do how much, on how many nodes."""

    setup: str = "default"
    users: int = 8
    nodes: int = 3
    #: Seconds between two operations of one user, about.
    pause: float = 0.35
    #: The faults to choose from: kind -> seconds that one takes at least and at most.
    faults: dict[str, tuple[float, float]] = field(default_factory=dict)
    #: Seconds of load of a long cycle, and of rest between its faults.
    seconds: float = 60.0
    rest: float = 6.0


def micro(seed: int, number: int, shape: Shape, kind: str | None = None) -> Cycle:
    """A few seconds of load with one fault, which outlasts the load in two of three cycles."""
    chance = random.Random(f"{seed}/{number}/micro")
    fault = _fault(chance, shape, kind or chance.choice(sorted(shape.faults)), _BEFORE * chance.uniform(0.6, 1.2))
    share = chance.choice([0.3, 0.8, 1.0])
    end = fault.at + fault.seconds * share + (_AFTER if share == 1.0 else 0)
    return Cycle(seed, number, "micro", _ops(chance, shape, end), (fault,), shape.setup, shape.users)


def long(seed: int, number: int, shape: Shape) -> Cycle:
    """A minute of load, in which one fault follows the other; the load ends when the last one is over."""
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
