"""The README: its examples run, and both languages show the same commands. Its links: test_manuals.py."""

import os
import re
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import requests

from tests.support.server import ROOT

READMES = ["README.md", "README.zh-CN.md"]


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)


def client(folder: Path, name: str, language: str) -> Path:
    """Write the README's client to a file, beside the packages that it imports."""
    [code] = blocks("README.md", language)
    file = folder / name
    file.write_text(code)
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(ROOT / "tests/npm/node_modules")
    return file


def wait_for_line(process: subprocess.Popen, lines: list[str], text: str, seconds: float) -> None:
    """Wait until the process has printed a line with the text; fail with its whole output."""
    deadline = time.monotonic() + seconds
    while not any(text in line for line in lines):
        assert time.monotonic() < deadline, f"no {text!r} in {seconds} s: {lines}"
        assert process.poll() is None, lines
        time.sleep(0.1)


def test_the_example_clients_run_as_pasted_and_survive_the_expiry_of_their_tokens(start_server, tmp_path):
    """Use the demo's accounts, as the README says, with tokens of 8 seconds."""
    server = start_server(IM_ACCESS_TOKEN_SECONDS="8", IM_TOKEN_EXPIRING_LEAD_SECONDS="3")
    password = server.flask("im", "demo").rsplit(" ", 1)[1].strip()
    environ = {**os.environ, "IMAPP_URL": server.url, "IMAPP_PASSWORD": password}
    commands = [
        ["node", client(tmp_path, "client.mjs", "js")],
        [sys.executable, client(tmp_path, "client.py", "python")],
    ]
    heard: list[list[str]] = [[], []]
    readers: list[threading.Thread] = []
    processes = [
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for command in commands
    ]

    try:
        for process, lines in zip(processes, heard, strict=True):
            reader = threading.Thread(target=lambda p=process, said=lines: said.extend(iter(p.stdout.readline, "")))
            reader.start()
            readers.append(reader)
            wait_for_line(process, lines, "duplicate", 40)
        time.sleep(9)  # longer than the lifetime of the present tokens
        text = f"still there? {uuid.uuid4().hex}"
        send_as_grace(server, password, text)
        for process, lines in zip(processes, heard, strict=True):
            wait_for_line(process, lines, text, 10)
    finally:
        for process in processes:
            process.kill()
            process.wait()
        for reader in readers:
            reader.join(10)
        for process in processes:
            process.stdout.close()


def test_a_refused_connection_is_reported_and_tried_again(start_server, tmp_path):
    """Allow a user one connection: the Python client waits until the JavaScript client is gone."""
    server = start_server(IM_MAX_CONNECTIONS_PER_USER="1", IM_RATE_LIMITS="on")
    password = server.flask("im", "demo").rsplit(" ", 1)[1].strip()
    environ = {**os.environ, "IMAPP_URL": server.url, "IMAPP_PASSWORD": password}
    lines: list[str] = []

    def start(*command: object) -> subprocess.Popen:
        return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    first = start("node", client(tmp_path, "client.mjs", "js"))
    while "duplicate" not in first.stdout.readline():
        assert first.poll() is None
    second = start(sys.executable, client(tmp_path, "client.py", "python"))
    reader = threading.Thread(target=lambda: lines.extend(iter(second.stdout.readline, "")))
    reader.start()
    try:
        wait_for_line(second, lines, "too_many_connections", 20)
        first.kill()
        wait_for_line(second, lines, "duplicate", 20)
    finally:
        for process in (first, second):
            process.kill()
            process.wait()
        reader.join(10)
        for process in (first, second):
            process.stdout.close()


def send_as_grace(server, password: str, text: str) -> None:
    def post(path: str, body: dict, token: str = "") -> dict:
        answer = requests.post(server.url + path, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=20)
        answer.raise_for_status()
        return answer.json()

    tokens = post("/api/auth/login", {"account": "grace", "password": password})
    token = tokens["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    found = requests.get(server.url + "/api/users?query=ada", headers=headers, timeout=20).json()
    [ada] = [user for user in found["items"] if user["username"] == "ada"]
    opened = post("/api/conversations", {"user_id": ada["id"]}, token)
    draft = {"client_id": uuid.uuid4().hex, "type": "text", "content": {"text": text}}
    post(f"/api/conversations/{opened['id']}/messages", draft, token)


def test_the_example_clients_report_a_wrong_password(server, tmp_path):
    """Check that the error code is printed, and not a KeyError or nothing."""
    environ = {**os.environ, "IMAPP_URL": server.url, "IMAPP_PASSWORD": "wrong password"}
    commands = [
        ["node", client(tmp_path, "client.mjs", "js")],
        [sys.executable, client(tmp_path, "client.py", "python")],
    ]

    for command in commands:
        ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)

        assert ran.returncode == 1
        assert "/api/auth/login: bad_credentials" in ran.stderr


def test_both_languages_show_the_same_commands():
    assert blocks("README.md", "sh") == blocks("README.zh-CN.md", "sh")
    for language in ("js", "python"):
        assert blocks("README.md", language) == blocks("README.zh-CN.md", language)
