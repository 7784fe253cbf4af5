"""What is counted, for Prometheus: every metric of this node, declared once.

Names follow Prometheus' practice: unit last, `_total` for counters. No label takes a value that a client chooses.
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

from imapp.tallies import Counts, Histograms, single

registry = CollectorRegistry()

#: Bounds in seconds: of what takes milliseconds when all is well, of what ends within some milliseconds or is a fault,
#: and a few for what has many labels.
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SHORT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_FEW = (0.005, 0.025, 0.1, 0.5, 2.5, 10)

# -- messages and commands -----------------------------------------------------------------------------------------

#: The stages of a message; see docs/operations.md.
STAGES = ("committed", "published", "heard", "handed")
_message_seconds = Histograms(
    "imapp_message_seconds",
    "From a message's acceptance into the committer's queue until it was committed; published: given to this node's"
    " connections and the bus; heard by another node; handed: the kernel has it for all connections of a node that"
    " take. Nodes' clocks may differ by milliseconds: less than nothing counts as 0.",
    "stage",
    bounds=_BOUNDS,
    registry=registry,
)
COMMITTED, PUBLISHED, HEARD, HANDED = map(_message_seconds.of, STAGES)
COMMIT_BATCH = single(
    "imapp_commit_batch_messages",
    "Writes (messages, edits, reactions, read marks) that one commit took.",
    bounds=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
    registry=registry,
)
COMMIT_QUEUE = Gauge("imapp_commit_queue", "Writes that wait for their commit.", registry=registry)
COMMANDS = Counts(
    "imapp_commands", "Socket.IO commands answered, by outcome: ok or an error code.", ["command", "outcome"],
    registry=registry,
)  # fmt: skip
COMMAND_SECONDS = Histograms(
    "imapp_command_seconds", "From a command's turn to come in until its answer.", "command", bounds=_FEW,
    registry=registry,
)  # fmt: skip
SYNCS = Counter("imapp_syncs", "Answers to sync.", registry=registry)
SYNC_CHANGES = single(
    "imapp_sync_changes", "Changes in one answer to sync.", bounds=(0, 1, 10, 50, 200, 500, 2000), registry=registry
)

# -- connections ---------------------------------------------------------------------------------------------------

CONNECTS = Counter("imapp_connects", "Sockets that were let in.", registry=registry)
CONNECTS_REFUSED = Counts(
    "imapp_connects_refused",
    "Sockets that were not: the error code of the answer, draining, or admission (too many, or too many at once).",
    ["reason"],
    registry=registry,
)
DISCONNECTS = Counts("imapp_disconnects", "Sockets that ended, by what ended them.", ["reason"], registry=registry)

# -- HTTP ----------------------------------------------------------------------------------------------------------

HTTP_REQUESTS = Counts(
    "imapp_http_requests", "REST requests, by route (a rule, not a path).", ["route", "method", "status"],
    registry=registry,
)  # fmt: skip
HTTP_SECONDS = Histograms(
    "imapp_http_seconds", "How long a REST request took.", "route", bounds=_FEW, registry=registry
)

# -- the bus -------------------------------------------------------------------------------------------------------

BUS_PUBLISHED = Counter("imapp_bus_published", "Messages given to Redis for other nodes.", registry=registry)
BUS_HEARD = Counter("imapp_bus_heard", "Messages of other nodes that this node heard.", registry=registry)
BUS_REFUSED = Counter(
    "imapp_bus_refused",
    "Messages on the bus that no node of this cluster signed, or that are old or came before.",
    registry=registry,
)
BUS_DROPPED = Counter(
    "imapp_bus_dropped",
    "Messages for other nodes that were dropped: their readers were told to sync.",
    registry=registry,
)
BUS_GAPS = Counter(
    "imapp_bus_gaps", "Times that this node's bus was deaf, by what was noticed.", ["reason"], registry=registry
)
for _reason in ("silent", "ConnectionResetError", "failover"):
    BUS_GAPS.labels(reason=_reason)  # at 0 from the start: an increase is seen from the first gap on
BUS_UP = Gauge("imapp_bus_up", "1 while this node hears itself over Redis, or is without it.", registry=registry)
BUS_QUEUE_BYTES = Gauge("imapp_bus_queue_bytes", "Bytes that wait for Redis.", registry=registry)
BUS_QUEUE_LIMIT_BYTES = Gauge("imapp_bus_queue_limit_bytes", "So many may wait for Redis.", registry=registry)
BUS_CHANNELS = Gauge("imapp_bus_channels", "Channels that this node is subscribed to.", registry=registry)

# -- presence ------------------------------------------------------------------------------------------------------

CONNECTIONS = Gauge("imapp_connections", "Authenticated sockets of this node.", registry=registry)
CONNECTIONS_LIMIT = Gauge("imapp_connections_limit", "So many it takes (IM_MAX_CONNECTIONS).", registry=registry)
UNTOLD = Counter(
    "imapp_untold_connections",
    "Connections that were told to sync because something is stored of which no push came.",
    registry=registry,
)

ONLINE_USERS = Gauge("imapp_online_users", "Users with a connection on this node.", registry=registry)
PRESENCE_DRIFT = Gauge(
    "imapp_presence_drift", "Connections of this node that Redis does not know, or knows wrongly.", registry=registry
)
NODES_REAPED = Counter("imapp_nodes_reaped", "Dead nodes whose users this node declared offline.", registry=registry)

# -- the engine ----------------------------------------------------------------------------------------------------

SLOW_CLIENTS = Counter(
    "imapp_slow_clients",
    "Clients sent away because they did not take what was sent to them, by the bound that they exceeded.",
    ["bound"],
    registry=registry,
)
for _bound in ("bytes", "seconds"):
    SLOW_CLIENTS.labels(_bound)  # 0 from the start, so that a first one is seen as an increase

# -- the database --------------------------------------------------------------------------------------------------

DATABASE_RETRIES = Counter(
    "imapp_database_retries",
    "Transactions run again: they lost a deadlock, a lock wait or, on Galera, against another member.",
    registry=registry,
)
COMMIT_QUEUE_LIMIT = Gauge(
    "imapp_commit_queue_limit", "Writes that may wait for their commit; past it: busy.", registry=registry
)
WRITE_SECONDS = Histogram(
    "imapp_write_seconds",
    "From the queueing of a send, edit, reaction or read mark to its answer.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=registry,
)

DATABASE_SECONDS = single(
    "imapp_database_seconds",
    "Statements of requests and commands; of the committer, whole transactions.",
    bounds=_BOUNDS,
    registry=registry,
)
DATABASE_POOL_IN_USE = Gauge(
    "imapp_database_pool_in_use", "Connections to the database that work now.", registry=registry
)
DATABASE_POOL_LIMIT = Gauge("imapp_database_pool_limit", "So many there may be.", registry=registry)
REDIS_SECONDS = single(
    "imapp_redis_seconds",
    "Commands and scripts to Redis, failed ones included; not the bus.",
    bounds=_SHORT,
    registry=registry,
)
REDIS_WRITES_REFUSED = Counter(
    "imapp_redis_writes_refused",
    "Commands that Redis received and refused: out of memory, unable to save to its disk, or a read-only replica.",
    registry=registry,
)

# -- health --------------------------------------------------------------------------------------------------------

READY = Gauge("imapp_ready", "1 while requests should come to this node, as readiness says.", registry=registry)
DISK_FREE = Gauge("imapp_disk_free_bytes", "Free disk where the data is.", registry=registry)
DISK_THRESHOLD = Gauge("imapp_disk_threshold_bytes", "Less of it makes the node not ready.", registry=registry)

# -- the process ---------------------------------------------------------------------------------------------------


INFO = Gauge("imapp_info", "1; which version this is, and which node.", ["version", "node"], registry=registry)
LOOP_LAG = single(
    "imapp_loop_lag_seconds",
    "How late the event loop calls a timer: how long everything waits for the work of one.",
    bounds=_SHORT,
    registry=registry,
)
LOOP_LAG_MAX = Gauge(
    "imapp_loop_lag_max_seconds", "The worst of it within the last 15 to 30 seconds.", registry=registry
)
GREENLETS = Gauge("imapp_greenlets", "Greenlets that began since the start and have not ended.", registry=registry)
_gc_pause = Histograms(
    "imapp_gc_pause_seconds", "How long the garbage collector stopped the process.", "generation", bounds=_SHORT,
    registry=registry,
)  # fmt: skip
GC_PAUSES = tuple(_gc_pause.of(str(_generation)) for _generation in range(3))


class _Process(Collector):
    """What Linux says of it. prometheus_client's own collector needs /proc/stat, which the systemd unit hides."""

    def collect(self) -> Iterator[Metric]:
        """Look now."""
        yield CounterMetricFamily("imapp_cpu_seconds", "Processor time of this process.", value=time.process_time())
        yield GaugeMetricFamily("imapp_memory_bytes", "Resident memory of this process.", value=memory_bytes())
        limit = memory_limit_bytes()
        yield GaugeMetricFamily("imapp_memory_limit_bytes", "So much the container or machine has.", value=limit)
        files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts names, makes no paths of them
        yield GaugeMetricFamily("imapp_open_files", "Open files of this process, sockets included.", value=files)
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        yield GaugeMetricFamily("imapp_open_files_limit", "So many it may have.", value=limit)


def memory_bytes() -> int:
    """Resident memory of this process, as Linux tells."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def memory_limit_bytes() -> int:
    """What the narrowest control group around this process allows, at most what the machine has."""
    limits = [os.sysconf("SC_PHYS_PAGES") * resource.getpagesize()]
    for file in _limit_files():
        with suppress(OSError, ValueError):  # no such group, or no limit ("max")
            limits.append(int(file.read_text(encoding="ascii")))
    return min(limits)


@cache
def _limit_files() -> list[Path]:
    """Where Linux would tell of a limit: cgroup version 2 from our group upwards, then version 1."""
    root = Path("/sys/fs/cgroup")
    files = [root / "memory.max", root / "memory/memory.limit_in_bytes"]
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
            number, kinds, group = line.split(":", 2)
            base, name = (root, "memory.max") if number == "0" else (root / "memory", "memory.limit_in_bytes")
            if number == "0" or "memory" in kinds.split(","):
                files += [base / part / name for part in _upwards(group.strip("/"))]
    return files


def _upwards(group: str) -> list[Path]:
    return [] if not group else [Path(group), *Path(group).parents]


registry.register(_Process())


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(registry)
