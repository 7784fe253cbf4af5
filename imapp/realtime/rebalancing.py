"""Spread the clients over the nodes again after a node has joined the cluster.

A proxy assigns a new session to the node with the fewest connections, but never moves an open one. Without rebalancing,
the node that was restarted last stays empty. Each node compares its number of connections with the other nodes'
reports. After a node has joined, every node with more than its share tells its surplus clients to reconnect, at a rate
that the new node can take. A node does so once for each node that joins: behind a proxy that sends an address back to
the same node (`--ip-hash`) the moved clients reconnect once without effect, and no loop begins.
"""

import math
import random
import time
from typing import NamedTuple

from imapp.cluster.registry import presence
from imapp.logs import get_logger
from imapp.realtime.drain import move_clients
from imapp.realtime.server import RealtimeServer

log = get_logger(__name__)

#: Seconds between two reads of the nodes' reports; nodes report every quarter of a lease (2 s by default).
_CHECK_SECONDS = 2.0

#: Seconds from the arrival of a node until clients move, so that clients that lost their node reconnect first.
_SETTLE_SECONDS = 3.0

#: A node moves clients if its surplus is more than _TOLERANCE of its share, and more than _LEAST connections.
_TOLERANCE = 0.05
_LEAST = 2


class NodeStart(NamedTuple):
    """One start of a node."""

    node_id: str
    #: Unix time in seconds.
    started_at: float


class Rebalancer:
    """Moves clients of one node: after each arrival of a node if `is_automatic`, and after each call of `request`."""

    def __init__(self, server: RealtimeServer, *, node_id: str, per_second: int, is_automatic: bool) -> None:
        self._server = server
        self._node_id = node_id
        self._per_second = per_second
        self._is_automatic = is_automatic
        #: The nodes in the previous reports; None before the first ones.
        self._present: set[NodeStart] | None = None
        self._seen: set[NodeStart] = set()
        #: Monotonic time at which to move clients, None if none is due. Only clients that connected before
        #: `_connected_before` (Unix time) may move.
        self._due: float | None = None
        self._connected_before = 0.0

    def run(self) -> None:
        """Check the nodes' reports periodically, until this node drains."""
        while not self._server.is_draining:
            self._server.sleep(_CHECK_SECONDS)
            try:
                self._check_reports()
            except Exception:  # the checks must go on
                log.exception("rebalancing_failed")

    def request(self) -> None:
        """Move this node's surplus at the next check."""
        self._due, self._connected_before = time.monotonic(), time.time()

    def _check_reports(self) -> None:
        with self._server.app.app_context():
            reports = presence.cluster().reports()
        if reports is None:
            return
        serving = [report for report in reports if report["state"] == "up"]
        self._schedule_move({NodeStart(report["id"], report["started_at"]) for report in serving})
        if self._due is not None and time.monotonic() >= self._due:
            self._due = None
            self._move({report["id"]: report["connections"] for report in serving})

    def _schedule_move(self, present: set[NodeStart]) -> None:
        """Schedule a move if a node has joined since the previous reports; a node that was away and is back counts."""
        joined = present - self._present if self._is_automatic and self._present is not None else set()
        for node in joined:
            # Only clients that connected before the new node's start move: the proxy could assign later ones to it.
            before = time.time() if node in self._seen else node.started_at
            self._connected_before = max(self._connected_before, before)
            self._due = time.monotonic() + _SETTLE_SECONDS
        self._present = present
        self._seen |= present

    def _move(self, counts: dict[str, int]) -> None:
        open_here = presence.local_of(self._server.app).open
        connections = self._server.connections.all()
        movable = [c for c in connections if c.sid in open_here and open_here[c.sid].since < self._connected_before]
        counts = {**counts, self._node_id: len(connections)}
        surplus = min(surplus_of(self._node_id, counts), len(movable))
        if surplus == 0:
            return
        overloaded = sum(1 for node in counts if surplus_of(node, counts))
        seconds = surplus * overloaded / self._per_second
        log.info("rebalancing", moved=surplus, connections=counts[self._node_id], nodes=len(counts))
        move_clients(self._server, random.sample(movable, surplus), seconds)


def surplus_of(node_id: str, counts: dict[str, int]) -> int:
    """Return a node's connections above its share, 0 within the tolerance. `counts`: node id -> connections."""
    share = math.ceil(sum(counts.values()) / len(counts))
    surplus = counts.get(node_id, 0) - share
    return surplus if surplus > max(_LEAST, share * _TOLERANCE) else 0
