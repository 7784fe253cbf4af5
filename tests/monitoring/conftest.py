"""A cluster that is used a little, and a Prometheus that watches it as deploy/monitoring says, but every second."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
import yaml
from socketio.exceptions import SocketIOError

from tests.support.device import Device
from tests.support.monitoring import MONITORING, MysqldExporter, Prometheus, RedisExporter
from tests.support.ports import wait_for


def quick(config: dict[str, Any], targets: dict[str, list[str]]) -> dict[str, Any]:
    """The shipped configuration with these targets, each second."""
    config["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(MONITORING / "rules/*.yaml")]
    jobs = [job for job in config["scrape_configs"] if job["job_name"] in targets]
    for job in jobs:
        job["static_configs"] = [{"targets": targets[job["job_name"]]}]
    return {**config, "scrape_configs": jobs}


def shipped(name: str) -> dict[str, Any]:
    """A file of deploy/monitoring."""
    return yaml.safe_load((MONITORING / name).read_text())


def talk(one: Device, other: Device) -> None:
    """What people do: a message to another node, a look at what was missed, a mistake."""
    message = one.send("hello", to_user_id=other.id)["message"]
    other.wait_for("message_created", lambda payload: payload["message"]["id"] == message["id"], timeout=30)
    other.events.clear()
    other.call("sync", {"conversations": {}})
    one.call("send_message", {"type": "text"})
    other.get(f"/api/conversations/{message['conversation_id']}/messages")


@contextmanager
def conversations(people: list[Device]) -> Iterator[None]:
    """Each talks with the one before, again and again, as long as this lasts, but for times without a connection."""
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            with suppress(SocketIOError, AssertionError):  # it makes traffic; what came is looked at elsewhere
                for number, one in enumerate(people):
                    talk(one, people[number - 1])
            over.wait(0.3)

    with ThreadPoolExecutor(1) as pool:
        talking = pool.submit(go_on)
        try:
            yield
        finally:
            over.set()
        talking.result()


@pytest.fixture(scope="session")
def watched(nodes, mariadb, redis_server, tmp_path_factory) -> Iterator[Prometheus]:
    """Prometheus with both exporters before the three shared nodes, with data of the last half minute."""
    folder = tmp_path_factory.mktemp("watched")
    with ExitStack() as stack:
        redis = RedisExporter(folder / "redis", redis_server.url)
        stack.callback(redis.stop)
        mysql = MysqldExporter(folder / "mysql", mariadb)
        stack.callback(mysql.stop)
        targets = {
            "imapp": [node.url.removeprefix("http://") for node in nodes],
            "redis": [redis.address], "mysql": [mysql.address],
        }  # fmt: skip
        prometheus = Prometheus(folder / "prometheus", quick(shipped("prometheus.yaml"), targets))
        stack.callback(prometheus.stop)
        people = [Device.register(node, "watched").connect() for node in nodes]
        for one in people:
            stack.callback(one.close)
        wait_for(lambda: len(prometheus.query("up == 1")) == 5, 60, "the first scrapes")
        stack.enter_context(conversations(people))
        wait_for(lambda: prometheus.query("min(count_over_time(up[1m])) >= 20"), 100, "twenty scrapes of each")
        yield prometheus
