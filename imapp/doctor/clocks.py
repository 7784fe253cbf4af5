"""Clocks: a token of one node must be neither expired nor from the future on another."""

import time

from sqlalchemy import text

from imapp.cluster import redis
from imapp.doctor.case import Case
from imapp.doctor.finding import Finding, fail, ok, skip, warn
from imapp.doctor.nodes import examination
from imapp.extensions import db

#: Seconds of difference that are told, and that are too much (tokens.py takes 5).
WARN_SECONDS, FAIL_SECONDS = 1.0, 5.0


def judge(ahead: dict[str, float]) -> Finding:
    """Judge how far each clock is ahead of this machine's."""
    words = ", ".join(f"{name} {seconds:+.2f} s" for name, seconds in ahead.items())
    worst = max(map(abs, ahead.values()))
    if worst <= WARN_SECONDS:
        return ok(words)
    make = fail if worst > FAIL_SECONDS else warn
    return make(words, "Let a time service set all clocks: tokens are refused when they differ by 5 s.", "timedatectl")


def of_nodes(case: Case) -> Finding:
    """The nodes' clocks against this machine's."""
    if case.settings.redis_url is None:
        return skip("REDIS_URL is unset: this node is alone")
    answers = case.once(examination).answers
    if not answers:
        return skip("no node answered")
    return judge({one.facts["id"]: one.ahead_seconds for one in answers})


def of_redis(case: Case) -> Finding:
    """Redis' clock, by which leases end."""
    client = redis.client()
    if client is None:
        return skip("REDIS_URL is unset")
    client.ping()  # connects
    began = time.time()
    answer = client.time()
    seconds, micros = next(iter(answer.values())) if isinstance(answer, dict) else answer
    return judge({"Redis": seconds + micros / 1e6 - (began + time.time()) / 2})


def of_database(_case: Case) -> Finding:
    """The database's clock."""
    if db.engine.dialect.name == "sqlite":
        return skip("SQLite has no clock of its own")
    with db.engine.connect() as connection:
        began = time.time()
        # Not UNIX_TIMESTAMP(): it takes the session's zone into account, which is checked elsewhere.
        there = connection.scalar(
            text("SELECT TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', UTC_TIMESTAMP(6))")
        )
    return judge({"the database": int(there or 0) / 1e6 - (began + time.time()) / 2})


CHECKS = {"clocks.nodes": of_nodes, "clocks.redis": of_redis, "clocks.database": of_database}
