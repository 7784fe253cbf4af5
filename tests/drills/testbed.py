"""The environment of one drill: Redis, MariaDB, three nodes and the proxies between them, started for it alone."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.drills.crowd import Crowd, Shape, User
from tests.drills.oracle import ConversationHistory
from tests.support import apps
from tests.support.commits import CommitLoser
from tests.support.mariadb import MariaDb
from tests.support.nginx import Nginx
from tests.support.ports import wait_for
from tests.support.proxy import Proxy
from tests.support.redis import RedisCluster, RedisServer
from tests.support.server import Server

#: Ping interval and timeout of sockets: short, so that client and node notice a dead connection within seconds. The
#: nodes' leases have the default.
_HEARTBEAT = {"IM_PING_INTERVAL_SECONDS": "4", "IM_PING_TIMEOUT_SECONDS": "3"}

NODES = ("node-1", "node-2", "node-3")


@dataclass(frozen=True)
class Plan:
    """The parts of a testbed."""

    nodes: tuple[str, ...] = NODES
    redis: type = RedisServer
    #: Put a proxy between the second node and Redis, and between the clients and each node.
    redis_proxy: bool = False
    client_proxies: bool = False
    nginx: bool = False
    #: Number of users beyond the crowd, for devices that a drill connects.
    spare: int = 0
    environ: tuple[tuple[str, str], ...] = ()
    #: Changes the environment variables and wrapper commands of nodes before they start.
    prepare: Callable[["Testbed"], None] | None = None


class _Node(Server):
    """A node, possibly run by a wrapper command."""

    def __init__(self, folder: Path, wrapper: tuple[str, ...], **environ: str) -> None:
        self.wrapper = wrapper
        super().__init__(folder, **environ)


class Testbed:
    """See the module. `fault` notes the end of the fault, from which healing is counted."""

    def __init__(self, folder: Path, plan: Plan, shape: Shape) -> None:
        self.folder = folder
        self.plan = plan
        #: A line for each user: token, id, id of the first group.
        self.tokens = folder / "tokens"
        self.fault_over_at = 0.0
        #: The second node's proxy to MariaDB, if the drill has put one.
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
        #: Wrapper commands (words put before the node's command), by node.
        self.wrappers: dict[str, tuple[str, ...]] = {}
        if self.plan.redis_proxy:
            self.redis_proxy = self.proxy(self.redis.port)
            self.environs["node-2"]["REDIS_URL"] = f"redis://127.0.0.1:{self.redis_proxy.port}"
        if self.plan.prepare is not None:
            self.plan.prepare(self)
        with ThreadPoolExecutor(len(self.plan.nodes)) as pool:
            self.nodes = list(pool.map(self._start_node, self.plan.nodes))
        for node in self.nodes:
            node.wait_until_ready()
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
        """Return a proxy (a faulty network) to that port, which lives until the testbed is closed."""
        proxy = Proxy(port, host)
        self.at_end(proxy.close)
        return proxy

    def at_end(self, action: Callable[[], None]) -> None:
        """Run `action` when the testbed is closed, before all actions registered earlier."""
        self._closing.callback(action)

    def fixture(self, users: int, groups: int = 0, size: int = 10) -> list[list[str]]:
        """Make users and groups; return each user's token, id and first group's id ("-" for none)."""
        load = ["im", "load-fixture", "--users", str(users), "--groups", str(groups)]
        self.nodes[0].flask(*load, "--group-size", str(size), "--out", str(self.tokens))
        return [line.split() for line in self.tokens.read_text().splitlines()]

    def _gather(self, shape: Shape) -> None:
        lines = self.fixture(shape.users + self.plan.spare, shape.groups, shape.size)
        found: list[User] = [(token, int(user), int(group)) for token, user, group in lines[: shape.users]]
        self.spare = [token for token, *_ in lines[shape.users :]]
        self.token = found[0][0]
        self.crowd = Crowd(self._client_urls(), found, shape)
        self.at_end(self.crowd.close)

    def _client_urls(self) -> list[str]:
        """Return the URLs that clients connect to."""
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
        """End everything that was started, in reverse order."""
        self._closing.close()

    # -- the fault -----------------------------------------------------------------------------------------------

    @contextmanager
    def fault(self) -> Iterator[None]:
        """Mark the fault: it is over at the end of the block."""
        yield
        self.fault_over_at = time.monotonic()

    def metric(self, node: Server, name: str) -> float:
        """Return a metric of a node, summed over its labels."""
        text = requests.get(node.url + "/actuator/prometheus", timeout=10).text
        found = [line for line in text.splitlines() if line.startswith((name + " ", name + "{"))]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    def saw_gaps(self, *nodes: Server, seconds: float = 20) -> str:
        """Wait until these nodes (all by default) have noticed a gap in their bus; return this as evidence."""
        wanted = nodes or tuple(self.nodes)
        wait_for(
            lambda: all(self.metric(node, "imapp_bus_gaps_total") for node in wanted), seconds, "the gap's detection"
        )
        return f"gap noticed by {len(wanted)} node{'s' * (len(wanted) > 1)}"

    def troubles(self, *codes: str) -> str:
        """Return evidence that senders were refused with one of these codes ("": no ack in time), or "" if none was."""
        found = [code for sender in self.crowd.senders for code in sender.troubles if code in codes]
        return f"{len(found)} sends refused or cut" if found else ""

    # -- the actual state ----------------------------------------------------------------------------------------

    def presence_is_true(self) -> bool:
        """Return whether every living node reports exactly the connected users as online."""
        truth = self.online()
        return all(self._online_at(node) == truth for node in self.living()) and truth == self.online()

    def online(self) -> set[int]:
        """Return the ids of the connected users."""
        return self.crowd.online()

    def living(self) -> list[Server]:
        """Return the nodes with a running process."""
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
        """Return the rows of a query on the nodes' database."""
        return self.mariadb.query(sql, self.database_url.rpartition("/")[2])

    def _messages(self) -> list[tuple]:
        columns = "conversation_id, seq, COALESCE(client_id, CONCAT('system-', seq))"
        return self.rows(f"SELECT {columns} FROM messages ORDER BY conversation_id, seq")

    def heads(self) -> dict[int, int]:
        """Return the last message number of each conversation."""
        return {conversation_id: seq for conversation_id, seq, _ in self._messages()}

    def histories(self) -> dict[int, ConversationHistory]:
        """Return each conversation's history: the crowd's part and the stored messages."""
        told = self.crowd.histories()
        for conversation_id, seq, name in self._messages():
            told[conversation_id].stored.append((seq, name))
        return told


def own_folder() -> Path | None:
    """Return a folder in memory, since drills kill processes and not the machine; None if there is none."""
    memory = Path("/dev/shm")  # noqa: S108 - a fresh folder is made in it
    return memory if memory.is_dir() and os.access(memory, os.W_OK) else None
