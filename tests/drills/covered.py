"""Drills that are tests of the suite already: they run here by name, to have a line in the table."""

import re
import subprocess
import sys
from dataclasses import dataclass

from tests.drills.drill import Result
from tests.support.server import ROOT

#: Timeout in seconds for the tests of one drill.
_SECONDS = 540


@dataclass(frozen=True)
class Covered:
    """A drill and the tests that carry it out."""

    name: str
    injected: str
    tests: tuple[str, ...]


def run(covered: Covered) -> Result:
    """Run the tests; the drill passes if at least one test ran and all passed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *covered.tests]
    result = Result(covered.name, covered.injected)
    try:
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        result.notes.append(f"not done after {_SECONDS} s")
        return result
    summary = ran.stdout.strip().splitlines()[-1] if ran.stdout.strip() else ran.stderr[-300:]
    result.passed = ran.returncode == 0 and re.search(r"\b[1-9]\d* passed", summary) is not None
    result.notes.append(f"{summary.strip('= ')}: {', '.join(covered.tests)}")
    result.notes += [line for line in ran.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))][:3]
    return result


def _in(file: str, *names: str) -> tuple[str, ...]:
    return tuple(f"tests/{file}::{name}" for name in names)


COVERED = [
    Covered(
        "R12", "a change that commits late",
        _in("services/test_sync.py", "test_a_change_that_commits_late_is_not_skipped"),
    ),
    Covered(
        "R13", "database connections exhausted",
        _in("durability/test_database_faults.py", "test_with_too_few_connections_requests_wait_or_get_busy"),
    ),
    Covered(
        "R14", "the database's disk full",
        _in(
            "durability/test_storage.py",
            "test_mariadb_on_a_full_disk_acknowledges_only_stored_messages",
            "test_sqlite_on_a_full_disk_refuses_and_recovers",
        ),
    ),
    Covered(
        "R21", "a reader that pauses, large frames and many",
        _in("durability/test_slow_reader.py", "test_a_reader_that_pauses_gets_every_frame_whole"),
    ),
    Covered(
        "R23", "one client_id at all nodes at once",
        _in("database/test_retry_elsewhere.py", "test_a_message_sent_to_all_nodes_at_once_is_one_message"),
    ),
    Covered(
        "R24", "50 sends pipelined",
        _in("realtime/test_order.py", "test_fifty_pipelined_messages_are_numbered_in_the_order_sent"),
    ),
    Covered("R29", "clocks an hour wrong", ("tests/database/test_clocks.py",)),
    Covered(
        "S9", "log-ins over all nodes, forged addresses",
        _in(
            "deploy/test_nginx_defence.py",
            "test_log_ins_spread_over_the_nodes_are_counted_together",
            "test_forged_address_headers_are_ignored",
        ),
    ),
    Covered(
        "S22", "forged frames on the bus",
        _in("cluster/test_healing.py", "test_a_forged_frame_is_not_passed_on"),
    ),
    Covered(
        "S24", "smuggled requests through nginx",
        _in("deploy/test_nginx_defence.py", "test_smuggled_requests_are_refused"),
    ),
]  # fmt: skip
