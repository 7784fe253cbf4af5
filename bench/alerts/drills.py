"""All drills with the alerts that they must fire, and the faults of nodes; leaving the context ends a fault."""

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.alerts import stores
from bench.alerts.means import LIMIT, inject, memory_group, preferred, repeated
from bench.alerts.testbed import Testbed
from imapp.load.frames import frame
from tests.support.clients.raw import RawSocket


@dataclass(frozen=True)
class Drill:
    """One fault."""

    name: str
    alerts: tuple[str, ...]
    fault: Callable[[Testbed], AbstractContextManager[None]]


@contextmanager
def _node_killed(testbed: Testbed) -> Iterator[None]:
    testbed.nodes[2].kill()
    yield
    testbed.nodes[2].start()
    testbed.reconnect()


@contextmanager
def _node_restarts(testbed: Testbed) -> Iterator[None]:
    for _ in range(4):
        testbed.nodes[2].kill()
        testbed.nodes[2].start()
        testbed.nodes[2].wait_until_ready()
        time.sleep(3)
    yield
    testbed.reconnect()


@contextmanager
def _crowd_gone(testbed: Testbed) -> Iterator[None]:
    testbed.crowd.leave()
    yield
    testbed.crowd.come_back()


@contextmanager
def _stuttering_node(testbed: Testbed) -> Iterator[None]:
    """Stop a node's process for 0.8 s repeatedly, like a hypervisor that takes its processor away."""

    def stutter() -> None:
        testbed.nodes[1].freeze()
        time.sleep(0.8)
        testbed.nodes[1].thaw()

    with repeated(1.5, stutter):
        yield


@contextmanager
def _full_load(testbed: Testbed) -> Iterator[None]:
    """Send commands as fast as one node answers them."""
    node, ended = testbed.nodes[1], threading.Event()
    tokens = [line.split()[0] for line in testbed.tokens.read_text().splitlines()]
    batch = frame(b'421["ping_server",{}]') * 200

    def ask(token: str) -> None:
        one = RawSocket(node.url, timeout=30)
        one.log_in(token)
        while not ended.is_set():
            one.sock.sendall(batch)
            left = 200
            while left > 0:
                one.fill()
                left -= one.buffer.count(b"43")
                one.buffer = b""
        one.close()

    with ThreadPoolExecutor(8) as pool, preferred(node.worker):
        asking = [pool.submit(ask, token) for token in tokens[:8]]
        yield
        ended.set()
        for one in asking:
            one.result()


@contextmanager
def _few_connections_allowed(testbed: Testbed) -> Iterator[None]:
    testbed.again(2, IM_MAX_CONNECTIONS="50")
    testbed.reconnect()
    yield
    testbed.again(2, IM_MAX_CONNECTIONS="20000")
    testbed.reconnect()


@contextmanager
def _few_files_allowed(testbed: Testbed) -> Iterator[None]:
    worker = testbed.nodes[1].worker
    count = int(len(list(Path(f"/proc/{worker}/fd").iterdir())) * 1.1)
    before = subprocess.check_output(
        ["prlimit", "--pid", str(worker), "--nofile", "--noheadings", "-o", "SOFT,HARD"], text=True
    ).split()
    subprocess.run(["prlimit", "--pid", str(worker), f"--nofile={count}:{before[1]}"], check=True)
    yield
    subprocess.run(["prlimit", "--pid", str(worker), f"--nofile={before[0]}:{before[1]}"], check=True)


@contextmanager
def _hoarding_node(testbed: Testbed) -> Iterator[None]:
    """Make a node in a small control group keep millions of objects and collect garbage among them, by a debugger."""
    with memory_group() as group:
        (group / "cgroup.procs").write_text(str(os.getpid()))  # the processes that this one starts now are in the group
        testbed.again(2)
        (group.parent / "cgroup.procs").write_text(str(os.getpid()))
        testbed.reconnect()
        worker = testbed.nodes[1].worker
        inject(worker, "import gc; gc.hoard = [[[]] for _ in range(2_000_000)]")
        resident = int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        (group / LIMIT).write_text(str(int(resident / 0.85)))
        with repeated(3, lambda: inject(worker, "import gc; gc.collect()")):
            yield
        (group / LIMIT).write_text("-1" if "bytes" in LIMIT else "max")
        testbed.again(2)
        testbed.reconnect()


