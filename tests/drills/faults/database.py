"""What happens to MariaDB: killed, frozen, cutting connections, crowded."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.drills.crowd import Shape
from tests.drills.drill import Drill
from tests.drills.field import Field

#: What a sender may be told while the database is away.
_AWAY = ("busy", "unavailable", "")


def _kill(field: Field) -> str:
    with field.fault():
        field.mariadb.kill()
        time.sleep(3)
        field.mariadb.start()
    return field.troubles(*_AWAY)


def _freeze(seconds: float) -> Callable[[Field], str]:
    """Nothing may be acknowledged meanwhile; who waits beyond the database's timeouts is told."""

    def inject(field: Field) -> str:
        workers = [node.worker for node in field.nodes]
        with field.fault():
            field.mariadb.freeze()
            frozen_at = time.monotonic()
            time.sleep(seconds)
            # What was committed just before may have been acknowledged a moment later.
            acked = sum(at > frozen_at + 1 for one in field.crowd.senders for at in list(one.acked_at.values()))
            field.mariadb.thaw()
        assert workers == [node.worker for node in field.nodes], "a worker died"
        assert not acked, f"{acked} messages were acknowledged by a frozen database"
        return f"no ack while it was frozen, {field.troubles(*_AWAY) or 'every send waited'}"

    return inject


def _cut_connections(field: Field) -> str:
    cut = 0
    with field.fault():
        for _ in range(50):
            cut += field.mariadb.cut_connections()
            time.sleep(0.1)
    return f"{cut} connections cut" if cut > 50 else ""


def _rename(field: Field) -> str:
    """The owner renames the group while fifty write to it: each name is a change and a line among the messages."""
    group = field.crowd.senders[0].conversation_id
    headers = {"Authorization": f"Bearer {field.token}"}

    def rename(number: int) -> bool:
        url = f"{field.nodes[number % len(field.nodes)].url}/api/groups/{group}"
        return requests.patch(url, json={"name": f"name {number}"}, headers=headers, timeout=20).ok

    with field.fault(), ThreadPoolExecutor(4) as pool:
        done = list(pool.map(rename, range(60)))
    retries = sum(field.metric(node, "imapp_database_retries_total") for node in field.nodes)
    return f"{sum(done)} of {len(done)} renames done, {retries:.0f} transactions repeated" if all(done) else ""


DRILLS = [
    Drill("R8", "MariaDB killed, back after 3 s", _kill),
    Drill("R9-10s", "MariaDB frozen for 10 s", _freeze(10), bound=12),
    Drill("R9-25s", "MariaDB frozen for 25 s", _freeze(25), bound=12),
    Drill("R10", "every database connection cut, 50 times", _cut_connections),
    Drill("R11", "50 writers of one conversation, 60 renames", _rename, shape=Shape(1, 50, 12, pause=0.2)),
]
