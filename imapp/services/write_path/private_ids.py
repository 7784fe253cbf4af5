"""The ids of private conversations by pair of users, in memory: a send then needs no query for the id."""

from collections import OrderedDict

from imapp.node import current_node

#: Pairs that are kept; beyond, the pair that was added first is dropped and costs a query again.
_PAIRS_MAX = 50_000


class PrivateIds:
    """The ids that this node has looked up."""

    def __init__(self) -> None:
        self._ids: OrderedDict[tuple[int, int], int] = OrderedDict()

    def get(self, user_id: int, other_id: int) -> int | None:
        """Return the id of the conversation of two users; None if it is not known here."""
        return self._ids.get(_pair(user_id, other_id))

    def add(self, user_id: int, other_id: int, conversation_id: int) -> None:
        """Keep the id."""
        self._ids[_pair(user_id, other_id)] = conversation_id
        if len(self._ids) > _PAIRS_MAX:
            self._ids.popitem(last=False)

    def forget(self, user_id: int, other_id: int) -> None:
        """Drop the id: a restored backup has given the pair another conversation."""
        self._ids.pop(_pair(user_id, other_id), None)


def private_ids() -> PrivateIds:
    """Return the ids that the current node knows."""
    return current_node().part_or(PrivateIds, PrivateIds)


def _pair(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)
