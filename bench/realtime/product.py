"""Measure the product on one node with MariaDB: durable messages, and the cost of a connection."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import durable_sends
from bench.realtime.measured import SERVER_CORE, Measured, rates
from tests.support.mariadb import MariaDb
from tests.support.ports import free_port, wait_for

_BODY = '"client_id":"@N@","type":"text","content":{"text":"#t=@T@# hello world hello world"}'
PRIVATE = f'421["send_message",{{"to_user_id":@P@,{_BODY}}}]'
GROUP = f'421["send_message",{{"conversation_id":@C@,{_BODY}}}]'
PING = '421["ping_server",{}]'
DELIVERED = '42["message_created"'

#: Members of the large room, and messages a second in it.
BIG_ROOM, BIG_RATE = 5000, 5

Row = tuple[str, str]


class Product:
    """One MariaDB; a node and its users for each measurement."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mariadb = MariaDb(folder / "mariadb")

    @contextmanager
    def node(self, users: int, groups: int = 0, size: int = 0) -> Iterator[tuple[Measured, Path]]:
        """Start a node on its own database; return it with the file of its users."""
        url = self.mariadb.create_database()
        port = free_port()
        folder = self.folder / str(port)
        folder.mkdir()
        tokens = folder / "tokens"
        environ = durable_sends.environ(folder, url, port)
        fixture = ["load-fixture", "--users", str(users), "--out", str(tokens)]
        if groups:
            fixture += ["--groups", str(groups), "--group-size", str(size)]
        for arguments in (["db", "upgrade"], ["im", *fixture]):
            flask = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
            subprocess.run(flask, cwd=durable_sends.ROOT, env=environ, check=True, stdout=subprocess.DEVNULL)
        with (folder / "log").open("ab") as log:
            command = ["taskset", "-c", SERVER_CORE, sys.executable, "-m", "gunicorn"]
            process = subprocess.Popen(command, cwd=durable_sends.ROOT, env=environ, stdout=log, stderr=log)
        wait_for(lambda: durable_sends._listens(port), what="the start of the node")
        one = Measured(process, port)
        try:
            yield one, tokens
        finally:
            one.stop()

    def rows(self, seconds: float, idle: int) -> Iterator[Row]:
        """Run all measurements."""
        yield from self._private(seconds)
        yield from self._group(seconds)
        yield from self._connections(idle)
        yield self._many_conversations()
        yield self._light_client(seconds)

    def _private(self, seconds: float) -> Iterator[Row]:
        with self.node(200) as (one, tokens):
            one.order(connect=200, tokens=str(tokens))
            load: dict[str, Any] = {"command": PRIVATE, "senders": 199, "event": DELIVERED}
            one.order(**load, window=4, seconds=3)
            full = one.order(**load, window=4, seconds=seconds)
            yield "durable private messages, 200 clients x 4: acknowledged", rates(full["acks"], full)
            yield "the same, delivered", rates(full["events"], full)
            for rate in (4000, int(full["acks"] / full["seconds"] / 2)):
                one.order(**load, rate=rate, seconds=3)
                half = one.order(**load, rate=rate, seconds=seconds)
                yield f"send to receipt at {rate}/s", _latency(half["latency"])
            one.order(command=PING, senders=100, window=4, seconds=1)
            pings = one.order(command=PING, senders=100, window=4, seconds=seconds)
            yield "acks of ping_server, 100 clients x 4", rates(pings["acks"], pings)

    def _group(self, seconds: float) -> Iterator[Row]:
        with self.node(500, 1, 500) as (one, tokens):
            one.order(connect=500, tokens=str(tokens))
            load: dict[str, Any] = {"command": GROUP, "senders": 2, "window": 2, "event": DELIVERED}
            one.order(**load, seconds=2)
            answer = one.order(**load, seconds=seconds)
            yield "durable messages to a group of 500 online: deliveries", rates(answer["events"], answer)
            load |= {"senders": 50, "window": 4}
            one.order(**load, seconds=2)
            answer = one.order(**load, seconds=seconds)
            yield "the same with 200 in flight", rates(answer["events"], answer)

    def _connections(self, count: int) -> Iterator[Row]:
        with self.node(count, count // 50, 50) as (one, tokens):
            came, size, _ = connect(one, tokens, count)
            yield "authenticated connects, each in a group", rates(count - 200, came)
            yield f"memory for each of {count:,} connections", f"{size:.1f} kB"
            time.sleep(5)
            rest = one.order(command=PING, senders=0, seconds=30)
            yield "CPU of them when idle, share of a core", f"{100 * rest['cpu'] / rest['seconds']:.1f} %"

    def _many_conversations(self) -> Row:
        users = 400
        costs = []
        for groups in (users // 100, 200 * users // 100):
            with self.node(users, groups, 100) as (one, tokens):
                _, size, cpu = connect(one, tokens, users, before=200)
                costs.append((size, cpu))
        (size, cpu), (more_size, more_cpu) = costs
        more = f"{more_size - size:.1f} kB, {1000 * (more_cpu - cpu):.2f} ms of CPU more"
        return "connect of a user in 200 conversations, beside one in a single one", more

    def _light_client(self, seconds: float) -> Row:
        with self.node(BIG_ROOM, 1, BIG_ROOM) as (one, tokens):
            one.order(connect=BIG_ROOM, tokens=str(tokens))
            load: dict[str, Any] = {"command": GROUP, "senders": 5, "rate": BIG_RATE, "event": DELIVERED}
            answer = one.order(**load, light=PING, seconds=2 * seconds)
            name = f"ack of a light client while a room of {BIG_ROOM:,} gets {BIG_RATE} messages/s"
            return name, f"{_latency(answer['light'])}; deliveries {_latency(answer['latency'])}"


def connect(one: Measured, tokens: Path, count: int, before: int = 200) -> tuple[dict[str, Any], float, float]:
    """Connect all users, some as warm-up; return the answer, and kB and seconds of CPU for each of the others."""
    one.order(connect=before, tokens=str(tokens))
    time.sleep(1)
    size = one.rss()
    came = one.order(connect=count - before, tokens=str(tokens), skip=before)
    time.sleep(2)
    return came, (one.rss() - size) / (count - before), came["cpu"] / (count - before)


def _latency(percentiles: dict[str, float]) -> str:
    return f"p50 {percentiles['p50']:.1f} ms, p99 {percentiles['p99']:.1f} ms"
