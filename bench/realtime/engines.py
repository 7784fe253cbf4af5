"""The engine itself beside stock Flask-SocketIO and Node's Socket.IO: the small application of app.py on each."""

import socket
import subprocess
import sys
import time
from pathlib import Path

from bench.realtime.measured import SERVER_CORE, Measured, rates
from tests.support.ports import free_port, wait_for

HERE = Path(__file__).parent
ENGINES = ("ours", "node", "stock")

SAY = '421["say",{"m":"hello world hello world hello world"}]'
PING = '421["ping",{}]'
#: A private message without storage, to compare with the durable one.
TELL = '421["tell",{"to":"@P@","client_id":"@N@","type":"text","content":{"text":"#t=@T@# hello world hello world"}}]'

#: Seconds during which idle connections are measured.
IDLE_SECONDS = 30

ROWS = [
    "deliveries, one room of 500",
    "acks of a command that touches nothing, 100 clients x 4",
    "private messages that store nothing, 200 clients x 4",
    "authenticated connects",
    "memory for each idle connection",
    "CPU of the idle connections, share of a core",
]


def start(name: str) -> Measured:
    """One server with its crowd."""
    port = free_port()
    command = [sys.executable, "-m", "bench.realtime.app", name, str(port)]
    if name == "node":
        command = ["node", str(HERE / "node" / "server.mjs"), str(port)]
    process = subprocess.Popen(["taskset", "-c", SERVER_CORE, *command], stderr=subprocess.DEVNULL)

    def is_up() -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True

    wait_for(is_up, what=f"the start of {name}")
    return Measured(process, port)


def measure(name: str, seconds: float, idle: int) -> list[str]:
    """Measure one column of the table."""
    one = start(name)
    try:
        one.order(connect=500)
        found = []
        for command, senders, window, counted in (
            (SAY, 2, 2, "events"),
            (PING, 100, 4, "acks"),
            (TELL, 200, 4, "events"),
        ):
            load = {"command": command, "senders": senders, "window": window}
            one.order(**load, seconds=1)
            answer = one.order(**load, seconds=seconds)
            found.append(rates(answer[counted], answer))
    finally:
        one.stop()
    return [*found, *idling(name, idle)]


def idling(name: str, count: int) -> list[str]:
    """Measure memory, connects and heartbeats on a fresh server."""
    one = start(name)
    try:
        one.order(connect=200)
        before = one.rss()
        came = one.order(connect=count)
        time.sleep(2)
        per_connection = (one.rss() - before) / count
        rest = one.order(command=PING, senders=0, seconds=IDLE_SECONDS)
    finally:
        one.stop()
    return [rates(count, came), f"{per_connection:.1f} kB", f"{100 * rest['cpu'] / rest['seconds']:.1f} %"]
