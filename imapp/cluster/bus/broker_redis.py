"""The brokers over Redis: one server, or the master that Sentinels name."""

import threading
import time

from imapp.cluster.bus.broker import Listener
from imapp.cluster.bus.pubsub_connection import MISSED_MAX, PubSubConnection
from imapp.cluster.bus.resp import Connection, ask_once
from imapp.cluster.bus.signing import ForgedError, Signer
from imapp.cluster.redis_url import RedisUrl
from imapp.logs import get_logger
from imapp.telemetry import metrics

log = get_logger(__name__)

#: Seconds between two queries to the Sentinels for the address of the master.
_SENTINEL_SECONDS = 1.0


class RedisBroker:
    """See broker.Broker. `name` is the cluster's name, `node` this node's id."""

    is_alone = False
    keeps_order = True

    def __init__(self, address: RedisUrl, seal: Signer, *, name: str, node: str, queue_max: int) -> None:
        self._address = address
        self._seal = seal
        self._node = node
        self._queue_max = queue_max
        self._listener: Listener | None = None
        self._has_been_up = False
        #: The number of times that each link had come up at the last notification of the node: when several links come
        #: up at one moment, the node is notified once.
        self._notified: list[tuple[PubSubConnection, int]] = []
        self._notifying = threading.Lock()
        self._canary = f"{name}:canary:{node}".encode()
        self._links = self._make_links()

    def _make_links(self) -> list[PubSubConnection]:
        return [PubSubConnection(self, self._connect, self._canary, queue_max=self._queue_max)]

    def _connect(self) -> Connection:
        host, port = self._address.hosts[0] if self._address.hosts else ("", 0)
        return Connection(self._address, host, port, name=f"imapp-{self._node}")

    def _link_for(self, channel: bytes) -> PubSubConnection:
        return self._links[0]

    # -- for the node ----------------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """Return whether this node receives its own canaries over every link."""
        return bool(self._links) and all(link.is_up for link in self._links)

    def start(self, listener: Listener) -> None:
        """Start connecting in the background."""
        self._listener = listener
        metrics.BUS_CHANNELS.set_function(lambda: sum(len(link.channels) for link in self._links))
        metrics.BUS_QUEUE_BYTES.set_function(lambda: sum(link.waiting_bytes for link in self._links))
        metrics.BUS_UP.set_function(lambda: self.is_up)
        for link in self._links:
            link.start()

    def publish(self, channel: str, body: bytes) -> bool:
        """Queue `body` for all other nodes that are subscribed to the channel; return whether it was queued."""
        name = channel.encode()
        return self._link_for(name).publish(name, self._seal.close(name, body))

    def subscribe(self, channel: str) -> None:
        """Subscribe to a channel; `settle` waits until Redis has confirmed it."""
        name = channel.encode()
        self._link_for(name).subscribe(name)

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from a channel."""
        name = channel.encode()
        self._link_for(name).unsubscribe(name)

    def settle(self, seconds: float) -> bool:
        """Wait until the subscriptions made so far are confirmed; return whether they are, at once if not connected."""
        deadline = time.monotonic() + seconds
        return all(link.settle(max(0.0, deadline - time.monotonic())) for link in self._links)

    def close(self) -> None:
        """Send the queued messages and close."""
        for link in self._links:
            link.close()

    # -- for the links ---------------------------------------------------------------------------------------------

    def hear(self, channel: bytes, frame: bytes) -> None:
        """Verify a frame's signature and pass its body to the node."""
        try:
            body = self._seal.open(channel, frame)
        except ForgedError:
            metrics.BUS_REFUSED.inc()
            log.warning("bus_forged", channel=channel.decode(errors="replace"))
            return
        if body is not None and self._listener is not None:
            metrics.BUS_HEARD.inc()
            self._listener.heard(channel.decode(), body)

    def link_up(self, link: PubSubConnection) -> None:
        """Notify the node that the bus is ready, or restored after a gap, and which channels lost messages."""
        if not self._has_come_up() or self._listener is None:
            return
        log.info("bus_up", redis=str(self._address))
        if self._has_been_up:
            self._listener.gap("bus_restored")
        else:
            self._has_been_up = True
            self._listener.ready()
        self.catch_up(link)

    def _has_come_up(self) -> bool:
        with self._notifying:
            if not self.is_up:
                return False
            before, self._notified = self._notified, [(link, link.ups) for link in self._links]
            return self._notified != before

    def catch_up(self, link: PubSubConnection) -> None:
        """Notify the node of the channels that lost messages."""
        missed, link.missed = link.missed, set()
        if missed and self._listener is not None:
            named = {channel.decode() for channel in missed} if len(missed) <= MISSED_MAX else None
            self._listener.missed(named)

    def link_down(self, link: PubSubConnection, reason: str) -> None:
        """Count and log the gap; the link goes on reconnecting."""
        metrics.BUS_GAPS.labels(reason=reason).inc()
        message = "pushes to other nodes are dropped until Redis is reachable again 广播集群消息失败"
        log.warning("bus_down", reason=reason, redis=str(self._address), message=message)

    def moved(self, link: PubSubConnection) -> None:
        """Do nothing: only a Redis Cluster moves channels."""


class SentinelBroker(RedisBroker):
    """Asks the Sentinels for the master at each connect and once a second: a demoted master may go on running."""

    def __init__(self, address: RedisUrl, seal: Signer, *, name: str, node: str, queue_max: int) -> None:
        super().__init__(address, seal, name=name, node=node, queue_max=queue_max)
        self._master: tuple[str, int] | None = None
        self._closing = threading.Event()

    def start(self, listener: Listener) -> None:
        """Start connecting, and polling the Sentinels, in the background."""
        super().start(listener)
        threading.Thread(target=self._watch_loop, name="bus-sentinel", daemon=True).start()

    def close(self) -> None:
        """Send the queued messages and close."""
        self._closing.set()
        super().close()

    def _connect(self) -> Connection:
        host, port = self._master = self._find_master()
        connection = Connection(self._address, host, port, name=f"imapp-{self._node}")
        if connection.ask("ROLE")[0] != b"master":
            connection.close()
            raise ConnectionRefusedError("the server that the Sentinels name is not a master yet")
        return connection

    def _find_master(self) -> tuple[str, int]:
        """Ask the Sentinels one after another for the master; raise OSError if none knows it."""
        for host, port in self._address.hosts:
            try:
                found = self._ask(host, port)
            except OSError:
                continue
            if found:
                master, master_port = found
                return master.decode(), int(master_port)
        raise ConnectionRefusedError("no Sentinel knows the master")

    def _ask(self, host: str, port: int) -> list[bytes] | None:
        words = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.master)
        answer: list[bytes] | None = ask_once(self._address, host, port, *words, is_sentinel=True)
        return answer

    def _watch_loop(self) -> None:
        while not self._closing.wait(_SENTINEL_SECONDS):
            began = time.monotonic()
            try:
                master = self._find_master()
            except OSError:
                continue
            if self.is_up and self._master not in {None, master}:
                after_ms = round((time.monotonic() - began) * 1000)
                log.warning("bus_failover", master="{}:{}".format(*master), after_ms=after_ms)
                self._links[0].reset("failover")
