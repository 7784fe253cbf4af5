"""The README: its examples run, both languages show the same commands. Its links: test_manuals.py."""

import re
import subprocess
import sys

import pytest
import requests

from tests.support.server import ROOT

READMES = ["README.md", "README.zh-CN.md"]


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def people(server):
    """The user of the examples, and the receiver with id 2 or another."""
    for name in ("ada", "bob"):
        body = {"username": name, "password": "correct horse battery"}
        requests.post(server.url + "/api/auth/register", json=body, timeout=20)
    login = requests.post(
        server.url + "/api/auth/login", json={"account": "bob", "password": "correct horse battery"}, timeout=20
    )
    return login.json()["user"]["id"]


def adapted(code: str, server, receiver: int) -> str:
    return (
        code.replace("http://127.0.0.1:8080", server.url)
        .replace("to_user_id: 2", f"to_user_id: {receiver}")
        .replace('"to_user_id": 2', f'"to_user_id": {receiver}')
    )


@pytest.mark.parametrize("name", READMES)
def test_the_python_example_runs(server, people, name):
    [code] = blocks(name, "python")
    code = adapted(code, server, people).replace("client.wait()", "client.disconnect()")

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert ran.returncode == 0, ran.stderr
    assert "'conversations'" in ran.stdout
    assert "'duplicate': False" in ran.stdout


@pytest.mark.parametrize("name", READMES)
def test_the_javascript_example_runs(server, people, name):
    [code] = blocks(name, "js")
    code = adapted(code, server, people).replace(
        'await socket.emitWithAck("send_message"', 'const ack = await socket.emitWithAck("send_message"'
    )
    code += "\nconsole.log(JSON.stringify(ack)); setTimeout(() => process.exit(0), 500);\n"

    ran = subprocess.run(
        ["node", "--input-type=module", "-e", code],
        cwd=ROOT / "tests" / "npm", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    assert '"duplicate":false' in ran.stdout
    assert "conversations" in ran.stdout


def test_both_languages_show_the_same_commands():
    assert blocks("README.md", "sh") == blocks("README.zh-CN.md", "sh")
