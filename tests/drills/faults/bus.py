"""Faults of Redis: killed, frozen, silent, full, failed over to another server."""

import signal
import time
from collections.abc import Callable

from tests.drills.drill import Drill
from tests.drills.testbed import Plan, Testbed
from tests.support.ports import wait_for
from tests.support.redis import RedisCluster, RedisSentinel

#: Seconds without its own canary after which a node considers Redis lost: a shorter pause is only a delay.
_DEAF_SECONDS = 3


def _kill(seconds: float) -> Callable[[Testbed], str]:
    def inject(testbed: Testbed) -> str:
        with testbed.fault():
            testbed.redis.kill()
            time.sleep(seconds)
            testbed.redis.start()
        return testbed.saw_gaps()

    return inject


def _freeze(seconds: float) -> Callable[[Testbed], str]:
    def inject(testbed: Testbed) -> str:
        with testbed.fault():
            testbed.redis.freeze()
            time.sleep(seconds)
            testbed.redis.thaw()
        return testbed.saw_gaps()

    return inject


def _pause(testbed: Testbed) -> str:
    with testbed.fault():
        testbed.redis.client().execute_command("CLIENT", "PAUSE", 8000, "ALL")
        time.sleep(8)
    return testbed.saw_gaps()


def _cut_subscriptions(testbed: Testbed) -> str:
    with testbed.fault():
        cut = testbed.redis.client().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    return f"{cut} connections cut, {testbed.saw_gaps()}"


def _overflow(testbed: Testbed) -> str:
    """Freeze a node while large messages are published, until Redis closes its connection."""
    redis, node = testbed.redis.client(), testbed.nodes[1]
    redis.config_set("client-output-buffer-limit", "pubsub 65536 0 0")
    channels = [name for name in redis.pubsub_channels() if "conv:" in name]
    with testbed.fault():
        node.freeze()
        for number in range(600):
            redis.publish(channels[number % len(channels)], "x" * 65_536)
        is_thrown_out = "imapp-node-2" not in {client["name"] for client in redis.client_list()}
        node.thaw()
    assert is_thrown_out, "Redis did not close the node's connection"
    return f"its connection was closed by Redis, {testbed.saw_gaps(node)}"


def _half_open(testbed: Testbed) -> str:
    with testbed.fault():
        testbed.redis_proxy.swallows = True
        time.sleep(8)
        testbed.redis_proxy.swallows = False
    return f"{testbed.redis_proxy.swallowed} bytes swallowed, {testbed.saw_gaps(testbed.nodes[1])}"


def _refuse_writes(begin: str, end: str, error: str) -> Callable[[Testbed], str]:
    def inject(testbed: Testbed) -> str:
        redis = testbed.redis.client()
        with testbed.fault():
            redis.execute_command(begin)
            time.sleep(12)
            refused = redis.info("errorstats").get(f"errorstat_{error}", {}).get("count", 0)
            redis.execute_command(end)
        return f"{refused} commands refused with {error}" if refused else ""

    return inject


def _absent_at_start(testbed: Testbed) -> str:
    with testbed.fault():
        testbed.redis.kill()
        for node in testbed.nodes:
            node.stop()
            node.start()
        wait_for(testbed.crowd.are_all_there, what="the reconnection to nodes without Redis")
        time.sleep(3)
        testbed.redis.start()
    for node in testbed.nodes:
        node.wait_until_ready()
    waited = [node for node in testbed.nodes if "redis_absent" in node.log]
    assert len(waited) == len(testbed.nodes), "a node did not say that Redis was absent"
    return "each node said so and served; ready when Redis came"


def _fail_over(testbed: Testbed) -> str:
    """Kill the master; healing counts from the moment when the Sentinels have agreed on another."""
    with testbed.fault():
        testbed.redis.master.kill()
        wait_for(lambda: testbed.redis.current() is testbed.redis.replica, what="the failover")
    return testbed.saw_gaps()


def _fail_over_frozen(testbed: Testbed) -> str:
    """Freeze the master until it is deposed, then thaw it: no node may stay with it."""
    with testbed.fault():
        testbed.redis.master.signal(signal.SIGSTOP)
        wait_for(lambda: testbed.redis.current() is testbed.redis.replica, what="the failover")
        testbed.redis.master.thaw()
    return testbed.saw_gaps()


def _lose_cluster_node(testbed: Testbed) -> str:
    """Kill a master of the cluster; healing counts from the moment when its replica has taken over."""
    dead, *others = testbed.redis.servers
    with testbed.fault():
        dead.kill()
        wait_for(lambda: _covers_all_slots(others, dead.port), what="the replica's promotion")
    return testbed.saw_gaps()


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
