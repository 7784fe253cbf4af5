"""Faults of Redis, of the database, and of the connections to them; leaving the context ends a fault."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pymysql
import requests

from bench.alerts.field import Field
from bench.alerts.means import preferred, repeated, running
from tests.support.proxy import Proxy


@contextmanager
def redis_killed(field: Field) -> Iterator[None]:
    field.redis.kill()
    yield
    field.redis.start()


@contextmanager
def slow_way_to_redis(field: Field) -> Iterator[None]:
    """Limit a connection to 2 MB/s, less than one node publishes."""
    proxy = Proxy(field.redis.port, receive_buffer=65_536)
    field.again(2, REDIS_URL=f"redis://127.0.0.1:{proxy.port}", IM_BUS_QUEUE_MAX_BYTES="1048576")
    field.reconnect()
    proxy.delay = 0.03
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "im", "bench", "--url", field.nodes[1].url]
    command += ["--users-file", str(field.tokens), "--connections", "100", "--rate", "750", "--text-bytes", "4000"]
    with running([*command, "--seconds", "600"], field.nodes[1].environ):
        yield
    field.again(2, REDIS_URL=field.redis.url, IM_BUS_QUEUE_MAX_BYTES="16777216")
    proxy.close()
    field.reconnect()


@contextmanager
def subscriptions_cut(field: Field) -> Iterator[None]:
    with field.redis.client() as client:
        for _ in range(6):
            client.client_kill_filter(_type="pubsub")
            time.sleep(4)
    yield


@contextmanager
def stranger_on_the_bus(field: Field) -> Iterator[None]:
    with field.redis.client() as client:
        client.publish("drill:all", "not signed by anybody")
    yield


@contextmanager
def presence_deleted(field: Field) -> Iterator[None]:
    """Delete a node's keys repeatedly; a single deletion is corrected within a heartbeat."""
    with field.redis.client() as client, repeated(0.2, lambda: client.delete("{drill}:conns:node-1")):
        yield


@contextmanager
def slow_way_to_the_database(field: Field) -> Iterator[None]:
    field.to_database.delay = 0.4
    yield
    field.to_database.delay = 0.0


@contextmanager
def database_frozen(field: Field) -> Iterator[None]:
    field.again(1, IM_COMMITTER_QUEUE_MAX="10")
    field.reconnect()
    time.sleep(5)
    field.mariadb.freeze()
    yield
    field.mariadb.thaw()
    field.again(1, IM_COMMITTER_QUEUE_MAX="10000")
    field.reconnect()


@contextmanager
def database_killed(field: Field) -> Iterator[None]:
    field.mariadb.kill()
    yield
    field.mariadb.start()


@contextmanager
def rows_locked(field: Field) -> Iterator[None]:
    """Lock the conversations by long transactions of another client, for longer than the lock timeout (3 s)."""
    ended = threading.Event()

    def hold() -> None:
        link = pymysql.connect(
            host="127.0.0.1", port=field.mariadb.port, user="root", database=field.database, autocommit=False
        )
        with link, link.cursor() as cursor:
            while not ended.is_set():
                with suppress(pymysql.err.OperationalError):
                    cursor.execute("SELECT id FROM conversations FOR UPDATE")
                    time.sleep(5)
                link.rollback()

    thread = threading.Thread(target=hold)
    thread.start()
    yield
    ended.set()
    thread.join()


@contextmanager
def conversations_locked(field: Field) -> Iterator[None]:
    """Pile up requests behind a locked table, each with its connection and its greenlet."""
    token = field.tokens.read_text().split()[0]
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            with suppress(requests.RequestException):
                requests.get(
                    field.nodes[0].url + "/api/conversations", headers={"Authorization": f"Bearer {token}"}, timeout=30
                )

    with ThreadPoolExecutor(300) as pool, field.mariadb.locked(f"{field.database}.conversations"):
        for _ in range(300):
            pool.submit(ask)
        yield
        ended.set()


@contextmanager
def few_database_connections(field: Field) -> Iterator[None]:
    used = len(field.mariadb.connections()) + 2
    field.mariadb.query(f"SET GLOBAL max_connections = {max(10, int(used * 1.1))}")
    yield
    field.mariadb.query("SET GLOBAL max_connections = 151")


@contextmanager
def few_redis_clients(field: Field) -> Iterator[None]:
    with field.redis.client() as client:
        client.config_set("maxclients", int(client.info("clients")["connected_clients"] * 1.1) + 1)
        yield
        client.config_set("maxclients", 10_000)


@contextmanager
def little_redis_memory(field: Field) -> Iterator[None]:
    with field.redis.client() as client:
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.15))
        yield
        client.config_set("maxmemory", "200mb")


@contextmanager
def busy_redis(field: Field) -> Iterator[None]:
    command = [
        "redis-benchmark", "-p", str(field.redis.port), "-n", "100000000", "-q", "-c", "4",
        "eval", "local sum = 0 for i = 1, 200000 do sum = sum + i end return sum", "0",
    ]  # fmt: skip
    with preferred(field.redis.process.pid), running(command):
        yield


@contextmanager
def exporter_gone(field: Field) -> Iterator[None]:
    os.kill(field.exporters[0].pid, signal.SIGSTOP)
    yield
    os.kill(field.exporters[0].pid, signal.SIGCONT)
