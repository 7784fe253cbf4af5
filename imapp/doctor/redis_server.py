"""Checks of the Redis servers."""

from collections.abc import Callable
from functools import wraps

from redis.exceptions import NoPermissionError

from imapp.cluster import redis
from imapp.cluster.bus.resp import ask_once
from imapp.cluster.redis_url import parse
from imapp.cluster.registry import presence
from imapp.doctor.context import Context
from imapp.doctor.finding import Finding, fail, ok, skip, warn
from imapp.doctor.redis_servers import Server, servers
from imapp.doctor.runner import Check

_OLDEST = 7

#: Response time in milliseconds above which every log-in is noticeably slower.
_SLOW_MS = 20.0

#: Share of a limit above which a check warns, and above which it fails.
_WARN_SHARE, _FAIL_SHARE = 0.8, 0.95

#: Maximum number of connections of one node (docs/operations.md, Metrics).
_NODE_CONNECTIONS = 34

_ORDER = ("SKIP", "OK", "WARN", "FAIL")

#: The commands that the nodes use on their keys: leases, reports, connections, counts.
_SCRIPT = """
local t=redis.call('TIME')
redis.call('SET',KEYS[1],ARGV[1],'PX',5000)
redis.call('PEXPIRE',KEYS[1],5000)
local found=redis.call('GET',KEYS[1])
redis.call('DEL',KEYS[1])
redis.call('ZADD',KEYS[1],t[1],ARGV[1])
redis.call('ZRANGEBYSCORE',KEYS[1],'-inf','+inf')
redis.call('ZREM',KEYS[1],ARGV[1])
redis.call('HSET',KEYS[1],ARGV[1],1)
redis.call('HINCRBY',KEYS[1],ARGV[1],1)
redis.call('HKEYS',KEYS[1])
redis.call('HDEL',KEYS[1],ARGV[1])
redis.call('DEL',KEYS[1])
return found
"""


def _of_each(judge: Callable[[Context, Server], Finding]) -> Check:
    """Make a check that judges each server, and returns the worst finding with the name of its server."""

    @wraps(judge)
    def check(context: Context) -> Finding:
        if context.settings.redis_url is None:
            return skip("REDIS_URL is unset: this is a single node")
        found = [(server.name, judge(context, server)) for server in context.once(servers)]
        name, worst = max(found, key=lambda one: _ORDER.index(one[1].status))
        text = worst.text if len(found) == 1 else f"{name}: {worst.text}"
        return Finding(worst.status, text, worst.cure, worst.command)

    return check


def _unknown(what: str) -> Finding:
    cure = "Only the doctor needs this right: run it with a Redis user that has it, or check the values by hand."
    return warn(f"the user of REDIS_URL may not run {what}", cure, "ACL SETUSER imapp +info +config|get")


@_of_each
def answers(_context: Context, server: Server) -> Finding:
    """Check that the server answers quickly."""
    text = f"{server.name} answers in {server.ping_ms:.1f} ms"
    if server.ping_ms > _SLOW_MS:
        cure = "Move it closer to the nodes, or look for slow commands."
        return warn(text, cure, "redis-cli --latency; redis-cli SLOWLOG GET")
    return ok(text)


@_of_each
def version(_context: Context, server: Server) -> Finding:
    """Check the version: sharded pub/sub and some commands need Redis 7."""
    if not server.info:
        return _unknown("INFO")
    found = str(server.info["redis_version"])
    if int(found.partition(".")[0]) < _OLDEST:
        return fail(f"Redis {found}", "Redis 7.0 or newer is needed.", "redis-server --version")
    return ok(f"Redis {found}")


@_of_each
def policy(_context: Context, server: Server) -> Finding:
    """Check that Redis evicts no keys: they hold leases and presence."""
    if not server.config:
        return _unknown("CONFIG GET")
    found, limit = server.config["maxmemory-policy"], int(server.config["maxmemory"])
    if found == "noeviction":
        return ok("maxmemory-policy noeviction")
    make = fail if limit else warn
    cure = "Set noeviction: under memory pressure Redis would evict nodes' leases and users' presence."
    return make(f"maxmemory-policy {found}", cure, "redis-cli CONFIG SET maxmemory-policy noeviction")


@_of_each
def buffers(context: Context, server: Server) -> Finding:
    """Check the output buffers: a node that lags for a moment must not be disconnected."""
    if not server.config:
        return _unknown("CONFIG GET")
    words = server.config["client-output-buffer-limit"].split()
    hard, soft, seconds = map(int, words[words.index("pubsub") + 1 :][:3])
    text = f"client-output-buffer-limit pubsub {hard} {soft} {seconds}"
    command = 'redis-cli CONFIG SET client-output-buffer-limit "pubsub 33554432 8388608 60"'
    if hard == 0:
        return warn(text, "Set a limit: a node that hangs would fill Redis' memory.", command)
    if hard < context.settings.bus_queue_max_bytes:
        cure = "Raise it: a burst of IM_BUS_QUEUE_MAX_BYTES from one node would disconnect the other nodes."
        return warn(text, cure, command)
    return ok(text)


