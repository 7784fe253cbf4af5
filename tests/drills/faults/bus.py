"""Faults of Redis: killed, frozen, silent, full, failed over to another server."""

import signal
import time
from collections.abc import Callable

from tests.drills.drill import Drill
from tests.drills.field import Field, Plan
from tests.support.ports import wait_for
from tests.support.redis import RedisCluster, RedisSentinel

#: Seconds without its own canary after which a node considers Redis lost: a shorter pause is only a delay.
_DEAF_SECONDS = 3


def _kill(seconds: float) -> Callable[[Field], str]:
    def inject(field: Field) -> str:
        with field.fault():
            field.redis.kill()
            time.sleep(seconds)
            field.redis.start()
        return field.saw_gaps()

    return inject


def _freeze(seconds: float) -> Callable[[Field], str]:
    def inject(field: Field) -> str:
        with field.fault():
            field.redis.freeze()
            time.sleep(seconds)
            field.redis.thaw()
        return field.saw_gaps()

    return inject


def _pause(field: Field) -> str:
    with field.fault():
        field.redis.client().execute_command("CLIENT", "PAUSE", 8000, "ALL")
        time.sleep(8)
    return field.saw_gaps()


def _cut_subscriptions(field: Field) -> str:
    with field.fault():
        cut = field.redis.client().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    return f"{cut} connections cut, {field.saw_gaps()}"


def _overflow(field: Field) -> str:
    """Freeze a node while large messages are published, until Redis closes its connection."""
    redis, node = field.redis.client(), field.nodes[1]
    redis.config_set("client-output-buffer-limit", "pubsub 65536 0 0")
    channels = [name for name in redis.pubsub_channels() if "conv:" in name]
    with field.fault():
        node.freeze()
        for number in range(600):
            redis.publish(channels[number % len(channels)], "x" * 65_536)
        is_thrown_out = "imapp-node-2" not in {client["name"] for client in redis.client_list()}
        node.thaw()
    assert is_thrown_out, "Redis did not close the node's connection"
    return f"its connection was closed by Redis, {field.saw_gaps(node)}"


def _half_open(field: Field) -> str:
    with field.fault():
        field.redis_proxy.swallows = True
        time.sleep(8)
        field.redis_proxy.swallows = False
    return f"{field.redis_proxy.swallowed} bytes swallowed, {field.saw_gaps(field.nodes[1])}"


def _refuse_writes(begin: str, end: str, error: str) -> Callable[[Field], str]:
    def inject(field: Field) -> str:
        redis = field.redis.client()
        with field.fault():
            redis.execute_command(begin)
            time.sleep(12)
            refused = redis.info("errorstats").get(f"errorstat_{error}", {}).get("count", 0)
            redis.execute_command(end)
        return f"{refused} commands refused with {error}" if refused else ""

    return inject


def _absent_at_start(field: Field) -> str:
    with field.fault():
        field.redis.kill()
        for node in field.nodes:
            node.stop()
            node.start()
        wait_for(field.crowd.are_all_there, 60, "the reconnection to nodes without Redis")
        time.sleep(3)
        field.redis.start()
    for node in field.nodes:
        node.wait_until_ready()
    waited = [node for node in field.nodes if "redis_absent" in node.log]
    assert len(waited) == len(field.nodes), "a node did not say that Redis was absent"
    return "each node said so and served; ready when Redis came"


def _fail_over(field: Field) -> str:
    """Kill the master; healing counts from the moment when the Sentinels have agreed on another."""
    with field.fault():
        field.redis.master.kill()
        wait_for(lambda: field.redis.current() is field.redis.replica, 30, "the failover")
    return field.saw_gaps()


def _fail_over_frozen(field: Field) -> str:
    """Freeze the master until it is deposed, then thaw it: no node may stay with it."""
    with field.fault():
        field.redis.master.signal(signal.SIGSTOP)
        wait_for(lambda: field.redis.current() is field.redis.replica, 30, "the failover")
        field.redis.master.thaw()
    return field.saw_gaps()


def _lose_cluster_node(field: Field) -> str:
    """Kill a master of the cluster; healing counts from the moment when its replica has taken over."""
    dead, *others = field.redis.servers
    with field.fault():
        dead.kill()
        wait_for(lambda: _covers_all_slots(others, dead.port), 40, "the replica's promotion")
    return field.saw_gaps()


def _covers_all_slots(servers: list, dead_port: int) -> bool:
    client = servers[0].client()
    masters = [master[1] for _, _, master, *_ in client.execute_command("CLUSTER", "SLOTS")]
    return dead_port not in masters and client.execute_command("CLUSTER INFO")["cluster_state"] == "ok"


DRILLS = [
    Drill("R1-3s", "Redis killed, back after 3 s", _kill(3)),
    Drill("R1-20s", "Redis killed, back after 20 s", _kill(20)),
    Drill("R2-4s", "Redis frozen for 4 s", _freeze(4)),
    Drill("R2-8s", "Redis frozen for 8 s", _freeze(8)),
    Drill("R2-20s", "Redis frozen for 20 s", _freeze(20)),
    Drill("R3", "CLIENT PAUSE for 8 s", _pause),
    Drill("R4", "CLIENT KILL TYPE pubsub", _cut_subscriptions),
    Drill("R5", "a node too slow for Redis' output buffer", _overflow),
    Drill("R6", "one node's connection to Redis half-open for 8 s", _half_open, plan=Plan(redis_proxy=True)),
    Drill(
        "R7-oom",
        "Redis out of memory for 12 s",
        _refuse_writes("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "OOM"),
    ),
    Drill(
        "R7-readonly",
        "Redis a read-only replica for 12 s",
        _refuse_writes("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "READONLY"),
    ),
    Drill("R7-absent", "nodes restarted while Redis is away", _absent_at_start),
    Drill("R7-sentinel", "master killed, Sentinels fail over", _fail_over, plan=Plan(redis=RedisSentinel)),
    # The Sentinels turn the old master into a replica some ten seconds after it is back; until then it accepts writes.
    Drill("R7-deposed", "master frozen, deposed, thawed", _fail_over_frozen, bound=14, plan=Plan(redis=RedisSentinel)),
    Drill("R7-cluster", "a master of the Redis Cluster killed", _lose_cluster_node, plan=Plan(redis=RedisCluster)),
]
