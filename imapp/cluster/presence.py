"""Who is online. In-process: single node only.

A user is online while at least one connection is open.
"""

import bisect

#: user_id -> sids of the open connections.
_open: dict[int, set[str]] = {}


def connect(user_id: int, sid: str) -> bool:
    """Note a connection; tells whether the user came online with it."""
    sids = _open.setdefault(user_id, set())
    sids.add(sid)
    return len(sids) == 1


def disconnect(user_id: int, sid: str) -> bool:
    """Forget a connection; tells whether the user went offline with it."""
    sids = _open.get(user_id)
    if sids is None or sid not in sids:
        return False
    sids.discard(sid)
    if sids:
        return False
    del _open[user_id]
    return True


def is_online(user_id: int) -> bool:
    """Tell whether the user has a connection."""
    return user_id in _open


def count() -> int:
    """How many users are online."""
    return len(_open)


def connections() -> int:
    """How many connections are open."""
    return sum(map(len, _open.values()))


def user_ids(after: int = 0, limit: int = 100) -> list[int]:
    """A page of the ids of those online, in order, greater than `after`."""
    ordered = sorted(_open)
    start = bisect.bisect_right(ordered, after)
    return ordered[start : start + limit]


def forget_all() -> None:
    """The node starts: nobody is connected."""
    _open.clear()
