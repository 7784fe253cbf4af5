"""What users were told of what they did: the oracle holds the nodes to it."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

#: How an operation ended: done and said so; refused for good; nobody knows.
ACKED, REFUSED, UNKNOWN = "acked", "refused", "unknown"


@dataclass
class Fact:
    """One operation. `about` names what it was done to; `told` is from the answer."""

    kind: str
    user_id: int
    about: dict[str, Any]
    outcome: str = UNKNOWN
    told: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    began: float = 0.0
    ended: float = 0.0
    #: Attempts that left it open whether it was done; with one of them an earlier state may come back late.
    doubts: int = 0

    @property
    def is_sure(self) -> bool:
        """Whether it is known when it was done."""
        return self.outcome == ACKED and not self.doubts


class Ledger:
    """All facts of a field, in the order in which they ended."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self._lock = threading.Lock()

    def note(self, fact: Fact) -> None:
        """It has ended."""
        fact.ended = time.monotonic()
        with self._lock:
            self.facts.append(fact)

    def of(self, *kinds: str) -> list[Fact]:
        """The facts of these kinds."""
        return [fact for fact in self.facts if fact.kind in kinds]

    def counts(self, since: int = 0) -> Counter[str]:
        """How many ended how, from the fact with this number on."""
        return Counter(fact.outcome for fact in self.facts[since:])
