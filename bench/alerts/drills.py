"""The faults, each with the alerts that it must fire; leaving the context is its end."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pymysql
import requests

from bench.alerts.field import Field
from bench.sockets import Socket
from imapp.load.frames import frame
from tests.support.proxy import Proxy
from tests.support.server import ROOT


@dataclass(frozen=True)
class Drill:
    """One fault."""

    name: str
    alerts: tuple[str, ...]
    fault: Callable[[Field], AbstractContextManager[None]]


@contextmanager
def _node_killed(field: Field) -> Iterator[None]:
    field.nodes[2].kill()
    yield
    field.nodes[2].start()
    field.crowd.begin_again()


@contextmanager
def _node_restarts(field: Field) -> Iterator[None]:
    for _ in range(4):
        field.nodes[2].kill()
        field.nodes[2].start()
        field.nodes[2].wait_until_ready(60)
        time.sleep(3)
    yield
    field.crowd.begin_again()


@contextmanager
def _crowd_gone(field: Field) -> Iterator[None]:
    field.crowd.rest()
    yield
    field.crowd.come()


@contextmanager
def _redis_killed(field: Field) -> Iterator[None]:
    field.redis.kill()
    yield
    field.redis.start()


@contextmanager
def _slow_way_to_redis(field: Field) -> Iterator[None]:
    """2 MB/s, and one node has more to tell the others."""
    proxy = Proxy(field.redis.port, receive_buffer=65_536)
    field.again(2, REDIS_URL=f"redis://127.0.0.1:{proxy.port}", IM_BUS_QUEUE_MAX_BYTES="1048576")
    field.crowd.begin_again()
    proxy.delay = 0.03
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "im", "bench", "--url", field.nodes[1].url]
    command += ["--users-file", str(field.tokens), "--connections", "100", "--rate", "750", "--text-bytes", "4000"]
    with _running([*command, "--seconds", "600"], field.nodes[1].environ):
        yield
    field.again(2, REDIS_URL=field.redis.url, IM_BUS_QUEUE_MAX_BYTES="16777216")
    proxy.close()
    field.crowd.begin_again()


@contextmanager
def _running(command: list[str], environ: dict[str, str] | None = None) -> Iterator[None]:
    """A load, until the context is left."""
    load = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        load.kill()
        load.wait()


@contextmanager
def _subscriptions_cut(field: Field) -> Iterator[None]:
    with field.redis.client() as client:
        for _ in range(6):
            client.client_kill_filter(_type="pubsub")
            time.sleep(4)
    yield


@contextmanager
def _stranger_on_the_bus(field: Field) -> Iterator[None]:
    with field.redis.client() as client:
        client.publish("drill:all", "not signed by anybody")
    yield


@contextmanager
def _presence_deleted(field: Field) -> Iterator[None]:
    """Somebody deletes a node's keys again and again; once is mended within a heartbeat."""
    with field.redis.client() as client, _repeated(0.2, lambda: client.delete("{drill}:conns:node-1")):
        yield


@contextmanager
def _slow_way_to_the_database(field: Field) -> Iterator[None]:
    field.to_database.delay = 0.4
    yield
    field.to_database.delay = 0.0


@contextmanager
def _database_frozen(field: Field) -> Iterator[None]:
    field.again(1, IM_COMMITTER_QUEUE_MAX="10")
    field.crowd.begin_again()
    time.sleep(5)
    field.mariadb.freeze()
    yield
    field.mariadb.thaw()
    field.again(1, IM_COMMITTER_QUEUE_MAX="10000")
    field.crowd.begin_again()


@contextmanager
def _database_killed(field: Field) -> Iterator[None]:
    field.mariadb.kill()
    yield
    field.mariadb.start()


@contextmanager
def _rows_locked(field: Field) -> Iterator[None]:
    """Somebody else's long transactions hold the conversations for longer than a lock is waited for (3 s)."""
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
def _conversations_locked(field: Field) -> Iterator[None]:
    """Requests pile up behind a locked table, each with its connection and its greenlet."""
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
def _few_database_connections(field: Field) -> Iterator[None]:
    used = len(field.mariadb.connections()) + 2
    field.mariadb.query(f"SET GLOBAL max_connections = {max(10, int(used * 1.1))}")
    yield
    field.mariadb.query("SET GLOBAL max_connections = 151")


@contextmanager
def _few_redis_clients(field: Field) -> Iterator[None]:
    with field.redis.client() as client:
        client.config_set("maxclients", int(client.info("clients")["connected_clients"] * 1.1) + 1)
        yield
        client.config_set("maxclients", 10_000)


