"""Injects the faults and heals them. Each function returns what it did, for the line of the report."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import redis

from tests.checker.plan import Fault
from tests.checker.testbed import Testbed
from tests.support.proxy import Proxy
from tests.support.server import Server

Inject = Callable[[Testbed, Fault], str]

#: Kind of fault -> its minimum and maximum duration in seconds in a short cycle.
SECONDS = {
    "node_killed": (0.5, 2.0),
    "killed_at_commit": (3.0, 3.0),
    "node_stopped": (0.5, 1.0),
    "node_frozen": (2.0, 5.0),
    "rolling_restart": (1.0, 1.0),
    "redis_frozen": (2.0, 5.0),
    "redis_killed": (0.5, 3.0),
    "redis_cut": (0.5, 1.0),
    "redis_stalled": (1.0, 2.6),
    "redis_mute": (1.0, 5.0),
    "redis_failover": (1.0, 3.0),
    "database_frozen": (2.0, 5.0),
    "database_killed": (0.5, 2.0),
    "connections_killed": (0.5, 1.5),
    "connections_cut": (0.5, 1.5),
    "commit_lost": (1.0, 2.0),
    "database_partition": (2.0, 5.0),
    "database_late": (5.5, 7.0),
    "clients_cut": (0.5, 1.5),
}


_COMMIT = b"COMMIT"


def _node(testbed: Testbed, fault: Fault) -> Server:
    return testbed.nodes[fault.node % len(testbed.nodes)]


def _every(seconds: float, fault: Fault) -> Iterator[None]:
    """Yield every `seconds` while the fault lasts."""
    end = time.monotonic() + fault.seconds
    while time.monotonic() < end:
        yield
        time.sleep(seconds)


def _hold(proxies: Sequence[Proxy], testbed: Testbed, fault: Fault) -> str:
    """Hold back all traffic of one node's proxy, in both directions, and deliver it when the fault is over."""
    proxy = proxies[fault.node % len(testbed.nodes)]
    proxy.hold()
    time.sleep(fault.seconds)
    proxy.release()
    return _node(testbed, fault).environ["NODE_ID"]


def _node_killed(testbed: Testbed, fault: Fault) -> str:
    node = _node(testbed, fault)
    node.kill()
    time.sleep(fault.seconds)
    node.start()
    node.wait_until_ready()
    return node.environ["NODE_ID"]


def _killed_at_commit(testbed: Testbed, fault: Fault) -> str:
    """Kill a node before the answer to its last COMMIT arrives, so that the committed changes are not pushed."""
    node, proxy = _node(testbed, fault), testbed.database_proxies[fault.node % len(testbed.nodes)]
    before, end = proxy.swallowed, time.monotonic() + fault.seconds
    proxy.loses_answer_to, proxy.breaks_then = _COMMIT, False
    while proxy.swallowed == before and time.monotonic() < end:
        time.sleep(0.01)
    node.kill()
    proxy.loses_answer_to, proxy.breaks_then = b"", True
    node.start()
    node.wait_until_ready()
    return f"{node.environ['NODE_ID']}, {'' if proxy.swallowed > before else 'not '}at a COMMIT"


def _node_stopped(testbed: Testbed, fault: Fault) -> str:
    node = _node(testbed, fault)
    node.stop()
    node.start()
    node.wait_until_ready()
    return node.environ["NODE_ID"]


def _node_frozen(testbed: Testbed, fault: Fault) -> str:
    node = _node(testbed, fault)
    node.freeze()
    time.sleep(fault.seconds)
    node.thaw()
    return node.environ["NODE_ID"]


def _rolling_restart(testbed: Testbed, fault: Fault) -> str:
    for node in testbed.nodes:
        node.stop()
        node.start()
        node.wait_until_ready()
    return f"{len(testbed.nodes)} nodes"


def _redis_frozen(testbed: Testbed, fault: Fault) -> str:
    testbed.redis.freeze()
    time.sleep(fault.seconds)
    testbed.redis.thaw()
    return ""


def _redis_killed(testbed: Testbed, fault: Fault) -> str:
    testbed.redis.kill()
    time.sleep(fault.seconds)
    testbed.redis.start()
    return ""


def _redis_mute(testbed: Testbed, fault: Fault) -> str:
    """Swallow Redis' answers to one node: its commands are executed, the answers are lost."""
    proxy = testbed.redis_proxies[fault.node % len(testbed.nodes)]
    proxy.swallows = True
    time.sleep(fault.seconds)
    proxy.swallows = False
    proxy.cut()
    return _node(testbed, fault).environ["NODE_ID"]


