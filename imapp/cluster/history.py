"""What each node counted within the last day, one small record a step.

Keys, in one hash slot by the tag `{cluster}`:

    {cluster}:history         zset  node id -> when it last wrote, in Unix seconds; expires after a day
    {cluster}:history:NODE    zset  record (JSON) -> the end of its step, in Unix seconds; expires after a day

A node writes its own records only; what is older than a day, or more than MOST_STEPS, is dropped with each. While Redis
is away there is a gap. A node also keeps its own records in memory: that is all there is on a node that is alone.
"""

from collections import deque
from typing import Any

#: How long a record is kept.
DAY_SECONDS = 86_400

#: Records of one node at most, whatever a step is: a day of minutes.
MOST_STEPS = 1440


class History:
    """See the module. `client` is redis-py's, None for a node that is alone."""

    def __init__(self, client: Any, cluster: str, node_id: str) -> None:
        self._client = client
        self._index = f"{{{cluster}}}:history"
        self._node = node_id
        self._own: deque[tuple[int, str]] = deque(maxlen=MOST_STEPS)

    def add(self, at: int, record: str) -> None:
        """Keep the record of this node's step that ended at `at`; raises redis.RedisError."""
        self._own.append((at, record))
        if self._client is None:
            return
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
        """The records of steps that ended after `since`, by node; raises redis.RedisError."""
        if self._client is None:
            return self.own(since)
        nodes = self._client.zrange(self._index, 0, -1)
        pipe = self._client.pipeline(transaction=False)
        for node in nodes:
            pipe.zrangebyscore(self._key(node), f"({since}", "+inf")
        return dict(zip(nodes, pipe.execute(), strict=True))

    def own(self, since: int) -> dict[str, list[str]]:
        """The same of this node alone, from its memory."""
        return {self._node: [record for at, record in self._own if at > since]}

    def _key(self, node: str) -> str:
        return f"{self._index}:{node}"
