"""All Prometheus metrics of this node, each declared once.

Names follow Prometheus' conventions: unit last, `_total` for counters. No label takes a value that a client chooses.
"""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from imapp.telemetry.counters import Counts, Histograms, single

registry = CollectorRegistry()

#: Bounds of buckets in seconds: for work that normally takes milliseconds, for work that takes more than some
#: milliseconds only because of a fault, and a few bounds for metrics with many label values.
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SHORT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_FEW = (0.005, 0.025, 0.1, 0.5, 2.5, 10)

# -- messages and commands -----------------------------------------------------------------------------------------

#: The stages of a message; see docs/operations.md.
STAGES = ("committed", "published", "heard", "handed")
_message_seconds = Histograms(
    "imapp_message_seconds",
    "Seconds from a message's acceptance into the committer's queue until a stage: committed; published (given to this"
    " node's connections and to the bus); heard (received by another node); handed (given to the kernel for all"
    " connections of a node that accept data). Nodes' clocks may differ by milliseconds: negative values count as 0.",
    "stage",
    bounds=_BOUNDS,
    registry=registry,
)
COMMITTED, PUBLISHED, HEARD, HANDED = map(_message_seconds.of, STAGES)
COMMIT_BATCH = single(
    "imapp_commit_batch_messages",
    "Writes (messages, edits, reactions, read marks) in one commit.",
    bounds=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
    registry=registry,
)
COMMIT_QUEUE = Gauge("imapp_commit_queue", "Writes that wait for their commit.", registry=registry)
COMMANDS = Counts(
    "imapp_commands", "Socket.IO commands answered, by outcome: ok or an error code.", ["command", "outcome"],
    registry=registry,
)  # fmt: skip
COMMAND_SECONDS = Histograms(
    "imapp_command_seconds", "Seconds from the dispatch of a command until its answer.", "command", bounds=_FEW,
    registry=registry,
)  # fmt: skip
SYNCS = Counter("imapp_syncs", "Answered sync requests.", registry=registry)
SYNC_CHANGES = single(
    "imapp_sync_changes", "Changes in one answer to sync.", bounds=(0, 1, 10, 50, 200, 500, 2000), registry=registry
)

# -- connections ---------------------------------------------------------------------------------------------------

CONNECTS = Counter("imapp_connects", "Sockets that were accepted.", registry=registry)
CONNECTS_REFUSED = Counts(
    "imapp_connects_refused",
    "Refused sockets, by reason: the error code of the answer, draining, or admission (too many connections, or too"
    " many new ones at once).",
    ["reason"],
    registry=registry,
)
DISCONNECTS = Counts("imapp_disconnects", "Sockets that ended, by reason.", ["reason"], registry=registry)

# -- HTTP ----------------------------------------------------------------------------------------------------------

HTTP_REQUESTS = Counts(
    "imapp_http_requests", "REST requests, by route (a rule, not a path).", ["route", "method", "status"],
    registry=registry,
)  # fmt: skip
HTTP_SECONDS = Histograms(
    "imapp_http_seconds", "Duration of a REST request in seconds.", "route", bounds=_FEW, registry=registry
)

# -- the bus -------------------------------------------------------------------------------------------------------

BUS_PUBLISHED = Counter("imapp_bus_published", "Messages sent to Redis for other nodes.", registry=registry)
BUS_HEARD = Counter("imapp_bus_heard", "Messages that this node received from other nodes.", registry=registry)
BUS_REFUSED = Counter(
    "imapp_bus_refused",
    "Messages on the bus that this node refused: without a valid signature of the cluster, too old, or repeated.",
    registry=registry,
)
BUS_DROPPED = Counter(
    "imapp_bus_dropped",
    "Messages for other nodes that were dropped; their recipients were told to sync.",
    registry=registry,
)
BUS_GAPS = Counter(
    "imapp_bus_gaps", "Interruptions of this node's reception on the bus, by reason.", ["reason"], registry=registry
)
for _reason in ("silent", "ConnectionResetError", "failover", "slot_moved"):
    BUS_GAPS.labels(reason=_reason)  # 0 from the start, so that the first one is seen as an increase
BUS_UP = Gauge(
    "imapp_bus_up", "1 while this node receives its own messages from Redis, or runs without Redis.", registry=registry
)
BUS_QUEUE_BYTES = Gauge("imapp_bus_queue_bytes", "Bytes queued for sending to Redis.", registry=registry)
BUS_QUEUE_LIMIT_BYTES = Gauge(
    "imapp_bus_queue_limit_bytes",
    "Maximum number of bytes queued for sending to Redis; past it, messages are dropped.",
    registry=registry,
)
BUS_CHANNELS = Gauge("imapp_bus_channels", "Redis channels to which this node is subscribed.", registry=registry)

# -- presence ------------------------------------------------------------------------------------------------------

CONNECTIONS = Gauge("imapp_connections", "Authenticated sockets of this node.", registry=registry)
CONNECTIONS_LIMIT = Gauge(
    "imapp_connections_limit",
    "Maximum number of sockets of this node (IM_MAX_CONNECTIONS); further ones are refused.",
    registry=registry,
)
UNTOLD = Counter(
    "imapp_untold_connections",
    "Connections that were told to sync because a stored change was not pushed to this node.",
    registry=registry,
)

ONLINE_USERS = Gauge("imapp_online_users", "Users with a connection on this node.", registry=registry)
PRESENCE_DRIFT = Gauge(
    "imapp_presence_drift", "Connections of this node that are missing or wrong in Redis.", registry=registry
)
NODES_REAPED = Counter("imapp_nodes_reaped", "Dead nodes that this node declared offline.", registry=registry)