def _redis_failover(testbed: Testbed, fault: Fault) -> str:
    """Kill a master, wait until another server replaces it, and start the dead one again."""
    dead = testbed.redis_master()
    dead.kill()
    testbed.await_redis_without(dead)
    time.sleep(fault.seconds)
    dead.start()
    return ""


def _redis_cut(testbed: Testbed, fault: Fault) -> str:
    """Cut every connection of every node to Redis, for commands and for subscriptions."""
    clients = [server.client() for server in testbed.redis_servers]
    cut = 0
    for _ in _every(0.2, fault):
        for client in clients:
            for kind in ("pubsub", "normal"):
                with suppress(redis.RedisError):  # this client's own connection may be cut too
                    cut += client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
    return f"{cut} cut"


def _redis_stalled(testbed: Testbed, fault: Fault) -> str:
    return _hold(testbed.redis_proxies, testbed, fault)


def _database_frozen(testbed: Testbed, fault: Fault) -> str:
    testbed.database(fault.node).freeze()
    time.sleep(fault.seconds)
    testbed.heal_database(fault.node)
    return ""


def _database_killed(testbed: Testbed, fault: Fault) -> str:
    testbed.database(fault.node).kill()
    time.sleep(fault.seconds)
    testbed.heal_database(fault.node)
    return ""


def _connections_killed(testbed: Testbed, fault: Fault) -> str:
    return f"{sum(testbed.database(fault.node).cut_connections() for _ in _every(0.15, fault))} cut"


def _connections_cut(testbed: Testbed, fault: Fault) -> str:
    for _ in _every(0.15, fault):
        testbed.database_proxies[fault.node % len(testbed.nodes)].cut()
    return _node(testbed, fault).environ["NODE_ID"]


def _commit_lost(testbed: Testbed, fault: Fault) -> str:
    """Break connections in place of the answer to a COMMIT: the transaction is committed, but no node learns of it."""
    before = sum(proxy.swallowed for proxy in testbed.database_proxies)
    for proxy in testbed.database_proxies:
        proxy.loses_answer_to = _COMMIT
    time.sleep(fault.seconds)
    for proxy in testbed.database_proxies:
        proxy.loses_answer_to = b""
    return f"{sum(proxy.swallowed for proxy in testbed.database_proxies) - before} bytes lost"


def _database_partition(testbed: Testbed, fault: Fault) -> str:
    """Drop all traffic between one node and the database, even the end of a connection."""
    proxy = testbed.database_proxies[fault.node % len(testbed.nodes)]
    proxy.is_silent = True
    time.sleep(fault.seconds)
    proxy.cut()
    proxy.is_silent = False
    return _node(testbed, fault).environ["NODE_ID"]


def _database_late(testbed: Testbed, fault: Fault) -> str:
    """Delay what one node sends to the database, a COMMIT too, until after the node's timeout."""
    return _hold(testbed.database_proxies, testbed, fault)


def _clients_cut(testbed: Testbed, fault: Fault) -> str:
    for _ in _every(0.4, fault):
        for proxy in testbed.client_proxies:
            proxy.cut()
    return ""


FAULTS: dict[str, Inject] = {
    "node_killed": _node_killed,
    "killed_at_commit": _killed_at_commit,
    "node_stopped": _node_stopped,
    "node_frozen": _node_frozen,
    "rolling_restart": _rolling_restart,
    "redis_frozen": _redis_frozen,
    "redis_killed": _redis_killed,
    "redis_cut": _redis_cut,
    "redis_stalled": _redis_stalled,
    "redis_mute": _redis_mute,
    "redis_failover": _redis_failover,
    "database_frozen": _database_frozen,
    "database_killed": _database_killed,
    "connections_killed": _connections_killed,
    "connections_cut": _connections_cut,
    "commit_lost": _commit_lost,
    "database_partition": _database_partition,
    "database_late": _database_late,
    "clients_cut": _clients_cut,
}


def inject(testbed: Testbed, fault: Fault, began: float) -> str:
    """Wait for the fault's time, inject it and heal it; return what it did."""
    time.sleep(max(0.0, began + fault.at - time.monotonic()))
    return FAULTS[fault.kind](testbed, fault)
