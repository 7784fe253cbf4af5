"""Where a drill takes place: Redis, MariaDB, three nodes and what stands between, all started for it alone."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.drills.crowd import Crowd, Shape, User
from tests.drills.oracle import Story
from tests.support import apps
from tests.support.commits import CommitLoser
from tests.support.mariadb import MariaDb
from tests.support.nginx import Nginx
from tests.support.ports import wait_for
from tests.support.proxy import Proxy
from tests.support.redis import RedisCluster, RedisServer
from tests.support.server import Server

#: Heartbeats of sockets: short, so that a client and a node miss each other within seconds. Leases are the default.
_HEARTBEAT = {"IM_PING_INTERVAL_SECONDS": "4", "IM_PING_TIMEOUT_SECONDS": "3"}

NODES = ("node-1", "node-2", "node-3")


@dataclass(frozen=True)
class Plan:
    """What the field is made of."""

    nodes: tuple[str, ...] = NODES
    redis: type = RedisServer
    #: The way of the second node to Redis, and of all clients to the nodes, goes through proxies.
    redis_proxy: bool = False
    client_proxies: bool = False
    nginx: bool = False
    #: Users beyond the crowd, for devices that a drill brings in.
    spare: int = 0
    environ: tuple[tuple[str, str], ...] = ()
    #: Changes the surroundings of nodes before they start.
    prepare: Callable[["Field"], None] | None = None


class _Node(Server):
    """A node, maybe in surroundings of its own."""

    def __init__(self, folder: Path, wrapper: tuple[str, ...], **environ: str) -> None:
        self.wrapper = wrapper
        super().__init__(folder, **environ)


class Field:
    """See the module. `fault` marks when the fault ended: healing is counted from there."""

    def __init__(self, folder: Path, plan: Plan, shape: Shape) -> None:
        self.folder = folder
        self.plan = plan
        self.fault_over_at = 0.0
        #: A node's own way to MariaDB, where the drill has one.
        self.way: CommitLoser
        self._closing = ExitStack()
        try:
            self._build(shape)
        except BaseException:
            self.close()
            raise

    def _build(self, shape: Shape) -> None:
        self._start_redis()
        self._start_database()
        apps.migrate(self.database_url, self.folder)
        self.environs = {name: self._environ(name) for name in self.plan.nodes}
        #: Words before the commands of some nodes.
        self.wrappers: dict[str, tuple[str, ...]] = {}
        if self.plan.redis_proxy:
            self.redis_proxy = self.proxy(self.redis.port)
            self.environs["node-2"]["REDIS_URL"] = f"redis://127.0.0.1:{self.redis_proxy.port}"
        if self.plan.prepare is not None:
            self.plan.prepare(self)
        with ThreadPoolExecutor(len(self.plan.nodes)) as pool:
            self.nodes = list(pool.map(self._start_node, self.plan.nodes))
        for node in self.nodes:
            node.wait_until_ready(30)
        self._gather(shape)

    def _start_redis(self) -> None:
        options = {"replicas": True} if self.plan.redis is RedisCluster else {}
        self.redis = self.plan.redis(self.folder / "redis", **options)
        self.at_end(self.redis.stop)

    def _start_database(self) -> None:
        self.mariadb = MariaDb(self.folder / "mariadb")
        self.at_end(self.mariadb.stop)
        self.database_url = self.mariadb.create_database()

    def _environ(self, name: str) -> dict[str, str]:
        return {
            "NODE_ID": name, **self._stores(),
            "SECRET_KEY": "secret-of-the-drills-" + "s" * 16, "IM_STATS_VISIBILITY": "everyone", **_HEARTBEAT,
            "IM_TRUSTED_PROXIES": "127.0.0.1", **dict(self.plan.environ),
        }  # fmt: skip

    def _stores(self) -> dict[str, str]:
        return {"REDIS_URL": self.redis.url, "DATABASE_URL": self.database_url}

    def _start_node(self, name: str) -> Server:
        node = _Node(self.folder / name, self.wrappers.get(name, ()), **self.environs[name])
        self.at_end(node.stop)
        return node

    def proxy(self, port: int, host: str = "127.0.0.1") -> Proxy:
        """A bad network before that port, until the field is closed."""
        proxy = Proxy(port, host)
        self.at_end(proxy.close)
        return proxy

    def at_end(self, action: Callable[[], None]) -> None:
        """Do this when the field is closed, before all that was done earlier."""
        self._closing.callback(action)

    def fixture(self, users: int, groups: int = 0, size: int = 10) -> list[list[str]]:
        """Make users and groups; gives a token, a user id and the first group's id ("-" for none) of each user."""
        out = self.folder / "tokens"
        load = ["im", "load-fixture", "--users", str(users), "--groups", str(groups)]
        self.nodes[0].flask(*load, "--group-size", str(size), "--out", str(out))
        return [line.split() for line in out.read_text().splitlines()]

    def _gather(self, shape: Shape) -> None:
        lines = self.fixture(shape.users + self.plan.spare, shape.groups, shape.size)
        found: list[User] = [(token, int(user), int(group)) for token, user, group in lines[: shape.users]]
        self.spare = [token for token, *_ in lines[shape.users :]]
        self.token = found[0][0]
        self.crowd = Crowd(self._doors(), found, shape)
        self.at_end(self.crowd.close)

    def _doors(self) -> list[str]:
        """Where clients come in."""
        if self.plan.nginx:
            short = lambda text: text.replace("worker_shutdown_timeout 30s", "worker_shutdown_timeout 5s")  # noqa: E731
            self.nginx = Nginx(self.folder / "nginx", self.nodes, edit=short).start()
            self.at_end(self.nginx.stop)
            return [self.nginx.url]
        if self.plan.client_proxies:
            self.client_proxies = [self.proxy(node.port) for node in self.nodes]
            return [proxy.url for proxy in self.client_proxies]
        return [node.url for node in self.nodes]

    def close(self) -> None:
        """End all that was started, the last first."""
        self._closing.close()

    # -- the fault -----------------------------------------------------------------------------------------------

    @contextmanager
    def fault(self) -> Iterator[None]:
        """The fault is inside; it is over where the block ends."""
        yield
        self.fault_over_at = time.monotonic()

    def metric(self, node: Server, name: str) -> float:
        """A metric of a node, summed over its labels."""
        text = requests.get(node.url + "/actuator/prometheus", timeout=10).text
        found = [line for line in text.splitlines() if line.startswith((name + " ", name + "{"))]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    def saw_gaps(self, *nodes: Server, seconds: float = 20) -> str:
        """What shows that these nodes (all, if none is named) noticed that their bus was cut."""
        wanted = nodes or tuple(self.nodes)
        wait_for(
            lambda: all(self.metric(node, "imapp_bus_gaps_total") for node in wanted), seconds, "the nodes' noticing"
        )
        return f"gap noticed by {len(wanted)} node{'s' * (len(wanted) > 1)}"

    def troubles(self, *codes: str) -> str:
        """What shows that senders were refused with one of these codes ("": no ack in time)."""
        found = [code for sender in self.crowd.senders for code in sender.troubles if code in codes]
        return f"{len(found)} sends refused or cut" if found else ""

    # -- the truth -----------------------------------------------------------------------------------------------

    def presence_is_true(self) -> bool:
        """Whether every living node names exactly those online who are connected."""
        truth = self.online()
        return all(self._online_at(node) == truth for node in self.living()) and truth == self.online()

    def online(self) -> set[int]:
        """Who is connected."""
        return self.crowd.online()

    def living(self) -> list[Server]:
        """Nodes whose process runs."""
        return [node for node in self.nodes if node.process is not None and node.process.poll() is None]

    def _online_at(self, node: Server) -> set[int]:
        found: set[int] = set()
        cursor = ""
        while True:
            headers = {"Authorization": f"Bearer {self.token}"}
            answer = requests.get(f"{node.url}/api/stats/online?limit=100{cursor}", headers=headers, timeout=10)
            if not answer.ok:
                return set()
            found |= set(answer.json()["user_ids"])
            if not answer.json()["next_cursor"]:
                return found
            cursor = f"&cursor={answer.json()['next_cursor']}"

    def rows(self, sql: str) -> list[tuple]:
        """What the nodes' database says."""
        return self.mariadb.query(sql, self.database_url.rpartition("/")[2])

    def _messages(self) -> list[tuple]:
        columns = "conversation_id, seq, COALESCE(client_id, CONCAT('system-', seq))"
        return self.rows(f"SELECT {columns} FROM messages ORDER BY conversation_id, seq")

    def heads(self) -> dict[int, int]:
        """The last number of each conversation."""
        return {conversation_id: seq for conversation_id, seq, _ in self._messages()}

    def stories(self) -> dict[int, Story]:
        """What people went through, and what the database holds."""
        told = self.crowd.stories()
        for conversation_id, seq, name in self._messages():
            told[conversation_id].stored.append((seq, name))
        return told


def own_folder() -> Path | None:
    """Where fields are best made: in memory, since what drills kill are processes and not the machine."""
    memory = Path("/dev/shm")  # noqa: S108 - a fresh folder is made in it
    return memory if memory.is_dir() and os.access(memory, os.W_OK) else None
