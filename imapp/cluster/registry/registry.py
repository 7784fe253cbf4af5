"""The cluster's register of nodes and their connections, in Redis.

Keys, all in one hash slot by the tag `{cluster}`, so that one script can use all of them on a Redis Cluster too:

    {cluster}:nodes           zset  node id -> end of its lease, in ms of Redis' clock
    {cluster}:lease:NODE      str   the process that holds the node's lease; expires with the lease
    {cluster}:node:NODE       str   the node's latest report (JSON); expires after ten leases
    {cluster}:conns:NODE      hash  sid -> "user session platform since"; expires after ten leases
    {cluster}:users:NODE      hash  user id -> number of connections; expires after ten leases

A node renews all its keys with each heartbeat. Another node removes the keys of a dead node (`reap`). Scripts use
Redis' own time: the nodes' clocks do not matter.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from imapp.cluster.bus.envelope import SID_MARK
from imapp.cluster.clock import cluster_time

_NOW = "local t=redis.call('TIME') local now=t[1]*1000+math.floor(t[2]/1000) "

# ARGV: prefix, ... ; online(user, but): whether the user has a connection to a live node other than `but`.
_ONLINE = (
    _NOW
    + """
local live=redis.call('ZRANGEBYSCORE',KEYS[1],'('..now,'+inf')
local function online(user,but)
  for _,node in ipairs(live) do
    if node~=but and redis.call('HEXISTS',ARGV[1]..':users:'..node,user)==1 then return true end
  end
  return false
end
"""
)

# ARGV: prefix, node, sid, user, text. Adds a connection; returns 1 if the user came online with it, else 0.
_OPEN = (
    _ONLINE
    + """
local users=ARGV[1]..':users:'..ARGV[2]
local was=redis.call('HEXISTS',users,ARGV[4])==1 or online(ARGV[4],ARGV[2])
if redis.call('HSET',ARGV[1]..':conns:'..ARGV[2],ARGV[3],ARGV[5])==1 then redis.call('HINCRBY',users,ARGV[4],1) end
return was and 0 or 1
"""
)

# ARGV: prefix, node, sid, user. Removes a connection; returns 1 if the user went offline with it, else 0.
_CLOSE = (
    _ONLINE
    + """
local users=ARGV[1]..':users:'..ARGV[2]
if redis.call('HDEL',ARGV[1]..':conns:'..ARGV[2],ARGV[3])==0 then return 0 end
if redis.call('HINCRBY',users,ARGV[4],-1)>0 then return 0 end
redis.call('HDEL',users,ARGV[4])
return online(ARGV[4],ARGV[2]) and 0 or 1
"""
)

# ARGV: prefix, node, instance, lease in ms, report. Renews the lease; returns {state, time in ms}. State 0: another
# process holds the lease, 1: renewed, 2: taken after it had expired, or for the first time.
_RENEW = (
    _NOW
    + """
local lease=ARGV[1]..':lease:'..ARGV[2]
local holder=redis.call('GET',lease)
if holder and holder~=ARGV[3] then return {0,now} end
local ms=tonumber(ARGV[4])
redis.call('SET',lease,ARGV[3],'PX',ms)
local known=redis.call('ZSCORE',KEYS[1],ARGV[2])
redis.call('ZADD',KEYS[1],now+ms,ARGV[2])
redis.call('SET',ARGV[1]..':node:'..ARGV[2],ARGV[5],'PX',ms*10)
redis.call('PEXPIRE',ARGV[1]..':conns:'..ARGV[2],ms*10)
redis.call('PEXPIRE',ARGV[1]..':users:'..ARGV[2],ms*10)
return {(holder and known) and 1 or 2,now}
"""
)

# ARGV: prefix, node, then sid, user, text of each open connection. Replaces all connections of the node. Returns
# {users that went offline, users that came online}.
_REWRITE = (
    _ONLINE
    + """
