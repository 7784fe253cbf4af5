"""The environment of the checker's cycles: stores and three nodes, proxies between them, and the users."""

from pathlib import Path
from typing import Any

from tests.checker.device import LiveDevice, fresh_view
from tests.checker.history import History
from tests.checker.load import User
from tests.checker.page import Page
from tests.checker.rest import Rest
from tests.drills import testbed as drills
from tests.support.clients.asynchronous import LoopThread
from tests.support.mariadb import MariaDb
from tests.support.proxy import Proxy
from tests.support.redis import RedisServer

#: Number of devices of each user.
_DEVICES = 2

#: Share of the users that are members of each group at first; the other users join and leave.
_SHARE = 0.7

#: A node's lease: short, so that a cycle does not wait long for the end of a dead node's.
_ENVIRON = {"IM_NODE_LEASE_SECONDS": "4"}

#: Kinds of faults (faults.py): of one node and of clients, of several nodes, of Redis, of the database.
OF_A_NODE = ("node_killed", "node_stopped", "node_frozen", "clients_cut")
OF_NODES = (*OF_A_NODE, "rolling_restart")
OF_REDIS = ("redis_frozen", "redis_killed", "redis_cut", "redis_stalled", "redis_mute")
OF_DATABASE = (
    "database_frozen", "database_killed", "connections_killed", "connections_cut", "commit_lost", "killed_at_commit",
    "database_partition", "database_late",
)  # fmt: skip


class Testbed(drills.Testbed):
    """MariaDB, Redis and three nodes; setups.py has other set-ups. `close` ends everything."""

    node_ids: tuple[str, ...] = drills.NODES
    redis_kind: type | None = RedisServer
    has_nginx = False
    fault_kinds: tuple[str, ...] = (*OF_NODES, *OF_REDIS, *OF_DATABASE)

    def __init__(self, folder: Path, users: int, environ: dict[str, str], pages: int = 0) -> None:
        self.history = History()
        #: Pages of the web client, each for a different user.
        self.pages: list[Page] = []
        self._page_count = pages
        #: Breaches in the database that an earlier cycle has reported.
        self.named: set[str] = set()
        #: One proxy for each node; empty if the set-up has no connection to put a proxy on.
        self.database_proxies: list[Proxy] = []
        self.redis_proxies: list[Proxy] = []
        self.users: list[User] = []
        #: user id -> the account and a token.
        self._accounts: dict[int, tuple[dict[str, Any], str]] = {}
        self._count = users
        plan = drills.Plan(
            nodes=self.node_ids, redis=self.redis_kind or RedisServer, client_proxies=True, nginx=self.has_nginx,
            environ=tuple({**_ENVIRON, **environ}.items()), prepare=lambda testbed: testbed.put_proxies(),
        )  # fmt: skip
        super().__init__(folder, plan, drills.Shape())

    # -- stores ------------------------------------------------------------------------------------------------

    def database(self, _index: int) -> MariaDb:
        """Return the database server that the node with this index uses."""
        return self.mariadb

    def heal_database(self, index: int) -> None:
        """Start the node's database server again if it is dead, else resume it."""
        server = self.database(index)
        if server.process is not None and server.process.poll() is None:
            server.thaw()
        else:
            server.start()

    @property
    def redis_servers(self) -> list[RedisServer]:
        """All Redis servers that hold data."""
        return [self.redis]

    def database_of(self, _index: int) -> tuple[str, int]:
        """Return the URL and the port of the database of the node with this index."""
        return self.database_url, self.mariadb.port

    def put_proxies(self) -> None:
        """Put a proxy of its own between each node and the database, and between each node and Redis."""
        for index, name in enumerate(self.plan.nodes):
            url, port = self.database_of(index)
            self.database_proxies.append(self.proxy(port))
            self.environs[name]["DATABASE_URL"] = url.replace(f":{port}/", f":{self.database_proxies[-1].port}/")
            if self.redis_kind is RedisServer:
                self.redis_proxies.append(self.proxy(self.redis.port))
                self.environs[name]["REDIS_URL"] = f"redis://127.0.0.1:{self.redis_proxies[-1].port}"

    def _client_urls(self) -> list[str]:
        urls = super()._client_urls()
        if self.plan.nginx:
            self.client_proxies = [self.proxy(self.nginx.port)]
            return [proxy.url for proxy in self.client_proxies]
        return urls

    def keep_logs(self, folder: Path, name: str) -> None:
        """Copy the nodes' logs, to investigate a failure."""
        for node in self.nodes:
            (folder / f"{name}-{node.environ['NODE_ID']}.log").write_text(node.log)

    # -- users -------------------------------------------------------------------------------------------------

    def _gather(self, _shape: drills.Shape) -> None:
        urls = self._client_urls()
        lines = self.fixture(self._count)
        self.token = lines[0][0]
        loop = LoopThread()
        self.at_end(loop.close)
        for number, (token, *_) in enumerate(lines):
            rest = Rest(urls, token, number)
            self.at_end(rest.close)
            me = rest("/api/users/me")
            self._accounts[me["id"]] = me, token
            devices = [LiveDevice(me, token, urls, loop, number + index) for index in range(_DEVICES)]
            self.users.append(User(me["id"], devices, rest, self.history))
        self._acquaint()
        for device in self.devices:
            self.at_end(device.stop)
            device.start()
        for number, user in enumerate(self.users[: self._page_count]):
            self.pages.append(Page(urls[number % len(urls)], *self._accounts[user.id]))
            self.at_end(self.pages[-1].close)

    def _acquaint(self) -> None:
        """Create some groups with open membership, and a private conversation between each user and the next."""
        size = int(self._count * _SHARE)
        groups = []
        for number in range(max(2, self._count // 3)):
            members = [self.users[(number * 2 + index) % self._count] for index in range(size)]
            body = {"name": f"group {number}", "join_policy": "open", "member_ids": [one.id for one in members[1:]]}
            groups.append(members[0].rest("/api/groups", body)["id"])
        for number, user in enumerate(self.users):
            user.groups = groups
            user.others = [other.id for other in self.users if other is not user]
            user.rest("/api/conversations", {"user_id": self.users[(number + 1) % self._count].id})

    @property
    def devices(self) -> list[LiveDevice]:
        """All users' devices, without the pages."""
        return [device for user in self.users for device in user.devices]

    def online(self) -> set[int]:
        """Return the ids of the connected users."""
        return {device.user_id for device in self.devices if device.node}

    def fresh(self, user: User) -> dict[str, Any]:
        """Return the view of a new device of the user; raises RequestFailedError."""
        return fresh_view(*self._accounts[user.id], user.rest)