# -- the engine ----------------------------------------------------------------------------------------------------

SLOW_CLIENTS = Counter(
    "imapp_slow_clients",
    "Clients disconnected because they read too slowly, by the exceeded bound: bytes or seconds of queued data.",
    ["bound"],
    registry=registry,
)
for _bound in ("bytes", "seconds"):
    SLOW_CLIENTS.labels(_bound)  # 0 from the start, so that the first one is seen as an increase

# -- the database --------------------------------------------------------------------------------------------------

DATABASE_RETRIES = Counter(
    "imapp_database_retries",
    "Retries of transactions after a deadlock, a lock wait timeout or, on Galera, a conflict with another member.",
    registry=registry,
)
COMMIT_QUEUE_LIMIT = Gauge(
    "imapp_commit_queue_limit",
    "Maximum number of writes that wait for their commit; past it, writes are refused as busy.",
    registry=registry,
)
WRITE_SECONDS = Histogram(
    "imapp_write_seconds",
    "Seconds from the queueing of a send, edit, reaction or read mark to its answer.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=registry,
)

DATABASE_SECONDS = single(
    "imapp_database_seconds",
    "Duration in seconds of statements of requests and commands, and of whole transactions of the committer.",
    bounds=_BOUNDS,
    registry=registry,
)
DATABASE_POOL_IN_USE = Gauge(
    "imapp_database_pool_in_use", "Connections to the database that are in use.", registry=registry
)
DATABASE_POOL_LIMIT = Gauge(
    "imapp_database_pool_limit", "Maximum number of connections to the database.", registry=registry
)
REDIS_SECONDS = single(
    "imapp_redis_seconds",
    "Duration in seconds of commands and scripts sent to Redis, including failed ones, without the bus.",
    bounds=_SHORT,
    registry=registry,
)
REDIS_WRITES_REFUSED = Counter(
    "imapp_redis_writes_refused",
    "Commands that Redis received and refused: out of memory, unable to save to its disk, or a read-only replica.",
    registry=registry,
)

# -- health --------------------------------------------------------------------------------------------------------

READY = Gauge("imapp_ready", "1 while the readiness check says that this node should get requests.", registry=registry)
DISK_FREE = Gauge("imapp_disk_free_bytes", "Free bytes on the disk that holds the data.", registry=registry)
DISK_THRESHOLD = Gauge(
    "imapp_disk_threshold_bytes", "Minimum free bytes on the disk; with less, the node is not ready.", registry=registry
)

# -- the process ---------------------------------------------------------------------------------------------------


INFO = Gauge("imapp_info", "Always 1; the labels are the version and node.", ["version", "node"], registry=registry)
LOOP_LAG = single(
    "imapp_loop_lag_seconds",
    "Seconds by which the event loop calls a timer too late: all other work of the node waits as long.",
    bounds=_SHORT,
    registry=registry,
)
LOOP_LAG_MAX = Gauge(
    "imapp_loop_lag_max_seconds", "Worst lag of the event loop within the last 15 to 30 seconds.", registry=registry
)
GREENLETS = Gauge("imapp_greenlets", "Greenlets that were started and have not ended.", registry=registry)
_gc_pause = Histograms(
    "imapp_gc_pause_seconds", "Seconds that a garbage collection stopped the process.", "generation", bounds=_SHORT,
    registry=registry,
)  # fmt: skip
GC_PAUSES = tuple(_gc_pause.of(str(_generation)) for _generation in range(3))


class _Process(Collector):
    """Process metrics from Linux. prometheus_client's own collector needs /proc/stat, which the systemd unit hides."""

    def collect(self) -> Iterator[Metric]:
        """Yield the current values."""
        yield CounterMetricFamily(
            "imapp_cpu_seconds", "Processor time of this process in seconds.", value=time.process_time()
        )
        yield GaugeMetricFamily("imapp_memory_bytes", "Resident memory of this process in bytes.", value=memory_bytes())
        limit = memory_limit_bytes()
        text = "Maximum memory of this process in bytes: the limit of the container or the memory of the machine."
        yield GaugeMetricFamily("imapp_memory_limit_bytes", text, value=limit)
        files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts names, makes no paths of them
        yield GaugeMetricFamily("imapp_open_files", "Open files of this process, sockets included.", value=files)
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        text = "Maximum number of open files of this process."
        yield GaugeMetricFamily("imapp_open_files_limit", text, value=limit)


def memory_bytes() -> int:
    """Return the resident memory of this process, from Linux."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def memory_limit_bytes() -> int:
    """Return the lowest memory limit of the control groups around this process, at most the machine's memory."""
    limits = [os.sysconf("SC_PHYS_PAGES") * resource.getpagesize()]
    for file in _limit_files():
        with suppress(OSError, ValueError):  # no such group, or no limit ("max")
            limits.append(int(file.read_text(encoding="ascii")))
    return min(limits)


@cache
def _limit_files() -> list[Path]:
    """Return the files that may hold a limit: cgroup version 2 from our group upwards, then version 1."""
    root = Path("/sys/fs/cgroup")
    files = [root / "memory.max", root / "memory/memory.limit_in_bytes"]
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
            number, kinds, group = line.split(":", 2)
            base, name = (root, "memory.max") if number == "0" else (root / "memory", "memory.limit_in_bytes")
            own = Path(group.strip("/"))
            if number == "0" or "memory" in kinds.split(","):
                files += [base / part / name for part in (own, *own.parents)]
    return files


registry.register(_Process())


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format."""
    return generate_latest(registry)
