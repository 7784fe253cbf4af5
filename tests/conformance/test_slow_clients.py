"""A client that does not read its data costs bounded memory for a bounded time."""

import socket
import time
from pathlib import Path

import pytest

from tests.conformance.client import Talker
from tests.support.ports import wait_for

BOUNDED = ("--engineio", "--slow-bytes", "3000000", "--slow-seconds", "2")
bounded = pytest.mark.parametrize("arguments", [BOUNDED], ids=["3 MB, 2 s"])

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def worker(start_engine, arguments, address) -> int:
    """Return the process id of the server's worker."""
    port = int(address.partition("/")[0].rpartition(":")[2])
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if f":{port:04X} 00000000:0000" in line
    }
    holders = [
        int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit() and inodes & sockets_of(folder)
    ]
    return max(holders)


def sockets_of(folder: Path) -> set[str]:
    try:
        links = [str(link.readlink()) for link in (folder / "fd").iterdir()]
    except OSError:
        return set()
    return {link[8:-1] for link in links if link.startswith("socket:")}


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def memory_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def stuff(connection: Talker, count: int, size: int) -> None:
    """Send `count` messages, which are echoed, without reading the answers."""
    connection.sock.settimeout(0.5)
    for _ in range(count):
        try:
            connection.send_frame(0x81, b"4" + b"x" * size, mask=b"\0\0\0\0")
        except (TimeoutError, ConnectionError):
            return


@pytest.mark.parametrize(("count", "size"), [(35, 200_000), (200, 20_000), (7000, 1000)])
def test_a_reader_that_pauses_gets_every_frame_whole(talk, count, size):
    connection = talk()
    texts = [b"4" + bytes([97 + number % 26]) * size for number in range(count)]

    for text in texts:
        connection.send_frame(0x81, text, mask=b"\0\0\0\0")
    time.sleep(1.5)

    assert [connection.read()[1] for _ in texts] == texts


@bounded
def test_a_stopped_reader_is_disconnected_and_its_resources_are_freed(talk, worker):
    talker = talk()
    files, memory = open_files(worker), memory_kb(worker)
    stopped = [talk() for _ in range(5)]

    for connection in stopped:
        stuff(connection, 200, 100_000)

    wait_for(lambda: open_files(worker) <= files, 15, "the disconnection of the stopped readers")
    assert memory_kb(worker) - memory < 40_000
    assert talker.echo() == b"4still here"


@bounded
def test_a_reader_that_stops_below_the_limit_of_bytes_is_disconnected_after_a_time(talk, worker):
    files = open_files(worker)
    connection = talk()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    stuff(connection, 60, 50_000)

    assert open_files(worker) == files + 1
    wait_for(lambda: open_files(worker) <= files, 10, "the disconnection of the stopped reader")


def test_vanished_clients_leave_no_open_files(talk, worker):
    files = open_files(worker)

    for _ in range(100):
        connection = talk()
        connection.send_frame(0x01, b"4half a mess")
        connection.close()

    wait_for(lambda: open_files(worker) <= files + 1, 10, "the cleanup after the vanished clients")


def test_an_idle_connection_costs_little(talk, worker):
    for _ in range(50):
        talk()  # let the server allocate what it allocates once
    before = memory_kb(worker)

    for _ in range(400):
        talk()

    assert memory_kb(worker) - before < 400 * 20


def test_a_flooding_client_does_not_delay_other_clients(talk):
    flood, talker = talk(), talk()
    frame = b"\x81\x82\0\0\0\0" + b"4x"
    flood.sock.setblocking(False)
    slowest = 0.0

    for _ in range(50):
        try:
            flood.sock.send(frame * 20_000)
            flood.sock.recv(1_000_000)
        except BlockingIOError:
            pass
        began = time.monotonic()
        assert talker.echo() == b"4still here"
        slowest = max(slowest, time.monotonic() - began)

    assert slowest < 1
