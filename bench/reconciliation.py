"""Measure the cost of comparing pushed with stored changes: processor time of node and database.

    .venv/bin/python -m bench.reconciliation --users 10000

The product's app runs on MariaDB, with the given numbers of users, groups for each user and members of each group. Each
user has one connection (without a socket). Prints the processor milliseconds of one comparison of everything, and the
share of a core for a comparison every IM_RECONCILE_SECONDS.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.durable_sends import machine
from imapp.cluster.bus import bus
from imapp.extensions import db
from imapp.node import node_of
from imapp.realtime.connections import Connection
from imapp.realtime.reconciliation import Reconciler
from imapp.realtime.server import RealtimeServer
from imapp.services import bench_users
from imapp.services.messaging.membership import conversation_ids_of
from tests.support import apps
from tests.support.mariadb import MariaDb

COMPARISONS = 5
_SLICE = 1000


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect(server, users: list[int]) -> int:
    """Put one connection of each user into its rooms; return the number of conversation rooms."""
    manager = server.manager
    expires_at = datetime.now(UTC) + timedelta(days=1)
    rooms: set[int] = set()
    for start in range(0, len(users), _SLICE):
        part = users[start : start + _SLICE]
        memberships = conversation_ids_of(set(part))
        for user_id in part:
            sid = f"sid-{user_id}"
            manager.basic_enter_room(sid, bus.NAMESPACE, None, f"eio-{user_id}")
            manager.basic_enter_room(sid, bus.NAMESPACE, bus.user_room(user_id))
            for conversation_id in memberships[user_id]:
                manager.basic_enter_room(sid, bus.NAMESPACE, bus.conversation_room(conversation_id))
            server.connections.add(Connection(sid, user_id, user_id, expires_at))
            rooms |= memberships[user_id]
    return len(rooms)


def measure(database: MariaDb, folder: Path, users: int, groups: int, size: int) -> str:
    """Measure one line of the table."""
    url = database.create_database()
    apps.migrate(url, folder)
    app = apps.make_app(url, folder)
    logging.getLogger().setLevel(logging.WARNING)
    with app.app_context():
        lines = bench_users.load(users, users * groups // size, size)
        server = node_of(app).part(RealtimeServer)
        rooms = connect(server, [int(line.split()[1]) for line in lines])
        db.session.remove()
        reconciler = Reconciler(server, server.manager.told)
        began = time.process_time()
        reconciler.record_baselines()  # the first comparison of the new connections
        recorded = time.process_time() - began
        reconciler.compare()  # warm up: loads the tables into memory
        assert database.process is not None
        before = time.process_time(), processor_seconds(database.process.pid), time.monotonic()
        for _ in range(COMPARISONS):
            reconciler.compare()
        after = time.process_time(), processor_seconds(database.process.pid), time.monotonic()
        node, stored, took = ((late - early) / COMPARISONS for early, late in zip(before, after, strict=True))
        seconds = node_of(app).settings.reconcile_seconds
    apps.close_app(app)
    return (
        f"| {users} | {groups} | {size} | {rooms} | {recorded * 1000:.0f} | {node * 1000:.0f} | {stored * 1000:.0f} "
        f"| {took * 1000:.0f} | {node / seconds:.2%} | {stored / seconds:.2%} |\n"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=10_000)
    options = parser.parse_args()
    out = sys.stdout
    with tempfile.TemporaryDirectory(prefix="imapp-reconciliation-") as folder:
        database = MariaDb(Path(folder) / "mariadb")
        try:
            out.write(
                "| users | groups each | members | conversations | first, ms | node, ms | database, ms | took, ms |"
            )
            out.write(" node, of a core | database, of a core |\n|---|---|---|---|---|---|---|---|---|---|\n")
            for groups, size in ((1, 50), (15, 50), (15, 3)):
                out.write(measure(database, Path(folder) / f"{groups}-{size}", options.users, groups, size))
                out.flush()
        finally:
            database.stop()
    out.write(f"\nMachine: {machine()}\n")


if __name__ == "__main__":
    main()
