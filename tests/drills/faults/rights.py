"""Rights that end while people are connected: by a log-out or a removal from a group, and on every node at once."""

import time
from typing import Any

import orjson
import requests

from tests.drills.drill import Drill
from tests.drills.testbed import Plan, Testbed
from tests.support.ports import wait_for


def _as(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _log_out(testbed: Testbed) -> str:
    """Log out thirty sessions at the first node, each with a socket on every node."""
    guests = [guest for node in testbed.nodes for guest in testbed.crowd.invite(node.url, testbed.spare)]
    assert len(guests) == len(testbed.nodes) * len(testbed.spare)
    began = time.monotonic()
    with testbed.fault():
        for token in testbed.spare:
            url = testbed.nodes[0].url + "/api/auth/logout"
            requests.post(url, headers=_as(token), timeout=20).raise_for_status()
        logged_out = time.monotonic()
        wait_for(lambda: all(guest.closed.is_set() for guest in guests), what="the end of all their sockets")
    took = time.monotonic() - logged_out
    return f"{len(guests)} sockets on three nodes closed {took:.1f} s after {logged_out - began:.1f} s of log-outs"


def _remove_and_add(testbed: Testbed) -> str:
    """Add and remove members at all nodes while others write: no member may be pushed a message from their absence."""
    group = testbed.crowd.senders[0].conversation_id
    heard: dict[int, list[tuple[str, dict[str, Any]]]] = {}
    ids = [_id_of(testbed, token) for token in testbed.spare]
    for number, (user_id, token) in enumerate(zip(ids, testbed.spare, strict=True)):
        own = heard.setdefault(user_id, [])
        testbed.crowd.invite(testbed.nodes[number % 3].url, [token], lambda *told, own=own: own.append(told))
    with testbed.fault():
        for turn in range(12):
            url = f"{testbed.nodes[turn % 3].url}/api/groups/{group}/members"
            added = requests.post(url, json={"user_ids": ids}, headers=_as(testbed.token), timeout=20)
            added.raise_for_status()
            time.sleep(0.5)
            for user_id in ids:
                requests.delete(f"{url}/{user_id}", headers=_as(testbed.token), timeout=20).raise_for_status()
            time.sleep(0.5)
    time.sleep(2)
    inside = _times_inside(testbed, group)
    told = {user_id: _changes(events, group) for user_id, events in heard.items()}
    wrong = [(user, one) for user, all_ in told.items() for one in all_ if not _is_within(one, inside.get(user, []))]
    count = sum(map(len, told.values()))
    testbed.crowd.dismiss()
    assert not wrong, f"pushed during the absence from the group: {wrong[:3]}"
    return f"{12 * len(ids)} removals, {count} pushes to these members, none from their absence" * bool(count)


def _id_of(testbed: Testbed, token: str) -> int:
    return requests.get(testbed.nodes[0].url + "/api/users/me", headers=_as(token), timeout=20).json()["id"]


def _changes(events: list[tuple[str, dict[str, Any]]], group: int) -> list[int]:
    """Return the change numbers of the pushed messages of the group."""
    messages = [payload["message"] for event, payload in events if event == "message_created"]
    return [message["change"] for message in messages if message["conversation_id"] == group]


def _is_within(change: int, times: list[tuple[int, int]]) -> bool:
    return any(first <= change <= last for first, last in times)


def _times_inside(testbed: Testbed, group: int) -> dict[int, list[tuple[int, int]]]:
    """Return, for each user, the first and last change of each membership, as stored in the database."""
    rows = testbed.rows(f"SELECT `change`, event, data FROM changes WHERE conversation_id = {group} ORDER BY `change`")
    since: dict[int, int] = {}
    times: dict[int, list[tuple[int, int]]] = {}
    for change, event, data in rows:
        if event == "members_added":
            since |= dict.fromkeys(orjson.loads(data)["user_ids"], change)
        elif event == "member_removed":
            user_id = orjson.loads(data)["user_id"]
            # The system message about the removal follows the removal itself.
            times.setdefault(user_id, []).append((since.pop(user_id), change + 1))
    return times


DRILLS = [
    Drill("S2", "30 sessions logged out, sockets on all nodes", _log_out, plan=Plan(spare=30)),
    Drill("R31", "members removed and added while others write", _remove_and_add, plan=Plan(spare=6)),
]
