"""Private Redis servers: alone, watched by Sentinels, or as a Redis Cluster; with their own folders and ports."""

import os
import shutil
import subprocess
from pathlib import Path

import redis

from tests.support.ports import free_port, wait_for
from tests.support.process import ServerProcess


def _program(name: str) -> str:
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    assert found, f"{name} is missing: apt-get install redis-server (scripts/test.sh does it)"
    return found


class RedisServer(ServerProcess):
    """A redis-server without persistence, unless `options` (redis.conf words) configure it."""

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        self.folder = folder
        self.options = options
        self.port = port or free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.start()

    @property
    def url(self) -> str:
        """The value for REDIS_URL."""
        return f"redis://127.0.0.1:{self.port}"

    def client(self) -> redis.Redis:
        """Return a new client of the test."""
        return redis.Redis(port=self.port, decode_responses=True, socket_timeout=5)

    def _command(self) -> list[str]:
        return [
            _program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir",
            str(self.folder), *self.options,
        ]  # fmt: skip

    def start(self) -> None:
        """Start (again) and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self._command(), stdout=log, stderr=log)
        wait_for(self._answers, what="the start of Redis")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class _Sentinel(RedisServer):
    """A Sentinel; it rewrites its own configuration file."""

    def _command(self) -> list[str]:
        config = self.folder / "sentinel.conf"
        if not config.exists():
            lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}", *self.options]
            config.write_text("\n".join(lines) + "\n")
        return [_program("redis-server"), str(config), "--sentinel"]


class RedisSentinel:
    """A master, a replica and three Sentinels that fail over after a second."""

    name = "mymaster"

    def __init__(self, folder: Path) -> None:
        self.master = RedisServer(folder / "master")
        self.replica = RedisServer(folder / "replica", "--replicaof", "127.0.0.1", str(self.master.port))
        wait_for(lambda: self.replica.client().info("replication")["master_link_status"] == "up", what="replication")
        watch = (
            f"sentinel monitor {self.name} 127.0.0.1 {self.master.port} 2",
            f"sentinel down-after-milliseconds {self.name} 1000",
            f"sentinel failover-timeout {self.name} 5000",
        )
        self.sentinels = [_Sentinel(folder / f"sentinel{n}", *watch) for n in range(3)]
        wait_for(self._is_settled, what="the discovery among the Sentinels")

    def _is_settled(self) -> bool:
        states = [one.client().sentinel_master(self.name) for one in self.sentinels]
        return all(state["num-other-sentinels"] == 2 and state["num-slaves"] == 1 for state in states)

    @property
    def url(self) -> str:
        """The value for REDIS_URL."""
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        return f"redis+sentinel://{hosts}/{self.name}/0"

    def current(self) -> RedisServer:
        """Return the server that the Sentinels report as master now."""
        _host, port = self.sentinels[0].client().sentinel_get_master_addr_by_name(self.name)
        return next(server for server in (self.master, self.replica) if server.port == int(port))

    def stop(self) -> None:
        """Stop all servers."""
        for server in (*self.sentinels, self.replica, self.master):
            server.stop()


class RedisCluster:
    """Three masters, each with a replica if `replicas`; a dead master is replaced after two seconds."""

    def __init__(self, folder: Path, *, replicas: bool = False) -> None:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0")
        count = 6 if replicas else 3
        self.servers = [RedisServer(folder / f"r{n}", *options, port=_cluster_port()) for n in range(count)]
        addresses = [f"127.0.0.1:{server.port}" for server in self.servers]
        create = [_program("redis-cli"), "--cluster", "create", *addresses, "--cluster-yes"]
        subprocess.run(
            [*create, "--cluster-replicas", str(int(replicas))], check=True, stdout=subprocess.DEVNULL, timeout=60
        )
        wait_for(lambda: all(map(self._is_ok, self.servers)), what="the Redis Cluster")

    @staticmethod
    def _is_ok(server: RedisServer) -> bool:
        """Return whether the server knows all slots and, if it is a replica, could replace its master."""
        client = server.client()
        replication = client.info("replication")
        is_synced = replication["role"] == "master" or replication["master_link_status"] == "up"
        return is_synced and client.execute_command("CLUSTER INFO")["cluster_state"] == "ok"

    @property
    def url(self) -> str:
        """The value for REDIS_URL."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in self.servers)

    def move_slot(self, slot: int, source: RedisServer, target: RedisServer) -> None:
        """Move an (empty) slot to another master, like the last step of resharding."""
        target_id = target.client().execute_command("CLUSTER MYID")
        for server in (target, source, *self.servers[:3]):
            server.client().execute_command("CLUSTER SETSLOT", slot, "NODE", target_id)

    def stop(self) -> None:
        """Stop all servers."""
        for server in self.servers:
            server.stop()


def _cluster_port() -> int:
    """Return a free port such that the port of the cluster bus, 10,000 higher, exists too."""
    while (port := free_port()) > 55_000:
        pass
    return port