@_of_each
def persistence(_context: Context, server: Server) -> Finding:
    """Report the persistence for information: no data in Redis needs to survive a restart."""
    if not server.config:
        return _unknown("CONFIG GET")
    kept = [
        name for name, is_on in (("RDB", server.config["save"]), ("AOF", server.config["appendonly"] == "yes")) if is_on
    ]
    return ok(f"{' and '.join(kept) or 'no'} persistence; none is needed")


@_of_each
def clients(_context: Context, server: Server) -> Finding:
    """Check for enough connections for all nodes."""
    if not (server.info and server.config):
        return _unknown("INFO and CONFIG GET")
    found, limit = int(server.info["connected_clients"]), int(server.config["maxclients"])
    needed = _NODE_CONNECTIONS * (len(presence.cluster().reports() or []) or 1)
    text = f"{found} of {limit} clients; the nodes may use {needed}"
    command = "redis-cli CONFIG SET maxclients 10000"
    if needed > limit:
        return fail(text, "Raise maxclients: the nodes may need more connections.", command)
    if found > _WARN_SHARE * limit:
        return warn(text, "Nearly all connections are in use: list them, or raise maxclients.", "redis-cli CLIENT LIST")
    return ok(text)


@_of_each
def memory(_context: Context, server: Server) -> Finding:
    """Check for enough memory for presence."""
    if not server.info:
        return _unknown("INFO")
    used, limit = int(server.info["used_memory"]), int(server.info.get("maxmemory", 0))
    if not limit:
        return ok(f"{used / 2**20:.1f} MiB, no limit")
    text = f"{used / 2**20:.1f} of {limit / 2**20:.1f} MiB"
    if used <= _WARN_SHARE * limit:
        return ok(text)
    make = fail if used > _FAIL_SHARE * limit else warn
    cure = "Raise maxmemory: when the memory is full, Redis refuses writes."
    return make(text, cure, "redis-cli CONFIG SET maxmemory 256mb")


def rights(context: Context) -> Finding:
    """Check that the user may run the nodes' commands on keys; nodes.bus checks channels."""
    if context.settings.redis_url is None:
        return skip("REDIS_URL is unset: this is a single node")
    client = redis.client()
    name = context.settings.cluster_name
    own = f"{{{name}}}:doctor"
    try:
        client.register_script(_SCRIPT)([own], ["doctor"])
        client.incrby(own, 1)
        client.expire(own, 5)
    except redis.RedisError as exc:
        if not (isinstance(exc, NoPermissionError) or "permission" in str(exc).lower()):
            raise
        cure = "Give the user the least rights named in docs/operations.md, Redis."
        rule = f"ACL SETUSER imapp ~{{{name}}}:* &{name}:* +@all -@admin -@dangerous +role +cluster|slots"
        return fail(str(exc).splitlines()[0], cure, rule)
    return ok(f"the user may run all commands of the nodes on keys of {{{name}}}")


def topology(context: Context) -> Finding:
    """Check that the Sentinels agree on the master, or that a Redis Cluster serves all slots."""
    if context.settings.redis_url is None:
        return skip("REDIS_URL is unset: this is a single node")
    kind = parse(context.settings.redis_url).kind
    if kind == "single":
        return skip("a single Redis server, no Sentinels, no Cluster")
    return _sentinels(context) if kind == "sentinel" else _cluster()


def _sentinels(context: Context) -> Finding:
    address = parse(str(context.settings.redis_url))
    told: dict[str, str] = {}
    for host, port in address.hosts:
        try:
            found = ask_once(
                address, host, port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.master, is_sentinel=True
            )
            told[f"{host}:{port}"] = ":".join(part.decode() for part in found) if found else "unknown"
        except OSError as exc:
            told[f"{host}:{port}"] = type(exc).__name__
    text = f"master {address.master}: " + ", ".join(f"{host} says {words}" for host, words in told.items())
    if len(set(told.values())) > 1:
        cure = "The Sentinels disagree: a failover may be in progress, or a Sentinel may be down."
        return warn(text, cure, f"redis-cli -p 26379 SENTINEL CKQUORUM {address.master}")
    return ok(text)


def _cluster() -> Finding:
    state = redis.client().cluster_info()["cluster_state"]
    if state != "ok":
        return fail(
            f"cluster_state {state}",
            "Not all slots are served: restart the missing masters.",
            "redis-cli --cluster check HOST:PORT",
        )
    return ok("cluster_state ok")


CHECKS: dict[str, Check] = {
    "redis.answers": answers,
    "redis.version": version,
    "redis.policy": policy,
    "redis.buffers": buffers,
    "redis.persistence": persistence,
    "redis.clients": clients,
    "redis.memory": memory,
    "redis.rights": rights,
    "redis.topology": topology,
}