@contextmanager
def _little_redis_memory(field: Field) -> Iterator[None]:
    with field.redis.client() as client:
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.15))
        yield
        client.config_set("maxmemory", "200mb")


@contextmanager
def _busy_redis(field: Field) -> Iterator[None]:
    command = [
        "redis-benchmark", "-p", str(field.redis.port), "-n", "100000000", "-q", "-c", "4",
        "eval", "local sum = 0 for i = 1, 200000 do sum = sum + i end return sum", "0",
    ]  # fmt: skip
    with _preferred(field.redis.process.pid), _running(command):
        yield


@contextmanager
def _exporter_gone(field: Field) -> Iterator[None]:
    os.kill(field.exporters[0].pid, signal.SIGSTOP)
    yield
    os.kill(field.exporters[0].pid, signal.SIGCONT)


@contextmanager
def _stuttering_node(field: Field) -> Iterator[None]:
    """Its processor is taken away for 0.8 s again and again, as by a hypervisor."""

    def stutter() -> None:
        field.nodes[1].freeze()
        time.sleep(0.8)
        field.nodes[1].thaw()

    with _repeated(1.5, stutter):
        yield


@contextmanager
def _preferred(pid: int) -> Iterator[None]:
    """What is to be busy gets a core of its own, whatever else this machine does."""
    os.setpriority(os.PRIO_PROCESS, pid, -15)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, pid, 0)


@contextmanager
def _full_load(field: Field) -> Iterator[None]:
    """Commands as fast as one node answers them."""
    node, ended = field.nodes[1], threading.Event()
    tokens = [line.split()[0] for line in field.tokens.read_text().splitlines()]
    batch = frame(b'421["ping_server",{}]') * 200

    def ask(token: str) -> None:
        one = Socket(node.port, token)
        while not ended.is_set():
            one.sock.sendall(batch)
            left = 200
            while left > 0:
                one.fill()
                left -= one.buffer.count(b"43")
                one.buffer = b""
        one.sock.close()

    with ThreadPoolExecutor(8) as pool, _preferred(node.worker):
        asking = [pool.submit(ask, token) for token in tokens[:8]]
        yield
        ended.set()
        for one in asking:
            one.result()


@contextmanager
def _few_connections_allowed(field: Field) -> Iterator[None]:
    field.again(2, IM_MAX_CONNECTIONS="50")
    field.crowd.begin_again()
    yield
    field.again(2, IM_MAX_CONNECTIONS="20000")
    field.crowd.begin_again()


@contextmanager
def _few_files_allowed(field: Field) -> Iterator[None]:
    worker = field.nodes[1].worker
    count = int(len(list(Path(f"/proc/{worker}/fd").iterdir())) * 1.1)
    before = subprocess.check_output(
        ["prlimit", "--pid", str(worker), "--nofile", "--noheadings", "-o", "SOFT,HARD"], text=True
    ).split()
    subprocess.run(["prlimit", "--pid", str(worker), f"--nofile={count}:{before[1]}"], check=True)
    yield
    subprocess.run(["prlimit", "--pid", str(worker), f"--nofile={before[0]}:{before[1]}"], check=True)


@contextmanager
def _hoarding_node(field: Field) -> Iterator[None]:
    """A debugger makes a node keep millions of objects and look for garbage among them, in a small control group."""
    with _memory_group() as group:
        (group / "cgroup.procs").write_text(str(os.getpid()))  # what this process starts now is in the group
        field.again(2)
        (group.parent / "cgroup.procs").write_text(str(os.getpid()))
        field.crowd.begin_again()
        worker = field.nodes[1].worker
        _inject(worker, "import gc; gc.hoard = [[[]] for _ in range(2_000_000)]")
        resident = int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        (group / _LIMIT).write_text(str(int(resident / 0.85)))
        with _repeated(3, lambda: _inject(worker, "import gc; gc.collect()")):
            yield
        (group / _LIMIT).write_text("-1" if "bytes" in _LIMIT else "max")
        field.again(2)
        field.crowd.begin_again()


_IS_FIRST_VERSION = Path("/sys/fs/cgroup/memory").is_dir()
_LIMIT = "memory.limit_in_bytes" if _IS_FIRST_VERSION else "memory.max"


@contextmanager
def _memory_group() -> Iterator[Path]:
    """A control group for memory, of either version."""
    group = Path("/sys/fs/cgroup", "memory" if _IS_FIRST_VERSION else "", "imapp-alerts")
    group.mkdir()
    try:
        yield group
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            (group.parent / "cgroup.procs").write_text(pid)
        group.rmdir()


