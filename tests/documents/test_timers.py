"""The manual's timers, which bound how long a device may be wrong, equal those of the program in both languages."""

import re

import pytest

from config import Settings
from imapp import database
from imapp.cluster import bus, heart, link
from imapp.realtime import reconciliation
from tests.support.server import ROOT

SETTINGS = Settings(secret_key="k" * 32)
PATIENCE = database.patience(SETTINGS)
BEAT = SETTINGS.node_lease_seconds / heart._BEATS
LOOK = SETTINGS.reconcile_seconds, reconciliation._TICK_SECONDS, reconciliation.GRACE_SECONDS
CUT_OFF = int(re.search(r"idle_transaction_timeout = (\d+)", database._SESSION).group(1))

#: In the order of the tables: the setting, or "" if there is none, and the seconds.
TIMERS = [
    ("IM_RECONCILE_SECONDS", LOOK[0]),
    ("", LOOK[1]),
    ("", LOOK[2]),
    ("", link.CANARY_SECONDS),
    ("", link.DEAF_SECONDS),
    ("", link.IO_SECONDS),
    ("", link._RETRY_SECONDS),
    ("", bus.SETTLE_SECONDS),
    ("IM_NODE_LEASE_SECONDS", SETTINGS.node_lease_seconds),
    ("", BEAT),
    ("", heart._TICK_SECONDS),
    ("", BEAT * heart._COMPARE_BEATS),
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
    SETTINGS.node_lease_seconds + heart._TICK_SECONDS + LOOK[1] + LOOK[2],
    round(link.DEAF_SECONDS + link.IO_SECONDS + link._RETRY_SECONDS + link.CANARY_SECONDS),
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
