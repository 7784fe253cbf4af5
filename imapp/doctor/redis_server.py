"""Redis as the nodes need it."""

from collections.abc import Callable
from functools import wraps

from redis.exceptions import NoPermissionError

from imapp.cluster import presence, redis
from imapp.cluster.address import parse
from imapp.cluster.resp import ask_once
from imapp.doctor.case import Case
from imapp.doctor.finding import Finding, fail, ok, skip, warn
from imapp.doctor.redis_look import Server, servers
from imapp.doctor.runner import Check

_OLDEST = 7

#: Milliseconds of an answer beyond which every log-in feels it.
_SLOW_MS = 20.0

#: Shares of a limit that are told, and that are too much.
_WARN_SHARE, _FAIL_SHARE = 0.8, 0.95

#: Connections of one node at most (operations: Metrics).
_NODE_CONNECTIONS = 34

_ORDER = ("SKIP", "OK", "WARN", "FAIL")

#: What the nodes do with their keys: leases, reports, connections, counts.
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


def _of_each(look: Callable[[Case, Server], Finding]) -> Check:
    """Judge each server by itself; the worst finding is given, with the server's name."""

    @wraps(look)
    def check(case: Case) -> Finding:
        if case.settings.redis_url is None:
            return skip("REDIS_URL is unset: this node is alone")
        found = [(server.name, look(case, server)) for server in case.once(servers)]
        name, worst = max(found, key=lambda one: _ORDER.index(one[1].status))
        text = worst.text if len(found) == 1 else f"{name}: {worst.text}"
        return Finding(worst.status, text, worst.cure, worst.command)

    return check


def _unknown(what: str) -> Finding:
    cure = "The nodes need it not, the doctor does: let it ask with a user of its own, or look yourself."
    return warn(f"the user of REDIS_URL may not ask for {what}", cure, "ACL SETUSER imapp +info +config|get")


@_of_each
def answers(_case: Case, server: Server) -> Finding:
    """It answers, and soon."""
    text = f"{server.name} answers in {server.ping_ms:.1f} ms"
    if server.ping_ms > _SLOW_MS:
        return warn(text, "Bring it nearer, or look for slow commands.", "redis-cli --latency; redis-cli SLOWLOG GET")
    return ok(text)


@_of_each
def version(_case: Case, server: Server) -> Finding:
    """Sharded pub/sub and some commands came with 7."""
    if not server.info:
        return _unknown("INFO")
    found = str(server.info["redis_version"])
    if int(found.partition(".")[0]) < _OLDEST:
        return fail(f"Redis {found}", "Redis 7.0 or newer is needed.", "redis-server --version")
    return ok(f"Redis {found}")


@_of_each
def policy(_case: Case, server: Server) -> Finding:
    """What is evicted would be leases and presence."""
    if not server.config:
        return _unknown("CONFIG GET")
    found, limit = server.config["maxmemory-policy"], int(server.config["maxmemory"])
    if found == "noeviction":
        return ok("maxmemory-policy noeviction")
    make = fail if limit else warn
    cure = "Under memory pressure it would throw nodes' leases and users' presence away: set noeviction."
    return make(f"maxmemory-policy {found}", cure, "redis-cli CONFIG SET maxmemory-policy noeviction")


@_of_each
def buffers(case: Case, server: Server) -> Finding:
    """A node that lags a moment must not be cut off."""
    if not server.config:
        return _unknown("CONFIG GET")
    words = server.config["client-output-buffer-limit"].split()
    hard, soft, seconds = map(int, words[words.index("pubsub") + 1 :][:3])
    text = f"client-output-buffer-limit pubsub {hard} {soft} {seconds}"
    command = 'redis-cli CONFIG SET client-output-buffer-limit "pubsub 33554432 8388608 60"'
    if hard == 0:
        return warn(text, "A node that hangs would fill Redis' memory: set a limit.", command)
    if hard < case.settings.bus_queue_max_bytes:
        return warn(text, "A burst that a node may queue (IM_BUS_QUEUE_MAX_BYTES) would cut its readers off.", command)
    return ok(text)


