"""The carrier over a Redis Cluster: sharded pub/sub, so that a message stays on the shard of its channel.

One link for each master. Which master has a channel follows from the hash slot of its name (Redis Cluster
specification, "Key distribution model"). The map of slots is read again when a link is lost, a server says MOVED or
takes a subscription back; channels then go to the link that has their slot now.
"""

import threading
from typing import Any

from redis.crc import key_slot

from imapp import metrics
from imapp.cluster.address import Address
from imapp.cluster.broker import Listener
from imapp.cluster.link import MISSED_MAX, SHARDED, Link
from imapp.cluster.redis_broker import RedisBroker
from imapp.cluster.resp import Connection, ask_once
from imapp.cluster.seal import Seal
from imapp.logs import get_logger

log = get_logger(__name__)

#: Seconds between two looks at the map of slots while something is wrong with it, and while nothing is.
_HURRY_SECONDS = 0.3
_REST_SECONDS = 15.0

_SLOTS = 16_384

Host = tuple[str, int]


class RedisClusterBroker(RedisBroker):
    """See the module. Channels lie on different masters: only what is said on one of them keeps its order."""

    keeps_order = False

    def __init__(self, address: Address, seal: Seal, *, name: str, node: str, queue_max: int) -> None:
        super().__init__(address, seal, name=name, node=node, queue_max=queue_max)
        self._owners: list[Host | None] = [None] * _SLOTS
        self._by_host: dict[Host, Link] = {}
        self._wanted: set[bytes] = set()
        #: Channels whose messages found no owner.
        self._orphans: set[bytes] = set()
        self._turn = threading.RLock()
        self._look = threading.Event()
        self._closing = False

    def _make_links(self) -> list[Link]:
        return []  # they follow from the map

    # -- for the node ----------------------------------------------------------------------------------------------

    def start(self, listener: Listener) -> None:
        """Begin to connect."""
        super().start(listener)
        threading.Thread(target=self._follow_for_ever, name="bus-slots", daemon=True).start()

    def publish(self, channel: str, body: bytes) -> bool:
        """Queue for all other nodes that are subscribed."""
        name = channel.encode()
        link = self._owner(name)
        if link is not None:
            return link.publish(name, self._seal.close(name, body))
        metrics.BUS_DROPPED.inc()
        if len(self._orphans) <= MISSED_MAX:
            self._orphans.add(name)
        return False

    def subscribe(self, channel: str) -> None:
        """Hear a channel, from the moment that `settle` waits for."""
        name = channel.encode()
        with self._turn:
            self._wanted.add(name)
            link = self._owner(name)
            if link is not None:
                link.subscribe(name)

    def unsubscribe(self, channel: str) -> None:
        """Hear it no longer."""
        name = channel.encode()
        with self._turn:
            self._wanted.discard(name)
            for link in self._links:
                if name in link.channels:
                    link.unsubscribe(name)

    def close(self) -> None:
        """Send what waits and end."""
        self._closing = True
        self._look.set()
        super().close()

    def _owner(self, channel: bytes) -> Link | None:
        host = self._owners[key_slot(channel)]
        return None if host is None else self._by_host.get(host)

    # -- for the links ---------------------------------------------------------------------------------------------

    def link_up(self, link: Link) -> None:
        """As for one Redis, once all links are up."""
        link.missed |= self._orphans
        self._orphans = set()
        super().link_up(link)

    def link_down(self, link: Link, reason: str) -> None:
        """Count it, and look who has its slots now."""
        super().link_down(link, reason)
        self._look.set()

    def moved(self, link: Link) -> None:
        """Look who has the slot now."""
        self._look.set()

    # -- the map of slots --------------------------------------------------------------------------------------------

    def _follow_for_ever(self) -> None:
        while not self._closing:
            try:
                self._follow(self._read_slots())
            except OSError as exc:
                log.debug("bus_without_slots", error=str(exc))
            self._look.wait(_REST_SECONDS if self.is_up else _HURRY_SECONDS)
            if self._look.is_set():
                self._look.clear()
                self._look.wait(_HURRY_SECONDS)  # a map that was just found wrong is not right at once

    def _read_slots(self) -> list[Any]:
        """Ask those known in turn; raises OSError when nobody answers."""
        for host, port in (*self._by_host, *self._address.hosts):
            try:
                slots: list[Any] = ask_once(self._address, host, port, "CLUSTER", "SLOTS")
            except OSError:
                continue
            return slots
        raise ConnectionRefusedError("no node of the Redis Cluster answers")

    def _follow(self, slots: list[Any]) -> None:
        """Make the links that the map needs, end the others, and bring each channel to its link."""
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
            self._bring_channels_home()
            for link in added:  # when all are there: one that is up too soon is not the whole carrier
                link.start()

    def _is_sound(self, host: Host) -> bool:
        """Whether the link's own canary still lives on its server."""
        return self._owners[key_slot(self._by_host[host].canary)] == host

    def _end_links(self, hosts: set[Host]) -> None:
        for host in hosts:
            link = self._by_host.pop(host)
            self._links.remove(link)
            self._orphans |= link.missed
            threading.Thread(target=link.close, daemon=True).start()

    def _add_link(self, host: Host) -> Link:
        canary = next(name for name in self._canaries() if self._owners[key_slot(name)] == host)
        link = Link(self, lambda: self._connect_to(host), canary, verbs=SHARDED, queue_max=self._queue_max)
        self._by_host[host] = link
        self._links.append(link)
        return link

    def _canaries(self) -> Any:
        number = 0
        while True:
            yield b"%s:%d" % (self._canary, number)
            number += 1

    def _connect_to(self, host: Host) -> Connection:
        return Connection(self._address, *host, name=f"imapp-{self._node}")

    def _bring_channels_home(self) -> None:
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
