"""Faults of MariaDB: killed, frozen, cutting connections, contended, cut off from a node during a transaction."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.drills.crowd import Shape
from tests.drills.drill import Drill
from tests.drills.people import Sender
from tests.drills.testbed import Plan, Testbed
from tests.support.commits import CommitLoser
from tests.support.ports import wait_for

#: Error codes that a sender may get while the database is away; "" is a missing ack.
_AWAY = ("busy", "unavailable", "")

#: Seconds for which a node is cut off, and within which the database must have ended the node's open transaction.
_PARTED_SECONDS, _FREE_SECONDS = 90, 35


def _kill(testbed: Testbed) -> str:
    with testbed.fault():
        testbed.mariadb.kill()
        time.sleep(3)
        testbed.mariadb.start()
    return testbed.troubles(*_AWAY)


def _freeze(seconds: float) -> Callable[[Testbed], str]:
    """Freeze MariaDB: nothing may be acknowledged meanwhile, and sends that exceed a timeout get an error."""

    def inject(testbed: Testbed) -> str:
        workers = [node.worker for node in testbed.nodes]
        with testbed.fault():
            testbed.mariadb.freeze()
            frozen_at = time.monotonic()
            time.sleep(seconds)
            # A message committed just before may be acknowledged a moment later.
            acked = sum(at > frozen_at + 1 for one in testbed.crowd.senders for at in list(one.acked_at.values()))
            testbed.mariadb.thaw()
        assert workers == [node.worker for node in testbed.nodes], "a worker died"
        assert not acked, f"{acked} messages were acknowledged by a frozen database"
        return f"no ack while it was frozen, {testbed.troubles(*_AWAY) or 'every send waited'}"

    return inject


def _cut_connections(testbed: Testbed) -> str:
    cut = 0
    with testbed.fault():
        for _ in range(50):
            cut += testbed.mariadb.cut_connections()
            time.sleep(0.1)
    return f"{cut} connections cut" if cut > 50 else ""


def _rename(testbed: Testbed) -> str:
    """Rename the group while fifty members write to it: each rename is a change and a system message."""
    group = testbed.crowd.senders[0].conversation_id
    headers = {"Authorization": f"Bearer {testbed.token}"}

    def rename(number: int) -> bool:
        url = f"{testbed.nodes[number % len(testbed.nodes)].url}/api/groups/{group}"
        return requests.patch(url, json={"name": f"name {number}"}, headers=headers, timeout=20).ok

    with testbed.fault(), ThreadPoolExecutor(4) as pool:
        done = list(pool.map(rename, range(60)))
    retries = sum(testbed.metric(node, "imapp_database_retries_total") for node in testbed.nodes)
    return f"{sum(done)} of {len(done)} renames done, {retries:.0f} transactions repeated" if all(done) else ""


def _put_far(testbed: Testbed) -> None:
    """Give the second node a proxy of its own to MariaDB."""
    way = testbed.way = CommitLoser(testbed.mariadb.port)
    testbed.at_end(way.close)
    url = testbed.database_url.replace(f":{testbed.mariadb.port}/", f":{way.port}/")
    testbed.environs["node-2"]["DATABASE_URL"] = url


def _part(testbed: Testbed) -> str:
    """Cut a node off during a transaction: only that transaction's conversations are locked, and not for long."""
    healthy = [one for one in testbed.crowd.senders if one.node and one.node != "node-2"]
    with testbed.fault():
        testbed.way.part_at_next()
        wait_for(lambda: testbed.way.is_silent, what="a transaction of the second node")
        parted_at = time.monotonic()
        locked = _locked(testbed)
        time.sleep(1)
        locked &= _locked(testbed)
        assert locked, "no transaction was open"
        wait_for(lambda: not _locked(testbed) & locked, what="the end of the transaction")
        freed_after = time.monotonic() - parted_at
        time.sleep(max(0.0, parted_at + _PARTED_SECONDS - time.monotonic()))
        waits = sorted(_waits(testbed, healthy, locked, parted_at))
        testbed.way.is_silent = False
        testbed.way.cut()
    p99 = waits[len(waits) * 99 // 100]
    told = f"{len(locked)} locked, free after {freed_after:.1f} s; {len(waits)} acks elsewhere, p99 {p99:.2f} s"
    assert freed_after < _FREE_SECONDS, told
    assert p99 < 1, told
    return f"{told}, slowest {waits[-1]:.2f} s"


def _locked(testbed: Testbed) -> set[int]:
    """Return the ids of the conversations that a transaction has locked at this moment."""
    everything = {row[0] for row in testbed.rows("SELECT id FROM conversations")}
    return everything - {row[0] for row in testbed.rows("SELECT id FROM conversations FOR UPDATE SKIP LOCKED")}


def _waits(testbed: Testbed, senders: list[Sender], locked: set[int], since: float) -> Iterator[float]:
    """Yield the seconds from send to ack for each message sent after `since` to a conversation that is not locked."""
    for sender in senders:
        if sender.conversation_id in locked:
            continue
        for client_id, acked_at in list(sender.acked_at.items()):
            if testbed.crowd.state.sent_at[client_id] > since:
                yield acked_at - testbed.crowd.state.sent_at[client_id]


_FAR = Plan(prepare=_put_far)

DRILLS = [
    Drill("R8", "MariaDB killed, back after 3 s", _kill),
    Drill("R9-10s", "MariaDB frozen for 10 s", _freeze(10), bound=12),
    Drill("R9-25s", "MariaDB frozen for 25 s", _freeze(25), bound=12),
    Drill("R10", "every database connection cut, 50 times", _cut_connections),
    Drill("R10-amid", "a node cut off from MariaDB for 90 s, in a transaction", _part, bound=12, plan=_FAR),
    Drill("R11", "50 writers of one conversation, 60 renames", _rename, shape=Shape(1, 50, 12, pause=0.2)),
]
