"""Clocks: a token that one node has issued must be neither expired nor issued in the future on another node."""

import time

from sqlalchemy import text

from imapp.cluster import redis
from imapp.doctor.context import Context
from imapp.doctor.finding import Finding, fail, ok, skip, warn
from imapp.doctor.nodes import examination
from imapp.extensions import db

#: Seconds of difference above which a check warns, and above which it fails (services/accounts/tokens.py tolerates 5).
WARN_SECONDS, FAIL_SECONDS = 1.0, 5.0


def judge(ahead: dict[str, float]) -> Finding:
    """Judge by how many seconds each clock is ahead of this machine's clock."""
    words = ", ".join(f"{name} {seconds:+.2f} s" for name, seconds in ahead.items())
    worst = max(map(abs, ahead.values()))
    if worst <= WARN_SECONDS:
        return ok(words)
    make = fail if worst > FAIL_SECONDS else warn
    return make(words, "Synchronise all clocks with NTP: above 5 s of difference tokens are refused.", "timedatectl")


def of_nodes(context: Context) -> Finding:
    """Compare the nodes' clocks with this machine's."""
    if context.settings.redis_url is None:
        return skip("REDIS_URL is unset: this is a single node")
    answers = context.once(examination).answers
    if not answers:
        return skip("no node answered")
    return judge({one.facts["id"]: one.ahead_seconds for one in answers})


def of_redis(context: Context) -> Finding:
    """Compare Redis' clock, by which leases expire, with this machine's."""
    if context.settings.redis_url is None:
        return skip("REDIS_URL is unset")
    client = redis.client()
    client.ping()  # connects
    began = time.time()
    answer = client.time()
    seconds, micros = next(iter(answer.values())) if isinstance(answer, dict) else answer
    return judge({"Redis": seconds + micros / 1e6 - (began + time.time()) / 2})


def of_database(_context: Context) -> Finding:
    """Compare the database's clock with this machine's."""
    if db.engine.dialect.name == "sqlite":
        return skip("SQLite has no clock of its own")
    with db.engine.connect() as connection:
        began = time.time()
        # Not UNIX_TIMESTAMP(): it depends on the session's time zone, which the check database.zone covers.
        there = connection.scalar(
            text("SELECT TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', UTC_TIMESTAMP(6))")
        )
    return judge({"the database": int(there or 0) / 1e6 - (began + time.time()) / 2})


CHECKS = {"clocks.nodes": of_nodes, "clocks.redis": of_redis, "clocks.database": of_database}
