"""What is counted, for Prometheus: every metric of this node, declared once.

Names follow Prometheus' practice: unit last, `_total` for counters. No label takes a value that a client chooses.
"""

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

registry = CollectorRegistry()

# -- the bus -------------------------------------------------------------------------------------------------------

BUS_PUBLISHED = Counter("imapp_bus_published", "Messages given to Redis for other nodes.", registry=registry)
BUS_HEARD = Counter("imapp_bus_heard", "Messages of other nodes that this node heard.", registry=registry)
BUS_REFUSED = Counter(
    "imapp_bus_refused", "Messages on the bus that no node of this cluster signed.", registry=registry
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
BUS_UP = Gauge("imapp_bus_up", "1 while this node hears itself over Redis.", registry=registry)
BUS_QUEUE_BYTES = Gauge("imapp_bus_queue_bytes", "Bytes that wait for Redis.", registry=registry)
BUS_CHANNELS = Gauge("imapp_bus_channels", "Channels that this node is subscribed to.", registry=registry)

# -- presence ------------------------------------------------------------------------------------------------------

CONNECTIONS = Gauge("imapp_connections", "Authenticated sockets of this node.", registry=registry)
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
WRITE_SECONDS = Histogram(
    "imapp_write_seconds",
    "From the queueing of a send, edit, reaction or read mark to its answer.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=registry,
)

# -- health --------------------------------------------------------------------------------------------------------

READY = Gauge("imapp_ready", "1 while requests should come to this node, as readiness says.", registry=registry)
DISK_FREE = Gauge("imapp_disk_free_bytes", "Free disk where the data is.", registry=registry)
DISK_THRESHOLD = Gauge("imapp_disk_threshold_bytes", "Less of it makes the node not ready.", registry=registry)

# -- the process ---------------------------------------------------------------------------------------------------


class _Process(Collector):
    """What Linux says of it. prometheus_client's own collector needs /proc/stat, which the systemd unit hides."""

    def collect(self) -> Iterator[Metric]:
        """Look now."""
        yield CounterMetricFamily("imapp_cpu_seconds", "Processor time of this process.", value=time.process_time())
        yield GaugeMetricFamily("imapp_memory_bytes", "Resident memory of this process.", value=memory_bytes())
        files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts names, makes no paths of them
        yield GaugeMetricFamily("imapp_open_files", "Open files of this process, sockets included.", value=files)
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        yield GaugeMetricFamily("imapp_open_files_limit", "So many it may have.", value=limit)


def memory_bytes() -> int:
    """Resident memory of this process, as Linux tells."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


registry.register(_Process())


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(registry)