def _inject(pid: int, code: str) -> None:
    """Run Python in another process."""
    steps = [
        "call (int)PyGILState_Ensure()",
        f'call (int)PyRun_SimpleString("{code}")',
        "call (void)PyGILState_Release($1)",
    ]
    command = ["gdb", "-nx", "-batch", "-p", str(pid)]
    subprocess.run([*command, *(word for step in steps for word in ("-ex", step))], check=True, capture_output=True)


@contextmanager
def _repeated(seconds: float, do: Callable[[], object]) -> Iterator[None]:
    """Do it again and again, until the context is left."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(seconds):
            do()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _full_disk(field: Field) -> Iterator[None]:
    """A file system of 150 MB, filled to 20 MB."""
    image, place = field.folder / "disk.img", field.folder / "disk"
    place.mkdir()
    subprocess.run(["truncate", "-s", "150M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    usual = field.nodes[1].environ["IM_DATA_DIR"]
    field.again(2, IM_DATA_DIR=str(place / "data"))
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    (place / "ballast").write_bytes(bytes(free - 20_000_000))
    yield
    field.again(2, IM_DATA_DIR=usual)
    subprocess.run(["umount", place], check=True)


@contextmanager
def _readers_that_stop(field: Field) -> Iterator[None]:
    """Devices that ask for much and take nothing of it."""
    token = field.tokens.read_text().split()[0]
    stopped = [Socket(field.nodes[1].port, token) for _ in range(25)]
    for one in stopped:
        one.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, 4096)
        for number in range(150):
            one.say(f'42{number}["sync",{json.dumps({"conversations": {}, "limit": 100})}]'.encode())
    yield
    for one in stopped:
        one.sock.close()


DRILLS = [
    Drill("a node killed", ("ImappNodeDown", "ImappNodeDied"), _node_killed),
    Drill("a node killed four times", ("ImappNodeRestarts",), _node_restarts),
    Drill("everybody leaves", ("ImappOnlineUsersJump", "ImappOnlineUsersUnlikeYesterday"), _crowd_gone),
    Drill(
        "Redis killed",
        ("ImappRedisDown", "ImappBusDeaf", "ImappNodeNotReady", "ImappPushesDropped"),
        _redis_killed,
    ),
    Drill("2 MB/s to Redis, 3 MB/s to say", ("ImappBusQueueNearFull",), _slow_way_to_redis),
    Drill("subscriptions cut six times", ("ImappBusGaps",), _subscriptions_cut),
    Drill("a stranger publishes", ("ImappForgedMessages",), _stranger_on_the_bus),
    Drill("presence deleted in Redis", ("ImappPresenceDrift",), _presence_deleted),
    Drill("0.4 s to the database and back", ("ImappSlowWrites", "ImappSlowMessages"), _slow_way_to_the_database),
    Drill("the database frozen", ("ImappWriteQueueNearFull", "ImappCommandFailures"), _database_frozen),
    Drill("the database killed", ("ImappDatabaseDown",), _database_killed),
    Drill("rows locked by another", ("ImappDatabaseConflicts",), _rows_locked),
    Drill("a table locked, 300 requests", ("ImappDatabasePoolNearLimit", "ImappGreenletsMany"), _conversations_locked),
    Drill("max_connections lowered", ("ImappDatabaseConnectionsNearLimit",), _few_database_connections),
    Drill("maxclients lowered", ("ImappRedisConnectionsNearLimit",), _few_redis_clients),
    Drill("maxmemory lowered", ("ImappRedisMemoryNearLimit",), _little_redis_memory),
    Drill("a script that Redis runs again and again", ("ImappRedisProcessorBusy",), _busy_redis),
    Drill("an exporter frozen", ("ImappExporterDown",), _exporter_gone),
    Drill("a node without processor", ("ImappEventLoopLag",), _stuttering_node),
    Drill("commands as fast as they are answered", ("ImappProcessorBusy",), _full_load),
    Drill("50 connections allowed", ("ImappConnectionsNearLimit",), _few_connections_allowed),
    Drill("few open files allowed", ("ImappFilesNearLimit",), _few_files_allowed),
    Drill("a node hoards objects", ("ImappMemoryNearLimit", "ImappGcPauses"), _hoarding_node),
    Drill("a disk filled", ("ImappDiskSpaceLow", "ImappDiskFull"), _full_disk),
    Drill("25 readers stop", ("ImappSlowClients",), _readers_that_stop),
]
