"""Health and readiness of this node. Every check ends within PROBE_SECONDS, even if the database or Redis hangs."""

import shutil
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flask import Flask, current_app

from imapp.cluster import redis
from imapp.cluster.bus import bus
from imapp.cluster.redis_url import parse
from imapp.extensions import db, settings
from imapp.logs import get_logger
from imapp.node import current_node, node_of
from imapp.schemas.health import ComponentHealth, HealthOut, Status
from imapp.services.operations.database_health import DatabaseLook
from imapp.services.operations.health_probe import Probe, answer_of
from imapp.services.write_path import committer
from imapp.telemetry import metrics

log = get_logger(__name__)

#: Seconds that all probes together may take. A component that has not answered by then counts as DOWN.
PROBE_SECONDS = 2.0

#: Seconds that a write may wait for its commit before the write path counts as DOWN. It also counts as DOWN for this
#: long after a failed commit, unless another commit succeeds.
WRITE_SECONDS = 10.0

#: Milliseconds after which the key that the probe writes to Redis expires.
_PROBE_KEY_MS = 10_000


class _Probes:
    """The probes that may hang."""

    def __init__(self, app: Flask) -> None:
        self.database_look = DatabaseLook(db.engine)
        self.database = Probe(self.database_look.look)
        self.redis = Probe(lambda: _check_redis(app))


def check() -> HealthOut:
    """Check everything that the node needs."""
    probes, deadline = _probes(), time.monotonic() + PROBE_SECONDS
    checks = probes.redis.begin(), probes.database.begin()  # both start before the first wait
    found_redis = _answer(checks[0], deadline, mode=_redis_mode())
    found_database = _answer(checks[1], deadline, database=db.engine.dialect.name)
    return _health(
        {
            "diskSpace": _disk(),
            "ping": ComponentHealth(status="UP"),
            "redis": found_redis,
            "db": found_database,
            "bus": _bus(),
            "writePath": _write_path(),
            "migrations": probes.database_look.migrations,
        }
    )


def check_readiness() -> HealthOut:
    """Check the components that decide whether requests should be sent to this node."""
    probes, deadline = _probes(), time.monotonic() + PROBE_SECONDS
    return _health(
        {
            "diskSpace": _disk(),
            "db": _answer(probes.database.begin(), deadline, database=db.engine.dialect.name),
            "bus": _bus(),
            "writePath": _write_path(),
            "migrations": probes.database_look.migrations,
            "drain": _drain(),
        }
    )


def measure() -> None:
    """Set the health metrics from a readiness check."""
    found = check_readiness()
    disk = found.components["diskSpace"].details
    metrics.READY.set(found.status == "UP")
    metrics.DISK_FREE.set(disk["free"])  # type: ignore[arg-type]  # JSON; these are numbers
    metrics.DISK_THRESHOLD.set(settings.disk_threshold_bytes)


def _probes() -> _Probes:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # a proxy
    return current_node().part_or(_Probes, lambda: _Probes(app))


def _health(components: dict[str, ComponentHealth]) -> HealthOut:
    is_up = all(component.status == "UP" for component in components.values())
    return HealthOut(status="UP" if is_up else "DOWN", components=components)


def _answer(pending: "Future[ComponentHealth]", deadline: float, **known: str) -> ComponentHealth:
    """Return the probe's result; DOWN if it does not end before the deadline or raises an unexpected error."""
    try:
        return answer_of(pending, deadline) or _down("TimeoutError", **known)
    except Exception as exc:
        log.exception("health_check_failed")
        return _down(type(exc).__name__, **known)


def _down(error: str, **known: str) -> ComponentHealth:
    return ComponentHealth(status="DOWN", details={**known, "error": error})


def _disk() -> ComponentHealth:
    folder = settings.data_dir if settings.data_dir.exists() else Path.cwd()
    threshold = settings.disk_threshold_bytes
    try:
        usage = shutil.disk_usage(folder)
    except OSError as exc:
        return ComponentHealth(status="DOWN", details={"error": type(exc).__name__, "free": 0, "threshold": threshold})
    details = {"total": usage.total, "free": usage.free, "threshold": threshold}
    return ComponentHealth(status="UP" if usage.free >= threshold else "DOWN", details=details)


def _check_redis(app: Flask) -> ComponentHealth:
    if node_of(app).settings.redis_url is None:
        return ComponentHealth(status="UP", details={"mode": "single-node", "configured": False})
    with app.app_context():
        mode, name, node_id = _redis_mode(), settings.cluster_name, settings.node_id
    client = redis.client_of(app)
    began = time.monotonic()
    try:
        client.ping()
        # A Redis that is out of memory or disk answers PING but refuses writes. Each node then has only its own
        # presence and limits.
        client.set(f"{{{name}}}:probe:{node_id}", "1", px=_PROBE_KEY_MS)
        latency = round(1000 * (time.monotonic() - began), 2)
        version = _redis_version(client)
    except redis.RedisError as exc:
        return _down(type(exc).__name__, mode=mode)
    return ComponentHealth(status="UP", details={"mode": mode, "version": version, "latency_ms": latency})


def _redis_mode() -> str:
    return "single-node" if settings.redis_url is None else str(parse(settings.redis_url).kind)


def _redis_version(client: Any) -> str | None:
    """Return the version of Redis, or None if this account may not run INFO."""
    with suppress(redis.ResponseError):
        told = client.info("server")
        # The client of a Redis Cluster may return an answer for each server.
        return str((told if "redis_version" in told else next(iter(told.values())))["redis_version"])
    return None


def _bus() -> ComponentHealth:
    """Return DOWN while this node does not hear itself over the bus, unless it may be ready without Redis."""
    is_up = bus.is_up()
    status: Status = "UP" if is_up or settings.ready_without_redis else "DOWN"
    return ComponentHealth(status=status, details={"hears_itself": is_up})


def _write_path() -> ComponentHealth:
    """Check that writes get committed: a database may answer queries and yet accept no write."""
    queue = committer.current().state()
    is_failing = queue.failed_seconds_ago is not None and queue.failed_seconds_ago < WRITE_SECONDS
    is_stuck = queue.waiting >= queue.most or queue.oldest_seconds > WRITE_SECONDS
    return ComponentHealth(status="DOWN" if is_failing or is_stuck else "UP", details=asdict(queue))


def _drain() -> ComponentHealth:
    """Return DOWN while the node drains: it must not get new requests."""
    is_draining = current_node().is_draining
    return ComponentHealth(status="DOWN" if is_draining else "UP", details={"draining": is_draining})