local conns,users=ARGV[1]..':conns:'..ARGV[2],ARGV[1]..':users:'..ARGV[2]
local old={}
for _,user in ipairs(redis.call('HKEYS',users)) do old[user]=true end
redis.call('DEL',conns,users)
local gone,come={},{}
for i=3,#ARGV,3 do
  redis.call('HSET',conns,ARGV[i],ARGV[i+2])
  if redis.call('HINCRBY',users,ARGV[i+1],1)==1 and not old[ARGV[i+1]] and not online(ARGV[i+1],ARGV[2]) then
    come[#come+1]=ARGV[i+1]
  end
end
for user in pairs(old) do
  if redis.call('HEXISTS',users,user)==0 and not online(user,ARGV[2]) then gone[#gone+1]=user end
end
return {gone,come}
"""
)

# ARGV: prefix. Removes one node with an expired lease. Returns {node, users that went offline}; {} if there is none.
_REAP = (
    _ONLINE
    + """
local dead=redis.call('ZRANGEBYSCORE',KEYS[1],'-inf',now,'LIMIT',0,1)[1]
if not dead then return {} end
redis.call('ZREM',KEYS[1],dead)
local gone={}
for _,user in ipairs(redis.call('HKEYS',ARGV[1]..':users:'..dead)) do
  if not online(user,dead) then gone[#gone+1]=user end
end
redis.call('DEL',ARGV[1]..':users:'..dead,ARGV[1]..':conns:'..dead,ARGV[1]..':node:'..dead)
return {dead,gone}
"""
)

# ARGV: prefix. Returns the users of the node that `_REAP` would remove next; nil if no lease has expired.
_DEAD = (
    _NOW
    + """
local dead=redis.call('ZRANGEBYSCORE',KEYS[1],'-inf',now,'LIMIT',0,1)[1]
return dead and redis.call('HKEYS',ARGV[1]..':users:'..dead)
"""
)

# ARGV: prefix, node, instance. Removes the node if this process holds its lease; returns 1 if it did, else 0.
_RELEASE = """
if redis.call('GET',ARGV[1]..':lease:'..ARGV[2])~=ARGV[3] then return 0 end
redis.call('ZREM',KEYS[1],ARGV[2])
for _,kind in ipairs({'lease','node','conns','users'}) do redis.call('DEL',ARGV[1]..':'..kind..':'..ARGV[2]) end
return 1
"""

# ARGV: prefix, users. Returns the online users among the given ones.
_AMONG = (
    _ONLINE
    + """
local found={}
for i=2,#ARGV do if online(ARGV[i],nil) then found[#found+1]=ARGV[i] end end
return found
"""
)

# ARGV: prefix. Returns the reports of the live nodes.
_REPORTS = (
    _ONLINE
    + """
local found={}
for _,node in ipairs(live) do found[#found+1]=redis.call('GET',ARGV[1]..':node:'..node) or '' end
return found
"""
)

# ARGV: prefix. Returns a list of users for each live node.
_USERS = (
    _ONLINE
    + """
local found={}
for _,node in ipairs(live) do found[#found+1]=redis.call('HKEYS',ARGV[1]..':users:'..node) end
return found
"""
)


# ARGV: prefix, user. Returns the live nodes with a connection of the user.
_NODES_OF = (
    _ONLINE
    + """
local found={}
for _,node in ipairs(live) do
  if redis.call('HEXISTS',ARGV[1]..':users:'..node,ARGV[2])==1 then found[#found+1]=node end
end
return found
"""
)

#: Connections that one HSCAN step examines: Redis serves no other client during a step.
_SCAN = 1000


@dataclass(frozen=True)
class ConnectionInfo:
    """One open connection and its device; `since` is Unix time in seconds."""

    sid: str
    user_id: int
    session_id: int = 0
    platform: str = ""
    device: str = ""
    since: float = 0.0


class Registry:
    """One node's access to the register. Every method raises redis.RedisError if Redis is away."""

    def __init__(self, client: Any, cluster: str, node_id: str) -> None:
        self._client = client
        self._prefix = f"{{{cluster}}}"
        self._node = node_id

    def _run(self, script: str, *arguments: object) -> Any:
        return self._client.register_script(script)([f"{self._prefix}:nodes"], [self._prefix, *arguments])

    def open(self, one: ConnectionInfo) -> bool:
        """Add a connection of this node; return whether the user came online in the cluster."""
        return bool(self._run(_OPEN, self._node, one.sid, one.user_id, _text(one)))

    def close(self, one: ConnectionInfo) -> bool:
        """Remove a connection of this node; return whether the user went offline in the cluster."""
        return bool(self._run(_CLOSE, self._node, one.sid, one.user_id))

    def renew(self, instance: str, lease_ms: int, report: dict[str, Any]) -> int:
        """Renew the lease and set the clock. Return 0 if another process holds the lease, 1 if renewed, 2 if taken."""
        state, now_ms = self._run(_RENEW, self._node, instance, lease_ms, orjson.dumps(report))
        cluster_time.set(int(now_ms) / 1000)
        return int(state)

    def rewrite(self, connections: Iterable[ConnectionInfo]) -> tuple[list[int], list[int]]:
        """Replace all connections of this node; return the users that went offline and those that came online."""
        flat = [word for one in connections for word in (one.sid, one.user_id, _text(one))]
        gone, come = self._run(_REWRITE, self._node, *flat)
        return list(map(int, gone)), list(map(int, come))

    def own_users(self) -> set[int]:
        """Return the users of this node that Redis has."""
        return set(map(int, self._client.hkeys(f"{self._prefix}:users:{self._node}")))

    def users_of_dead(self) -> set[int] | None:
        """Return the users of the dead node that `reap` removes next; None if no node is dead."""
        found = self._run(_DEAD)
        return None if found is None else set(map(int, found))

    def reap(self) -> tuple[str, list[int]] | None:
        """Remove one dead node; return its name and the users that went offline, or None if no node is dead."""
        found = self._run(_REAP)
        return (found[0], list(map(int, found[1]))) if found else None

    def release(self, instance: str) -> None:
        """Remove this node from the register, unless another process holds its lease."""
        self._run(_RELEASE, self._node, instance)

    def sids(self) -> set[str]:
        """Return the sids of this node's connections that Redis has."""
        return set(self._client.hkeys(f"{self._prefix}:conns:{self._node}"))

    def connections(self, node_id: str) -> list[ConnectionInfo]:
        """Return the connections of a node that Redis has."""
        found = self._client.hgetall(f"{self._prefix}:conns:{node_id}")
        return [_presence(sid, text) for sid, text in found.items()]

    def online_among(self, user_ids: list[int]) -> set[int]:
        """Return the ids of the given users that have a connection to a live node."""
        return set(map(int, self._run(_AMONG, *user_ids)))

    def connections_of(self, user_id: int) -> list[tuple[str, ConnectionInfo]]:
        """Return (node id, connection) of each open connection of a user."""
        mark = f"{user_id} "
        return [
            (node, _presence(sid, text))
            for node in self._run(_NODES_OF, user_id)
            for sid, text in self._client.hscan_iter(f"{self._prefix}:conns:{node}", count=_SCAN)
            if text.startswith(mark)
        ]

    def connection(self, sid: str) -> ConnectionInfo | None:
        """Return a connection, None if it does not exist. Its sid begins with its node's name."""
        text = self._client.hget(f"{self._prefix}:conns:{sid.partition(SID_MARK)[0]}", sid)
        return None if text is None else _presence(sid, text)

    def all_users(self) -> set[int]:
        """Return the ids of all users online in the cluster."""
        return {int(user) for users in self._run(_USERS) for user in users}

    def reports(self) -> list[dict[str, Any]]:
        """Return the latest reports of the live nodes, sorted by node id."""
        found = [orjson.loads(report) for report in self._run(_REPORTS) if report]
        return sorted(found, key=lambda report: str(report["id"]))


def _text(one: ConnectionInfo) -> str:
    return f"{one.user_id} {one.session_id} {one.platform or '-'} {one.since:.0f}"


def _presence(sid: str, text: str) -> ConnectionInfo:
    user_id, session_id, rest = text.split(" ", 2)
    platform, _, since = rest.rpartition(" ")  # a platform may contain spaces
    return ConnectionInfo(sid, int(user_id), int(session_id), "" if platform == "-" else platform, since=float(since))
