"""A node in a network of its own that is cut. Needs root: `ip netns` makes the network."""

import os
import subprocess
import time
from collections.abc import Callable

from tests.drills.drill import Drill
from tests.drills.testbed import Plan, Testbed

#: The two networks of node-2: to Redis and MariaDB, and to its clients. These addresses are reserved for benchmarks
#: (RFC 2544), so no network in use has them.
_BACKENDS, _CLIENTS = "198.18.77", "198.18.78"


def _ip(*words: str) -> None:
    ran = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"ip {' '.join(words)}: {ran.stderr.strip()}"


def _put_apart(testbed: Testbed) -> None:
    """Give node-2 a network of its own with two links: one to Redis and MariaDB, one to its clients."""
    if os.geteuid() != 0:
        raise PermissionError("not run: needs root")
    space = f"imapp-{os.getpid()}"
    _ip("netns", "add", space)
    testbed.at_end(lambda: _ip("netns", "del", space))
    for name, network in (("be", _BACKENDS), ("cl", _CLIENTS)):
        here, there = _cable(name), f"{name}-in"
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", space)
        # Deleting the namespace deletes the link's inner end, and with it this one.
        _ip("addr", "add", f"{network}.1/30", "dev", here)
        _ip("link", "set", here, "up")
        _ip("-n", space, "addr", "add", f"{network}.2/30", "dev", there)
        _ip("-n", space, "link", "set", there, "up")
    _ip("-n", space, "link", "set", "lo", "up")
    redis, mariadb = (testbed.proxy(port, f"{_BACKENDS}.1").port for port in (testbed.redis.port, testbed.mariadb.port))
    database = testbed.database_url.replace(f"127.0.0.1:{testbed.mariadb.port}", f"{_BACKENDS}.1:{mariadb}")
    testbed.environs["node-2"] |= {
        "HOST": f"{_CLIENTS}.2", "REDIS_URL": f"redis://{_BACKENDS}.1:{redis}", "DATABASE_URL": database,
    }  # fmt: skip
    testbed.wrappers["node-2"] = ("ip", "netns", "exec", space)


def _cable(name: str) -> str:
    return f"im{name}{os.getpid()}"


def _cut(*cables: str) -> Callable[[Testbed], str]:
    def inject(testbed: Testbed) -> str:
        there = len(testbed.crowd.at("node-2"))
        with testbed.fault():
            for name in cables:
                _ip("link", "set", _cable(name), "down")
            time.sleep(15)
            for name in cables:
                _ip("link", "set", _cable(name), "up")
        return f"{there} people were there, {testbed.saw_gaps(testbed.nodes[1])}"

    return inject


_APART = Plan(prepare=_put_apart)

DRILLS = [
    Drill("R18-backends", "a node cut off from Redis and MariaDB for 15 s", _cut("be"), bound=12, plan=_APART),
    Drill("R18-all", "a node cut off from everything for 15 s", _cut("be", "cl"), bound=12, plan=_APART),
]
