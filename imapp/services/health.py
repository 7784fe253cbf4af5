"""Is this node fit to serve? Every answer comes within PROBE_SECONDS, whatever the database does."""

import shutil
import threading
import time
from concurrent.futures import Future
from pathlib import Path

from flask import current_app
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from imapp.cluster import bus, redis
from imapp.cluster.address import parse
from imapp.extensions import db, settings
from imapp.logs import get_logger
from imapp.schemas.health import ComponentHealth, HealthOut, Status

log = get_logger(__name__)

#: How long the database may take to answer before it counts as down.
PROBE_SECONDS = 2.0

#: Bytes of free disk below which a node is not fit: the embedded database and the logs need some.
MIN_FREE_BYTES = 50 * 1024 * 1024


def check() -> HealthOut:
    """Look at everything that the node needs."""
    return _health(
        {
            "diskSpace": _disk(),
            "ping": ComponentHealth(status="UP"),
            "redis": _redis(),
            "db": _database(),
            "bus": _bus(),
        }
    )


def check_readiness() -> HealthOut:
    """Look at what decides whether requests should come to this node."""
    return _health({"diskSpace": _disk(), "db": _database(), "bus": _bus(), "drain": _drain()})


def _health(components: dict[str, ComponentHealth]) -> HealthOut:
    is_up = all(component.status == "UP" for component in components.values())
    return HealthOut(status="UP" if is_up else "DOWN", components=components)


def _disk() -> ComponentHealth:
    folder = settings.data_dir if settings.data_dir.exists() else Path.cwd()
    usage = shutil.disk_usage(folder)
    details = {"total": usage.total, "free": usage.free, "threshold": MIN_FREE_BYTES}
    return ComponentHealth(status="UP" if usage.free >= MIN_FREE_BYTES else "DOWN", details=details)


def _redis() -> ComponentHealth:
    client = redis.client()
    if client is None:
        return ComponentHealth(status="UP", details={"mode": "single-node", "configured": False})
    mode = parse(str(settings.redis_url)).kind
    began = time.monotonic()
    try:
        client.ping()
    except redis.RedisError as exc:
        return ComponentHealth(status="DOWN", details={"mode": mode, "error": type(exc).__name__})
    latency = round(1000 * (time.monotonic() - began), 2)
    return ComponentHealth(status="UP", details={"mode": mode, "latency_ms": latency})


def _database() -> ComponentHealth:
    probe: _Probe = current_app.extensions.setdefault("imapp.database_probe", _Probe())
    status: Status = "UP" if probe.answers(db.engine) else "DOWN"
    return ComponentHealth(status=status, details={"database": db.engine.dialect.name})


def _bus() -> ComponentHealth:
    """Whether this node hears the others."""
    is_up = bus.is_up()
    status: Status = "UP" if is_up or settings.ready_without_redis else "DOWN"
    return ComponentHealth(status=status, details={"hears_itself": is_up})


def _drain() -> ComponentHealth:
    """A node that goes away is to get nothing new."""
    is_draining = bool(current_app.extensions.get("imapp.draining"))
    return ComponentHealth(status="DOWN" if is_draining else "UP", details={"draining": is_draining})


class _Probe:
    """One question to the database at a time: while one hangs, others would only take its connections."""

    def __init__(self) -> None:
        self._turn = threading.Lock()

    def answers(self, engine: Engine) -> bool:
        """Tell whether the database answers in time; it is asked in a thread, which may outlast the asker."""
        if not self._turn.acquire(timeout=PROBE_SECONDS):
            return False
        answer: Future[bool] = Future()
        threading.Thread(target=self._ask, args=(engine, answer), daemon=True).start()
        try:
            return answer.result(PROBE_SECONDS)
        except TimeoutError:
            return False

    def _ask(self, engine: Engine, answer: "Future[bool]") -> None:
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
            answer.set_result(True)
        except SQLAlchemyError as exc:
            log.warning("database_away", error=type(exc).__name__)
            answer.set_result(False)
        finally:
            self._turn.release()
