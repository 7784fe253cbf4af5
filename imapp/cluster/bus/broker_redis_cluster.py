"""The broker over a Redis Cluster: sharded pub/sub, so that a message stays on the shard of its channel.

There is one link for each master. The hash slot of a channel's name decides which master has the channel (Redis Cluster
specification, "Key distribution model"). The map of slots is read again when a link is lost, or a server answers MOVED
or cancels a subscription. Channels then move to the link of the master that has their slot.
"""

import threading
from collections.abc import Iterator
from typing import Any

from redis.crc import key_slot

from imapp.cluster.bus.broker import Listener
from imapp.cluster.bus.broker_redis import RedisBroker
from imapp.cluster.bus.pubsub_connection import MISSED_MAX, SHARDED, PubSubConnection
from imapp.cluster.bus.resp import Connection, ask_once
from imapp.cluster.bus.signing import Signer
from imapp.cluster.redis_url import RedisUrl
from imapp.logs import get_logger
from imapp.telemetry import metrics

log = get_logger(__name__)

#: Seconds between two reads of the map of slots: while a link is down, and while all are up.
_FAST_POLL_SECONDS = 0.3
_POLL_SECONDS = 15.0

_SLOTS = 16_384

Host = tuple[str, int]


class RedisClusterBroker(RedisBroker):
    """See the module. Channels lie on different masters, so only messages on the same channel keep their order."""

    keeps_order = False

    def __init__(self, address: RedisUrl, seal: Signer, *, name: str, node: str, queue_max: int) -> None:
        super().__init__(address, seal, name=name, node=node, queue_max=queue_max)
        self._owners: list[Host | None] = [None] * _SLOTS
        self._by_host: dict[Host, PubSubConnection] = {}
        self._wanted: set[bytes] = set()
        #: Channels with messages that were lost because no link had their slot, or because their link was closed.
        self._orphans: set[bytes] = set()
        self._turn = threading.RLock()
        self._look = threading.Event()
        self._closing = False

    def _make_links(self) -> list[PubSubConnection]:
        return []  # `_follow` creates the links from the map of slots

    # -- for the node ----------------------------------------------------------------------------------------------

    def start(self, listener: Listener) -> None:
        """Start connecting, and following the map of slots, in the background."""
        super().start(listener)
        threading.Thread(target=self._follow_loop, name="bus-slots", daemon=True).start()

    def publish(self, channel: str, body: bytes) -> bool:
        """Queue `body` for all other nodes that are subscribed to the channel; return whether it was queued."""
        name = channel.encode()
        link = self._owner(name)
        if link is not None:
            return link.publish(name, self._seal.close(name, body))
        metrics.BUS_DROPPED.inc()
        if len(self._orphans) <= MISSED_MAX:
            self._orphans.add(name)
        return False

    def subscribe(self, channel: str) -> None:
        """Subscribe to a channel; `settle` waits until Redis has confirmed it."""
        name = channel.encode()
        with self._turn:
            self._wanted.add(name)
            link = self._owner(name)
            if link is not None:
                link.subscribe(name)

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from a channel."""
        name = channel.encode()
        with self._turn:
            self._wanted.discard(name)
            for link in self._links:
                if name in link.channels:
                    link.unsubscribe(name)

    def close(self) -> None:
        """Send the queued messages and close."""
        self._closing = True
        self._look.set()
        super().close()

    def _owner(self, channel: bytes) -> PubSubConnection | None:
        host = self._owners[key_slot(channel)]
        return None if host is None else self._by_host.get(host)

    # -- for the links ---------------------------------------------------------------------------------------------

    def link_up(self, link: PubSubConnection) -> None:
        """Count the orphaned channels as missed by this link; notify the node once all links are up."""
        link.missed |= self._orphans
        self._orphans = set()
        super().link_up(link)

    def link_down(self, link: PubSubConnection, reason: str) -> None:
        """Count and log the gap, and have the map of slots read again."""
        super().link_down(link, reason)
        self._look.set()

    def moved(self, link: PubSubConnection) -> None:
        """Have the map of slots read again."""
        self._look.set()

    # -- the map of slots --------------------------------------------------------------------------------------------

    def _follow_loop(self) -> None:
        while not self._closing:
            try:
                self._follow(self._read_slots())
            except OSError as exc:
                log.debug("bus_without_slots", error=str(exc))
            self._look.wait(_POLL_SECONDS if self.is_up else _FAST_POLL_SECONDS)
            if self._look.is_set():
                self._look.clear()
                self._look.wait(_FAST_POLL_SECONDS)  # give the cluster time to update a map that was just found wrong

    def _read_slots(self) -> list[Any]:
        """Ask the known servers one after another for the map of slots; raise OSError if none answers."""
        for host, port in (*self._by_host, *self._address.hosts):
            try:
                slots: list[Any] = ask_once(self._address, host, port, "CLUSTER", "SLOTS")
            except OSError:
                continue
            return slots
        raise ConnectionRefusedError("no node of the Redis Cluster answers")

    def _follow(self, slots: list[Any]) -> None:
        """Apply a map of slots: add missing links, close obsolete ones, and move each channel to its link."""
        owners: list[Host | None] = [None] * _SLOTS
        for first, last, master, *_replicas in slots:
            host = (master[0].decode() or self._address.hosts[0][0], int(master[1]))
            owners[first : last + 1] = [host] * (last + 1 - first)
        with self._turn:
            if owners == self._owners and all(self._is_sound(host) for host in self._by_host):
                return
            self._owners = owners
            self._end_links({host for host in self._by_host if not self._is_sound(host)})
            missing = {owner for owner in owners if owner is not None} - self._by_host.keys()
            added = [self._add_link(host) for host in missing]
            self._move_channels()
            for link in added:  # only now: `is_up` must not be true while some links are missing
                link.start()

    def _is_sound(self, host: Host) -> bool:
        """Return whether the slot of the link's canary channel still belongs to the link's server."""
        return self._owners[key_slot(self._by_host[host].canary)] == host

    def _end_links(self, hosts: set[Host]) -> None:
        for host in hosts:
            link = self._by_host.pop(host)
            self._links.remove(link)
            self._orphans |= link.missed
            threading.Thread(target=link.close, daemon=True).start()

    def _add_link(self, host: Host) -> PubSubConnection:
        canary = next(name for name in self._canaries() if self._owners[key_slot(name)] == host)
        link = PubSubConnection(self, lambda: self._connect_to(host), canary, verbs=SHARDED, queue_max=self._queue_max)
        self._by_host[host] = link
        self._links.append(link)
        return link

    def _canaries(self) -> Iterator[bytes]:
        number = 0
        while True:
            yield b"%s:%d" % (self._canary, number)
            number += 1

    def _connect_to(self, host: Host) -> Connection:
        return Connection(self._address, *host, name=f"imapp-{self._node}")

    def _move_channels(self) -> None:
        moved = False
        for channel in self._wanted:
            home = self._owner(channel)
            for link in self._links:
                if link is not home and channel in link.channels:
                    link.unsubscribe(channel)
            if home is not None and channel not in home.channels:
                home.subscribe(channel)
                moved = moved or home.is_up
        if moved and self._listener is not None and self._has_been_up:
            metrics.BUS_GAPS.labels(reason="slot_moved").inc()
            self._listener.gap("bus_restored")
