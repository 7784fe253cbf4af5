"""The checker's set-ups by name: stores, nodes, what stands in front of the nodes, and the faults of each."""

import sqlite3
from contextlib import closing

from tests.checker.testbed import OF_A_NODE, OF_DATABASE, OF_NODES, Testbed
from tests.support.galera import Galera
from tests.support.mariadb import MariaDb
from tests.support.ports import wait_for
from tests.support.redis import RedisCluster, RedisSentinel, RedisServer


class _Nginx(Testbed):
    """Nginx in front of the nodes; the proxy that cuts clients is in front of Nginx."""

    has_nginx = True


class _Sqlite(Testbed):
    """One node on a SQLite file, without Redis."""

    node_ids = ("node-1",)
    redis_kind = None
    fault_kinds = OF_A_NODE

    def _start_redis(self) -> None:
        pass

    def _start_database(self) -> None:
        self.database_url = f"sqlite:///{self.folder}/imapp.db"

    def _stores(self) -> dict[str, str]:
        return {"DATABASE_URL": self.database_url}

    def put_proxies(self) -> None:
        """Do nothing: there is no network between a node and its file."""

    def rows(self, sql: str) -> list[tuple]:
        """Return the rows of a query on the file."""
        with closing(sqlite3.connect(f"file:{self.folder}/imapp.db?mode=ro", uri=True, timeout=10)) as link:
            return link.execute(sql).fetchall()


class _Galera(Testbed):
    """A Galera cluster; each node uses a different member."""

    fault_kinds = (*OF_NODES, *OF_DATABASE)

    def _start_database(self) -> None:
        self.galera = Galera()
        self.at_end(self.galera.stop)
        self._urls = self.galera.create_database()
        self.database_url, self.mariadb = self._urls[0], self.galera.members[0]

    def database(self, index: int) -> MariaDb:
        """Return the member that the node with this index uses."""
        return self.galera.members[index % len(self.galera.members)]

    def heal_database(self, index: int) -> None:
        """Start or resume the killed or frozen members, and wait until they form one cluster."""
        self.galera.heal()

    def database_of(self, index: int) -> tuple[str, int]:
        """Return the URL of the member and its port."""
        return self._urls[index % len(self._urls)], self.database(index).port


class _Sentinel(Testbed):
    """A Redis with a replica, watched by Sentinels that fail over."""

    redis_kind = RedisSentinel
    fault_kinds = (*OF_NODES, "redis_failover", "redis_cut")

    @property
    def redis_servers(self) -> list[RedisServer]:
        """The master and the replica."""
        return [self.redis.master, self.redis.replica]

    def redis_master(self) -> RedisServer:
        """Return the current master."""
        return self.redis.current()

    def await_redis_without(self, dead: RedisServer) -> None:
        """Wait until the other server is the master."""
        wait_for(lambda: self.redis.current() is not dead, what="the failover")


class _RedisCluster(Testbed):
    """A Redis Cluster of three masters, each with a replica."""

    redis_kind = RedisCluster
    fault_kinds = (*OF_NODES, "redis_failover", "redis_cut")

    @property
    def redis_servers(self) -> list[RedisServer]:
        """The masters and replicas with a running process."""
        return [one for one in self.redis.servers if one.process is not None and one.process.poll() is None]

    def redis_master(self) -> RedisServer:
        """Return a running master."""
        return next(one for one in self.redis_servers if one.client().info("replication")["role"] == "master")

    def await_redis_without(self, dead: RedisServer) -> None:
        """Wait until a replica has taken over the slots of the dead master."""
        wait_for(lambda: self._covers_without(dead), what="the replica's promotion")

    def _covers_without(self, dead: RedisServer) -> bool:
        client = self.redis_servers[0].client()
        masters = [master[1] for _, _, master, *_ in client.execute_command("CLUSTER", "SLOTS")]
        return dead.port not in masters and client.execute_command("CLUSTER INFO")["cluster_state"] == "ok"


SETUPS: dict[str, type[Testbed]] = {
    "default": Testbed,
    "nginx": _Nginx,
    "sqlite": _Sqlite,
    "galera": _Galera,
    "redis-cluster": _RedisCluster,
    "sentinel": _Sentinel,
}