@contextmanager
def _full_disk(testbed: Testbed) -> Iterator[None]:
    """Mount a file system of 150 MB with 20 MB free."""
    image, place = testbed.folder / "disk.img", testbed.folder / "disk"
    place.mkdir()
    subprocess.run(["truncate", "-s", "150M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    usual = testbed.nodes[1].environ["IM_DATA_DIR"]
    testbed.again(2, IM_DATA_DIR=str(place / "data"))
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    (place / "ballast").write_bytes(bytes(free - 20_000_000))
    yield
    testbed.again(2, IM_DATA_DIR=usual)
    subprocess.run(["umount", place], check=True)


@contextmanager
def _readers_that_stop(testbed: Testbed) -> Iterator[None]:
    """Connect devices that request much data and read none of it."""
    token = testbed.tokens.read_text().split()[0]
    stopped = [RawSocket(testbed.nodes[1].url, timeout=30) for _ in range(25)]
    for one in stopped:
        one.log_in(token)
        one.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, 4096)
        for number in range(150):
            one.send(f'42{number}["sync",{json.dumps({"conversations": {}, "limit": 100})}]')
    yield
    for one in stopped:
        one.close()


DRILLS = [
    Drill("a node killed", ("ImappNodeDown", "ImappNodeDied"), _node_killed),
    Drill("a node killed four times", ("ImappNodeRestarts",), _node_restarts),
    Drill("everybody leaves", ("ImappOnlineUsersJump", "ImappOnlineUsersUnlikeYesterday"), _crowd_gone),
    Drill(
        "Redis killed",
        ("ImappRedisDown", "ImappBusDeaf", "ImappNodeNotReady", "ImappPushesDropped"),
        stores.redis_killed,
    ),
    Drill("2 MB/s to Redis, 3 MB/s to say", ("ImappBusQueueNearFull",), stores.slow_way_to_redis),
    Drill("subscriptions cut six times", ("ImappBusGaps",), stores.subscriptions_cut),
    Drill("a stranger publishes", ("ImappForgedMessages",), stores.stranger_on_the_bus),
    Drill("presence deleted in Redis", ("ImappPresenceDrift",), stores.presence_deleted),
    Drill("0.4 s to the database and back", ("ImappSlowWrites", "ImappSlowMessages"), stores.slow_way_to_the_database),
    Drill("the database frozen", ("ImappWriteQueueNearFull", "ImappCommandFailures"), stores.database_frozen),
    Drill("the database killed", ("ImappDatabaseDown",), stores.database_killed),
    Drill("rows locked by another", ("ImappDatabaseConflicts",), stores.rows_locked),
    Drill(
        "a table locked, 300 requests",
        ("ImappDatabasePoolNearLimit", "ImappGreenletsMany"),
        stores.conversations_locked,
    ),
    Drill("max_connections lowered", ("ImappDatabaseConnectionsNearLimit",), stores.few_database_connections),
    Drill("maxclients lowered", ("ImappRedisConnectionsNearLimit",), stores.few_redis_clients),
    Drill("maxmemory lowered", ("ImappRedisMemoryNearLimit",), stores.little_redis_memory),
    Drill("a script that Redis runs again and again", ("ImappRedisProcessorBusy",), stores.busy_redis),
    Drill("an exporter frozen", ("ImappExporterDown",), stores.exporter_gone),
    Drill("a node without processor", ("ImappEventLoopLag",), _stuttering_node),
    Drill("commands as fast as they are answered", ("ImappProcessorBusy",), _full_load),
    Drill("50 connections allowed", ("ImappConnectionsNearLimit",), _few_connections_allowed),
    Drill("few open files allowed", ("ImappFilesNearLimit",), _few_files_allowed),
    Drill("a node hoards objects", ("ImappMemoryNearLimit", "ImappGcPauses"), _hoarding_node),
    Drill("a disk filled", ("ImappDiskSpaceLow", "ImappDiskFull"), _full_disk),
    Drill("25 readers stop", ("ImappSlowClients",), _readers_that_stop),
]
