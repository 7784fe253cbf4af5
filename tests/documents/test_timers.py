"""The manual's timers, which bound how long a device may be wrong, equal those of the program in both languages."""

import re

import pytest

from imapp.cluster.bus import bus, pubsub_connection
from imapp.cluster.registry import heartbeat
from imapp.database import engines, transactions
from imapp.realtime import reconciliation
from imapp.settings import Settings
from tests.support.server import ROOT

SETTINGS = Settings(secret_key="k" * 32)
PATIENCE = transactions.patience(SETTINGS)
BEAT = SETTINGS.node_lease_seconds / heartbeat._BEATS
LOOK = SETTINGS.reconcile_seconds, reconciliation._TICK_SECONDS, reconciliation.GRACE_SECONDS
CUT_OFF = int(re.search(r"idle_transaction_timeout = (\d+)", engines._SESSION).group(1))

#: In the order of the tables: the setting, or "" if there is none, and the seconds.
TIMERS = [
    ("IM_RECONCILE_SECONDS", LOOK[0]),
    ("", LOOK[1]),
    ("", LOOK[2]),
    ("", pubsub_connection.CANARY_SECONDS),
    ("", pubsub_connection.DEAF_SECONDS),
    ("", pubsub_connection.IO_SECONDS),
    ("", pubsub_connection._RETRY_SECONDS),
    ("", bus.SETTLE_SECONDS),
    ("IM_NODE_LEASE_SECONDS", SETTINGS.node_lease_seconds),
    ("", BEAT),
    ("", heartbeat._TICK_SECONDS),
    ("", BEAT * heartbeat._COMPARE_BEATS),
    ("IM_PING_INTERVAL_SECONDS", SETTINGS.ping_interval_seconds),
    ("IM_PING_TIMEOUT_SECONDS", SETTINGS.ping_timeout_seconds),
    ("IM_SLOW_CLIENT_SECONDS", SETTINGS.slow_client_seconds),
    ("IM_DB_CONNECT_TIMEOUT_SECONDS", SETTINGS.db_connect_timeout_seconds),
    ("IM_DB_READ_TIMEOUT_SECONDS", SETTINGS.db_read_timeout_seconds),
    ("IM_DB_WRITE_TIMEOUT_SECONDS", SETTINGS.db_write_timeout_seconds),
    ("", PATIENCE),
    ("", CUT_OFF),
]

SUMS = [
    sum(LOOK),
    SETTINGS.node_lease_seconds + heartbeat._TICK_SECONDS + LOOK[1] + LOOK[2],
    round(
        pubsub_connection.DEAF_SECONDS
        + pubsub_connection.IO_SECONDS
        + pubsub_connection._RETRY_SECONDS
        + pubsub_connection.CANARY_SECONDS
    ),
    SETTINGS.ping_interval_seconds + SETTINGS.ping_timeout_seconds,
    CUT_OFF + sum(LOOK),
]


def tables(name: str, heading: str) -> list[list[list[str]]]:
    """Return the cells of the two tables below a heading."""
    part = (ROOT / name).read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()[2:]]
        for block in re.findall(r"(?:^\|.*\n)+", part, re.MULTILINE)
    ]


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("docs/operations.md", "How long a device may be wrong"),
        ("docs/operations.zh-CN.md", "设备的数据可能落后多久"),
    ],
)
def test_the_manuals_timers_and_their_sums_match_the_program(name, heading):
    timers, sums = tables(name, heading)

    assert [(row[2].strip("`"), float(row[1])) for row in timers] == [(name, float(value)) for name, value in TIMERS]
    assert [float(row[1]) for row in sums] == [float(value) for value in SUMS]
