"""The disk is full, or another process uses the SQLite file too."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.durability import oracle
from tests.support import apps
from tests.support.mariadb import MariaDb
from tests.support.ports import wait_for
from tests.support.server import ROOT, Server

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def small_disk(tmp_path):
    """Provide `small_disk(megabytes)`, which mounts a file system of that size; fails with a message without root."""
    mounted = []

    def mount(megabytes: int):
        folder = tmp_path / "small"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", str(folder)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, (
            f"the drill of the full disk needs root that may mount a tmpfs: {ran.stderr.strip()}"
        )
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder) -> None:
    """Use up all free space."""
    with (folder / "filler").open("wb", buffering=0) as filler:
        for size in (65_536, 512):
            try:
                while filler.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue


def send_until(done, alice, conversation_id: int) -> tuple[dict[str, int], set[tuple[int, str]], list[str]]:
    """Send large texts until `done(answer)`; return the acked ids with their seq, the refusals, and the refused ids."""
    acked: dict[str, int] = {}
    refusals: set[tuple[int, str]] = set()
    refused: list[str] = []
    for _ in range(400):
        client_id = uuid4().hex
        message = {**oracle.body(client_id), "content": {"text": "x" * 7000}}
        answer = alice.rest("POST", f"/api/conversations/{conversation_id}/messages", message)
        if answer.ok:
            acked[client_id] = answer.json()["message"]["seq"]
        else:
            refusals.add((answer.status_code, answer.json()["code"]))
            refused.append(client_id)
        if done(answer):
            return acked, refusals, refused
    raise AssertionError("400 messages were sent, and `done` was never true")


def check_full_disk(server, device, folder) -> None:
    """Fill the disk under a node, check that it refuses, free the disk, check that it recovers."""
    alice, bob = device(server, "alice"), device(server, "bob")
    conversation = oracle.private_conversation(alice, bob)
    assert oracle.send(alice, conversation, "before").status_code == 201

    fill(folder)
    acked, refusals, refused = send_until(lambda answer: not answer.ok, alice, conversation)
    (folder / "filler").unlink()
    wait_for(lambda: oracle.send(alice, conversation, "after").ok, what="the recovery")

    assert refusals == {(503, "unavailable")}
    history = oracle.hold(conversation, [alice, bob], acked)
    stored = [message["client_id"] for message in history]
    assert [client_id for client_id in stored if client_id in refused] == []
    assert stored == ["before", *acked, "after"]


def test_sqlite_on_a_full_disk_refuses_and_recovers(small_disk, sqlite_template, device):
    folder = small_disk(8)
    apps.copy_of(sqlite_template, folder / "data")
    server = Server(folder, IM_DATA_DIR=str(folder / "data"))

    try:
        check_full_disk(server, device, folder)
    finally:
        server.stop()


def test_mariadb_on_a_full_disk_acknowledges_only_stored_messages(small_disk, start_server, device):
    folder = small_disk(260)
    mariadb = MariaDb(folder, "--innodb-log-file-size=8M", "--innodb-temp-data-file-path=ibtmp1:12M")

    try:
        check_full_disk(start_server(DATABASE_URL=mariadb.create_database()), device, folder)
    finally:
        mariadb.stop()


def create_user(server, name: str) -> None:
    """Create a user as an operator does, in a process beside the server."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "im", "create-user", name]
    subprocess.run(command, cwd=ROOT, env=server.environ, input="correct horse battery\n", text=True, check=True)


def test_the_command_line_writes_while_the_server_is_under_load(start_server, device, write):
    server = start_server()
    alice, bob = device(server, "alice"), device(server, "bob")
    conversation = oracle.private_conversation(alice, bob)
    writer = write(alice, conversation)
    wait_for(lambda: len(writer.acked) > 10, what="the load")
    names = [f"made-{number}" for number in range(3)]

    with ThreadPoolExecutor(1) as pool:
        list(pool.map(lambda name: create_user(server, name), names))
    writer.stop()

    assert writer.problems == []
    found = alice.get("/api/users?query=made-")["items"]
    assert {user["username"] for user in found} == set(names)
    oracle.hold(conversation, [alice, bob], writer.acked)
