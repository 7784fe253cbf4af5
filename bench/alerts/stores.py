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

from bench.alerts.means import preferred, repeated, running
from bench.alerts.testbed import Testbed
from tests.support.proxy import Proxy


@contextmanager
def redis_killed(testbed: Testbed) -> Iterator[None]:
    testbed.redis.kill()
    yield
    testbed.redis.start()


@contextmanager
def slow_way_to_redis(testbed: Testbed) -> Iterator[None]:
    """Limit a connection to 2 MB/s, less than one node publishes."""
    proxy = Proxy(testbed.redis.port, receive_buffer=65_536)
    testbed.again(2, REDIS_URL=f"redis://127.0.0.1:{proxy.port}", IM_BUS_QUEUE_MAX_BYTES="1048576")
    testbed.reconnect()
    proxy.delay = 0.03
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "im", "bench", "--url", testbed.nodes[1].url]
    command += ["--users-file", str(testbed.tokens), "--connections", "100", "--rate", "750", "--text-bytes", "4000"]
    with running([*command, "--seconds", "600"], testbed.nodes[1].environ):
        yield
    testbed.again(2, REDIS_URL=testbed.redis.url, IM_BUS_QUEUE_MAX_BYTES="16777216")
    proxy.close()
    testbed.reconnect()


@contextmanager
def subscriptions_cut(testbed: Testbed) -> Iterator[None]:
    with testbed.redis.client() as client:
        for _ in range(6):
            client.client_kill_filter(_type="pubsub")
            time.sleep(4)
    yield


@contextmanager
def stranger_on_the_bus(testbed: Testbed) -> Iterator[None]:
    with testbed.redis.client() as client:
        client.publish("drill:all", "not signed by anybody")
    yield


@contextmanager
def presence_deleted(testbed: Testbed) -> Iterator[None]:
    """Delete a node's keys repeatedly; a single deletion is corrected within a heartbeat."""
    with testbed.redis.client() as client, repeated(0.2, lambda: client.delete("{drill}:conns:node-1")):
        yield


@contextmanager
def slow_way_to_the_database(testbed: Testbed) -> Iterator[None]:
    testbed.to_database.delay = 0.4
    yield
    testbed.to_database.delay = 0.0


@contextmanager
def database_frozen(testbed: Testbed) -> Iterator[None]:
    testbed.again(1, IM_COMMITTER_QUEUE_MAX="10")
    testbed.reconnect()
    time.sleep(5)
    testbed.mariadb.freeze()
    yield
    testbed.mariadb.thaw()
    testbed.again(1, IM_COMMITTER_QUEUE_MAX="10000")
    testbed.reconnect()


@contextmanager
def database_killed(testbed: Testbed) -> Iterator[None]:
    testbed.mariadb.kill()
    yield
    testbed.mariadb.start()


@contextmanager
def rows_locked(testbed: Testbed) -> Iterator[None]:
    """Lock the conversations by long transactions of another client, for longer than the lock timeout (3 s)."""
    ended = threading.Event()

    def hold() -> None:
        link = pymysql.connect(
            host="127.0.0.1", port=testbed.mariadb.port, user="root", database=testbed.database, autocommit=False
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
def conversations_locked(testbed: Testbed) -> Iterator[None]:
    """Pile up requests behind a locked table, each with its connection and its greenlet."""
    token = testbed.tokens.read_text().split()[0]
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            with suppress(requests.RequestException):
                requests.get(
                    testbed.nodes[0].url + "/api/conversations",
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=30,
                )

    with ThreadPoolExecutor(300) as pool, testbed.mariadb.locked(f"{testbed.database}.conversations"):
        for _ in range(300):
            pool.submit(ask)
        yield
        ended.set()


@contextmanager
def few_database_connections(testbed: Testbed) -> Iterator[None]:
    used = len(testbed.mariadb.connections()) + 2
    testbed.mariadb.query(f"SET GLOBAL max_connections = {max(10, int(used * 1.1))}")
    yield
    testbed.mariadb.query("SET GLOBAL max_connections = 151")


@contextmanager
def few_redis_clients(testbed: Testbed) -> Iterator[None]:
    with testbed.redis.client() as client:
        client.config_set("maxclients", int(client.info("clients")["connected_clients"] * 1.1) + 1)
        yield
        client.config_set("maxclients", 10_000)


@contextmanager
def little_redis_memory(testbed: Testbed) -> Iterator[None]:
    with testbed.redis.client() as client:
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.15))
        yield
        client.config_set("maxmemory", "200mb")


@contextmanager
def busy_redis(testbed: Testbed) -> Iterator[None]:
    command = [
        "redis-benchmark", "-p", str(testbed.redis.port), "-n", "100000000", "-q", "-c", "4",
        "eval", "local sum = 0 for i = 1, 200000 do sum = sum + i end return sum", "0",
    ]  # fmt: skip
    with preferred(testbed.redis.process.pid), running(command):
        yield


@contextmanager
def exporter_gone(testbed: Testbed) -> Iterator[None]:
    os.kill(testbed.exporters[0].pid, signal.SIGSTOP)
    yield
    os.kill(testbed.exporters[0].pid, signal.SIGCONT)
