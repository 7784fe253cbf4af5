"""Each node's counts of the last day: one small record for each interval, here called a step.

Keys, in one hash slot by the tag `{cluster}`:

    {cluster}:history         zset  node id -> time of its last record, in Unix seconds; expires after a day
    {cluster}:history:NODE    zset  record (JSON) -> the end of its step, in Unix seconds; expires after a day

A node writes only its own records. Each write drops records older than a day, and the oldest beyond MOST_STEPS. While
Redis is away there is a gap. A node also keeps its own records in memory; without Redis these are the whole history.
"""

from collections import deque
from typing import Any, Protocol

from flask import Flask

from imapp.cluster import redis
from imapp.node import node_of

#: Seconds for which a record is kept.
DAY_SECONDS = 86_400

#: Maximum number of records of one node, whatever the length of a step: one a minute for a day. The oldest are dropped.
MOST_STEPS = 1440


class History(Protocol):
    """The records of all nodes; one in memory and one over Redis, with one test suite."""

    def add(self, at: int, record: str) -> None:
        """Store the record of this node's step that ended at `at` (Unix seconds); raises redis.RedisError."""

    def read(self, since: int) -> dict[str, list[str]]:
        """Return all nodes' records of steps that ended after `since`, by node id; this node's while Redis is away."""


class MemoryHistory:
    """The records of this node; see History."""

    def __init__(self, node_id: str) -> None:
        self._node = node_id
        self._records: deque[tuple[int, str]] = deque(maxlen=MOST_STEPS)

    def add(self, at: int, record: str) -> None:
        """Store the record of the step that ended at `at`."""
        self._records.append((at, record))

    def read(self, since: int) -> dict[str, list[str]]:
        """Return this node's records of steps that ended after `since`."""
        return {self._node: [record for at, record in self._records if at > since]}


class RedisHistory:
    """The records of all nodes of the cluster; see History. `client` is a redis-py client."""

    def __init__(self, client: Any, cluster: str, node_id: str) -> None:
        self._client = client
        self._index = f"{{{cluster}}}:history"
        self._node = node_id
        self._own = MemoryHistory(node_id)

    def add(self, at: int, record: str) -> None:
        """Store the record in memory and in Redis; raises redis.RedisError."""
        self._own.add(at, record)
        key, past = self._key(self._node), f"({at - DAY_SECONDS}"
        pipe = self._client.pipeline(transaction=False)
        pipe.zadd(key, {record: at})
        pipe.zremrangebyscore(key, "-inf", past)
        pipe.zremrangebyrank(key, 0, -MOST_STEPS - 1)
        pipe.expire(key, DAY_SECONDS)
        pipe.zadd(self._index, {self._node: at})
        pipe.zremrangebyscore(self._index, "-inf", past)
        pipe.expire(self._index, DAY_SECONDS)
        pipe.execute()

    def read(self, since: int) -> dict[str, list[str]]:
        """Return all nodes' records of steps that ended after `since`; this node's while Redis is away."""
        found = redis.ask(lambda: self._query(since))
        return self._own.read(since) if found is None else found

    def _query(self, since: int) -> dict[str, list[str]]:
        nodes = self._client.zrange(self._index, 0, -1)
        pipe = self._client.pipeline(transaction=False)
        for node in nodes:
            pipe.zrangebyscore(self._key(node), f"({since}", "+inf")
        return dict(zip(nodes, pipe.execute(), strict=True))

    def _key(self, node: str) -> str:
        return f"{self._index}:{node}"


def history_of(app: Flask) -> History:
    """Return the history of an app's node, which the settings choose at the first call."""
    return node_of(app).part_or(History, lambda: _make(app))


def _make(app: Flask) -> History:
    settings = node_of(app).settings
    if settings.redis_url is None:
        return MemoryHistory(settings.node_id)
    return RedisHistory(redis.client_of(app), settings.cluster_name, settings.node_id)
