"""A cluster under light use, and a Prometheus that watches it as deploy/monitoring configures, but every second."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
import yaml
from socketio.exceptions import SocketIOError

from tests.support.clients.official import Device
from tests.support.monitoring import MONITORING, MysqldExporter, Prometheus, RedisExporter
from tests.support.ports import wait_for


def quick(config: dict[str, Any], targets: dict[str, list[str]]) -> dict[str, Any]:
    """Return the shipped configuration with these targets and intervals of a second."""
    config["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(MONITORING / "rules/*.yaml")]
    jobs = [job for job in config["scrape_configs"] if job["job_name"] in targets]
    for job in jobs:
        job["static_configs"] = [{"targets": targets[job["job_name"]]}]
    return {**config, "scrape_configs": jobs}


def shipped(name: str) -> dict[str, Any]:
    """Return the contents of a file of deploy/monitoring."""
    return yaml.safe_load((MONITORING / name).read_text())


def talk(one: Device, other: Device) -> None:
    """Do what users do: send a message to another node, sync, read history, and send an invalid command."""
    message = one.send("hello", to_user_id=other.id)["message"]
    other.wait_for("message_created", lambda payload: payload["message"]["id"] == message["id"])
    other.events.clear()
    other.call("sync", {"conversations": {}})
    one.call("send_message", {"type": "text"})
    other.get(f"/api/conversations/{message['conversation_id']}/messages")


@contextmanager
def conversations(people: list[Device]) -> Iterator[None]:
    """Let each person talk with the previous one repeatedly inside the block; ignore times without a connection."""
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            with suppress(SocketIOError, AssertionError):  # this only makes traffic: other tests check the results
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


@pytest.fixture(scope="module")
def watched(nodes, mariadb, redis_server, tmp_path_factory) -> Iterator[Prometheus]:
    """Run Prometheus with both exporters on the three shared nodes, with data of at least 20 s.

    Not for the session: the users, Prometheus and the exporters together keep half a processor busy.
    """
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
        wait_for(lambda: len(prometheus.query("up == 1")) == 5, what="the first scrapes")
        stack.enter_context(conversations(people))
        wait_for(lambda: prometheus.query("min(count_over_time(up[1m])) >= 20"), 100, "twenty scrapes of each")
        yield prometheus
