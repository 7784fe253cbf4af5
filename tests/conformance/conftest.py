"""Fixtures: servers with the bare engine, each in a process of its own, and clients for them."""

import subprocess
import sys

import pytest
import requests

from tests.conformance.client import Talker
from tests.support.clients.polling import Polling
from tests.support.ports import free_port, wait_for
from tests.support.server import ROOT


@pytest.fixture(scope="session")
def start_engine(tmp_path_factory):
    """Provide `start_engine(*arguments)`, which returns the port of the one server with these arguments."""
    logs = []
    started: dict[tuple[str, ...], tuple[int, subprocess.Popen]] = {}

    def start(*arguments: str) -> int:
        if arguments in started:
            return started[arguments][0]
        port = free_port()
        command = [sys.executable, "-m", "tests.conformance.server", "--port", str(port), *arguments]
        logs.append(tmp_path_factory.mktemp("engine") / "log")
        with logs[-1].open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        started[arguments] = port, process
        wait_for(lambda: requests.get(f"http://127.0.0.1:{port}/", timeout=5).status_code == 404, 30, "the start")
        return port

    yield start
    for _port, process in started.values():
        process.terminate()
        process.wait(20)
    # Whatever the tests sent, only the handlers that they made fail may log a traceback.
    said = "\n".join(log.read_text() for log in logs)
    assert said.count("Traceback") == said.count("Error: as a test wants it"), said


@pytest.fixture
def arguments() -> tuple[str, ...]:
    """Return the arguments of the test's server; tests override this with a parameter of the same name."""
    return ("--engineio",)


@pytest.fixture
def address(start_engine, arguments) -> str:
    """Return host, port and path of the test's server."""
    path = "/engine.io/" if "--engineio" in arguments else "/socket.io/"
    return f"127.0.0.1:{start_engine(*arguments)}{path}"


@pytest.fixture
def polling(address) -> Polling:
    """Provide a polling client."""
    return Polling(f"http://{address}")


@pytest.fixture
def talk(address):
    """Provide `talk(**query)`, which opens a WebSocket; it is closed at the end."""
    opened = []

    def connect(**query: str) -> Talker:
        opened.append(Talker(address, **query))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


@pytest.fixture
def talker(talk) -> Talker:
    """Provide a client connected to the main namespace."""
    one = talk()
    one.connect()
    return one
