"""Records the answers that users got to their operations: the oracle checks the stored state against them."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

#: How an operation ended: done and acknowledged; refused for good; unknown.
ACKED, REFUSED, UNKNOWN = "acked", "refused", "unknown"


@dataclass
class Operation:
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


class History:
    """All operations of an environment, in the order in which the operations ended."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._lock = threading.Lock()

    def note(self, operation: Operation) -> None:
        """Store an operation that has just ended."""
        operation.ended = time.monotonic()
        with self._lock:
            self.operations.append(operation)

    def of(self, *kinds: str) -> list[Operation]:
        """Return the operations of these kinds."""
        return [operation for operation in self.operations if operation.kind in kinds]

    def counts(self, since: int = 0) -> Counter[str]:
        """Return the number of operations per outcome, from the operation with index `since` on."""
        return Counter(operation.outcome for operation in self.operations[since:])
