"""Records the answers that users got to their operations: the oracle checks the stored state against them."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

#: How an operation ended: done and acknowledged; refused for good; unknown.
ACKED, REFUSED, UNKNOWN = "acked", "refused", "unknown"


@dataclass
class Fact:
    """One operation. `about` names its object; `told` is from the answer."""

    kind: str
    user_id: int
    about: dict[str, Any]
    outcome: str = UNKNOWN
    told: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    began: float = 0.0
    ended: float = 0.0
    #: Number of attempts with an unknown result. After one, an earlier state may come back late.
    doubts: int = 0

    @property
    def is_sure(self) -> bool:
        """Whether the time of the operation is known."""
        return self.outcome == ACKED and not self.doubts


class Ledger:
    """All facts of an environment, in the order in which the operations ended."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self._lock = threading.Lock()

    def note(self, fact: Fact) -> None:
        """Store the fact of an operation that has just ended."""
        fact.ended = time.monotonic()
        with self._lock:
            self.facts.append(fact)

    def of(self, *kinds: str) -> list[Fact]:
        """Return the facts of these kinds."""
        return [fact for fact in self.facts if fact.kind in kinds]

    def counts(self, since: int = 0) -> Counter[str]:
        """Return the number of facts per outcome, from the fact with index `since` on."""
        return Counter(fact.outcome for fact in self.facts[since:])
