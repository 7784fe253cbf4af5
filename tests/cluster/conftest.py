"""Brokers over every kind of carrier, started and stopped by the tests."""

import itertools
import threading

import pytest

from imapp.cluster.bus.broker import Exchange, MemoryBroker
from imapp.cluster.bus.factory import make_broker
from imapp.settings import Settings
from tests.support.ports import wait_for
from tests.support.redis import RedisCluster, RedisSentinel, RedisServer

_names = itertools.count(1)


class Ear:
    """A node's listener that records every call."""

    def __init__(self) -> None:
        self.heard_all: list[tuple[str, bytes]] = []
        self.gaps: list[str] = []
        self.missed_channels: list[set[str] | None] = []
        self.is_ready = threading.Event()

    def heard(self, channel: str, body: bytes) -> None:
        self.heard_all.append((channel, body))

    def ready(self) -> None:
        self.is_ready.set()

    def gap(self, reason: str) -> None:
        self.gaps.append(reason)

    def missed(self, channels: set[str] | None) -> None:
        self.missed_channels.append(channels)

    def wait_for(self, *bodies: bytes, seconds: float = 60) -> None:
        """Wait until exactly these messages have been heard, in this order."""
        wait_for(lambda: len(self.heard_all) >= len(bodies), seconds, f"hearing {len(bodies)} messages")
        assert [body for _, body in self.heard_all] == list(bodies)


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory):
    """Run three masters without replicas, for tests that do not stop them."""
    cluster = RedisCluster(tmp_path_factory.mktemp("redis-cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def redis_sentinel(tmp_path_factory):
    """Run a master with sentinels, for tests that do not stop it."""
    sentinel = RedisSentinel(tmp_path_factory.mktemp("redis-sentinel"))
    yield sentinel
    sentinel.stop()


@pytest.fixture(params=["memory", "redis", "sentinel", "cluster"])
def carrier(request) -> str | None:
    """Return the carrier of the messages: a REDIS_URL, or None for the in-process exchange."""
    if request.param == "memory":
        return None
    fixtures = {"redis": "redis_server", "sentinel": "redis_sentinel", "cluster": "redis_cluster"}
    return request.getfixturevalue(fixtures[request.param]).url


@pytest.fixture
def join(tmp_path):
    """Provide `join(url, **settings)`, which returns a node's broker and its listener when they are ready.

    Only the nodes of one test hear each other.
    """
    brokers = []
    exchange = Exchange()
    cluster = f"test-{next(_names)}"

    def start(url: str | None, *, wait: bool = True, **settings):
        node = f"n{len(brokers) + 1}"
        if url is None:
            broker = MemoryBroker(exchange)
        else:
            given = {"secret_key": "k" * 32, "redis_url": url, "cluster_name": cluster, "node_id": node, **settings}
            broker = make_broker(Settings(data_dir=tmp_path, **given))
        ear = Ear()
        brokers.append(broker)
        broker.start(ear)
        if wait:
            assert ear.is_ready.wait(10), "the broker did not come up"
        return broker, ear

    yield start
    for broker in brokers:
        broker.close()


@pytest.fixture
def own_redis(tmp_path):
    """Run a Redis for this test alone, which may kill and freeze it."""
    server = RedisServer(tmp_path / "redis")
    yield server
    server.stop()


@pytest.fixture
def own_sentinel(tmp_path):
    """Run a master with sentinels for this test alone."""
    sentinel = RedisSentinel(tmp_path / "sentinel")
    yield sentinel
    sentinel.stop()


@pytest.fixture
def own_redis_cluster(tmp_path):
    """Run three masters and their replicas for this test alone."""
    cluster = RedisCluster(tmp_path / "cluster", replicas=True)
    yield cluster
    cluster.stop()
