"""Faults of clients and their connections: silent, not reading, without acks, all cut at once, too many."""

import time
from contextlib import suppress

from tests.drills.crowd import Shape
from tests.drills.drill import Drill
from tests.drills.faults.process import bytes_of, few_files, open_files, processor_seconds
from tests.drills.testbed import Plan, Testbed
from tests.support.clients.raw import RawSocket
from tests.support.ports import wait_for
from tests.support.server import Server


def _connections(testbed: Testbed, node: Server) -> float:
    return testbed.metric(node, "imapp_connections")


def _half_open(testbed: Testbed) -> str:
    """Drop all traffic of thirty clients, so that neither side learns of the loss; the node must free the sockets."""
    node = testbed.nodes[1]
    before, files = _connections(testbed, node), open_files(node)
    network = testbed.proxy(node.port)
    guests = testbed.crowd.invite(network.url, testbed.spare)
    assert _connections(testbed, node) == before + len(guests) == before + 30
    began = time.monotonic()
    with testbed.fault():
        network.is_silent = True
        wait_for(lambda: _connections(testbed, node) == before, what="the detection by the node")
        took = time.monotonic() - began
    wait_for(lambda: open_files(node) <= files + 3, what="the end of their sockets")
    assert network.swallowed, "nothing was lost"
    return f"{len(guests)} half-open sockets freed after {took:.1f} s (heartbeat 4 s + 3 s), no file left open"


def _stop_reading(testbed: Testbed) -> str:
    """Connect devices that stop reading, in groups with 20 kB of messages a second; the node must disconnect them."""
    node = testbed.nodes[1]
    before, files = _connections(testbed, node), open_files(node)
    stopped = [_silent(node, one.token) for one in testbed.crowd.readers[:20]]
    began = time.monotonic()
    wait_for(lambda: _connections(testbed, node) >= before + 20, what="the connection of the devices")
    memory = bytes_of(node)
    with testbed.fault():
        wait_for(lambda: _connections(testbed, node) <= before, what="the detection by the node")
        took = time.monotonic() - began
    wait_for(lambda: open_files(node) <= files + 3, what="the end of their sockets")
    freed = time.monotonic() - began
    grown = (bytes_of(node) - memory) / 1e6
    for one in stopped:
        one.close()
    return (
        f"20 stopped readers put out after {took:.1f} s, their files closed after {freed:.1f} s, node {grown:+.1f} MB"
    )


def _silent(node: Server, token: str) -> RawSocket:
    one = RawSocket(node.url, timeout=20, receive_buffer=4096)
    one.log_in(token)
    return one


def _swallow_acks(testbed: Testbed) -> str:
    """Deliver what clients send, swallow the answers, then cut the connections: at one node after the other."""
    with testbed.fault():
        for network in testbed.client_proxies:
            network.swallows = True
            time.sleep(2.5)
            network.cut()
            network.swallows = False
            time.sleep(2)
    swallowed = sum(network.swallowed for network in testbed.client_proxies)
    wait_for(lambda: sum(one.duplicates for one in testbed.crowd.senders), what="a retry of what was stored")
    return f"{swallowed} bytes swallowed"


def _storm(testbed: Testbed) -> str:
    crowd = testbed.crowd
    with testbed.fault():
        cut = crowd.cut(crowd.people)
    began = time.monotonic()
    wait_for(crowd.are_all_there, 90, "the reconnection of all clients")
    return f"{cut} sockets cut at once, all connected again after {time.monotonic() - began:.1f} s"


def _idle(testbed: Testbed) -> str:
    """Hold as many idle sockets as the machine has room for beside other work; the benchmark has the full number."""
    before = sum(bytes_of(node) for node in testbed.nodes)
    share = len(testbed.spare) // len(testbed.nodes)
    guests = []
    for number, node in enumerate(testbed.nodes):
        guests += testbed.crowd.invite(node.url, testbed.spare[number * share : (number + 1) * share])
    assert len(guests) == share * len(testbed.nodes)
    each = (sum(bytes_of(node) for node in testbed.nodes) - before) / len(guests) / 1000
    with testbed.fault():
        time.sleep(60)
        gone = sum(guest.closed.is_set() for guest in guests)
    testbed.crowd.dismiss()
    assert gone == 0, f"{gone} of {len(guests)} idle sockets were closed"
    return f"{len(guests)} idle sockets for 60 s (scaled down from 10,000 for 10 min), none closed, {each:.0f} kB each"


def _exhaust_files(testbed: Testbed) -> str:
    """Limit a node to ten more files, then open sixty sockets: it must refuse some, keep its clients, and not spin."""
    node = testbed.nodes[1]
    there = {person.user_id for person in testbed.crowd.at("node-2")}
    with testbed.fault():
        with few_files(node, open_files(node) + 10):
            opened = _knock(node, 60)
            used = processor_seconds(node)
            time.sleep(5)
            used = processor_seconds(node) - used
            stayed = {person.user_id for person in testbed.crowd.at("node-2")}
        for one in opened:
            one.close()
    RawSocket(node.url).close()
    assert len(opened) < 60, "every socket was let in"
    assert used < 3, f"the node spun: {used:.1f} s of processor in 5 s"
    assert not there - stayed, f"{len(there - stayed)} clients were thrown out"
    return (
        f"{60 - len(opened)} of 60 sockets refused, {len(stayed)} clients served on, {used:.1f} s of processor in 5 s"
    )


def _knock(node: Server, count: int) -> list[RawSocket]:
    """Open sockets; return those that were let in."""
    opened = []
    for _ in range(count):
        with suppress(OSError):
            opened.append(RawSocket(node.url, timeout=0.3))
    return opened


def _reload_nginx(testbed: Testbed) -> str:
    old = testbed.nginx.workers
    began = time.monotonic()
    with testbed.fault():
        testbed.nginx.reload()
        wait_for(lambda: not old & testbed.nginx.workers, what="the end of the old workers")
        took = time.monotonic() - began
    # Its worker_shutdown_timeout is 5 s here.
    assert took < 30, f"the old workers lived on for {took:.1f} s"
    return f"{len(old)} old workers gone after {took:.1f} s, their clients came back"


DRILLS = [
    Drill("R19", "30 clients vanish silently", _half_open, plan=Plan(spare=30)),
    Drill("R20", "20 devices that stop reading 20 kB/s", _stop_reading, shape=Shape(6, padding=7000)),
    Drill("R22", "acks swallowed on the way, then cut", _swallow_acks, bound=10, plan=Plan(client_proxies=True)),
    Drill("R26", "2,000 clients cut off at once", _storm, bound=60, shape=Shape(200, 1, 9, pause=5)),
    Drill("R27", "900 idle sockets for a minute", _idle, shape=Shape(4), plan=Plan(spare=900)),
    Drill("R28", "a node without free file descriptors", _exhaust_files),
    Drill("R30", "nginx reloaded under load", _reload_nginx, bound=10, plan=Plan(nginx=True)),
]