@_of_each
def persistence(_case: Case, server: Server) -> Finding:
    """For information: nothing in Redis needs to last."""
    if not server.config:
        return _unknown("CONFIG GET")
    kept = [
        name for name, is_on in (("RDB", server.config["save"]), ("AOF", server.config["appendonly"] == "yes")) if is_on
    ]
    return ok(f"{' and '.join(kept) or 'no'} persistence; none is needed")


@_of_each
def clients(_case: Case, server: Server) -> Finding:
    """Room for all nodes' connections."""
    if not (server.info and server.config):
        return _unknown("INFO and CONFIG GET")
    found, limit = int(server.info["connected_clients"]), int(server.config["maxclients"])
    needed = _NODE_CONNECTIONS * (len(presence.reports() or []) or 1)
    text = f"{found} of {limit} clients; the nodes may take {needed}"
    command = "redis-cli CONFIG SET maxclients 10000"
    if needed > limit:
        return fail(text, "The nodes may need more connections than it takes: raise maxclients.", command)
    if found > _WARN_SHARE * limit:
        return warn(text, "Nearly all connections are taken: see by whom, raise maxclients.", "redis-cli CLIENT LIST")
    return ok(text)


@_of_each
def memory(_case: Case, server: Server) -> Finding:
    """Room for presence."""
    if not server.info:
        return _unknown("INFO")
    used, limit = int(server.info["used_memory"]), int(server.info.get("maxmemory", 0))
    if not limit:
        return ok(f"{used / 2**20:.1f} MiB, no limit")
    text = f"{used / 2**20:.1f} of {limit / 2**20:.1f} MiB"
    if used <= _WARN_SHARE * limit:
        return ok(text)
    make = fail if used > _FAIL_SHARE * limit else warn
    return make(text, "When it is full, writes are refused: raise maxmemory.", "redis-cli CONFIG SET maxmemory 256mb")


def rights(case: Case) -> Finding:
    """The user may do what the nodes do with keys; channels are the check nodes.bus."""
    client = redis.client()
    if client is None:
        return skip("REDIS_URL is unset: this node is alone")
    name = case.settings.cluster_name
    own = f"{{{name}}}:doctor"
    try:
        client.register_script(_SCRIPT)([own], ["doctor"])
        client.incrby(own, 1)
        client.expire(own, 5)
    except redis.RedisError as exc:
        if not (isinstance(exc, NoPermissionError) or "permission" in str(exc).lower()):
            raise
        cure = "Give the user what the manual names as the least."
        rule = f"ACL SETUSER imapp ~{{{name}}}:* &{name}:* +@all -@admin -@dangerous +role +cluster|slots"
        return fail(str(exc).splitlines()[0], cure, rule)
    return ok(f"may do with keys of {{{name}}} what nodes do")


def topology(case: Case) -> Finding:
    """Sentinels agree on the master; a Redis Cluster serves all slots."""
    if case.settings.redis_url is None:
        return skip("REDIS_URL is unset: this node is alone")
    kind = parse(case.settings.redis_url).kind
    if kind == "single":
        return skip("a single Redis: no Sentinels, no Cluster")
    return _sentinels(case) if kind == "sentinel" else _cluster()


def _sentinels(case: Case) -> Finding:
    address = parse(str(case.settings.redis_url))
    told: dict[str, str] = {}
    for host, port in address.hosts:
        try:
            found = ask_once(
                address, host, port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.master, is_sentinel=True
            )
            told[f"{host}:{port}"] = ":".join(part.decode() for part in found) if found else "does not know it"
        except OSError as exc:
            told[f"{host}:{port}"] = type(exc).__name__
    text = f"master {address.master}: " + ", ".join(f"{host} says {words}" for host, words in told.items())
    if len(set(told.values())) > 1:
        cure = "The Sentinels do not all answer the same: a failover may be under way, or one is away."
        return warn(text, cure, f"redis-cli -p 26379 SENTINEL CKQUORUM {address.master}")
    return ok(text)


def _cluster() -> Finding:
    state = redis.client().cluster_info()["cluster_state"]
    if state != "ok":
        return fail(
            f"cluster_state {state}",
            "Not all slots are served: bring the masters back.",
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
