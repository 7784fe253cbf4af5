"""Generated clients type-check and chat with a node, and the linters accept both documents."""

import json
import shutil
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.support.npm import FOLDER as NPM

PROGRAMS = Path(__file__).with_name("generated")

#: Spectral's rule about a contact, which a self-hosted server cannot name.
_NOBODY = "asyncapi-info-contact-properties"


@pytest.fixture(scope="module")
def folder(server, tmp_path_factory) -> Path:
    """Store the served documents and the programs in a folder."""
    folder = tmp_path_factory.mktemp("generated")
    for name in ("openapi", "asyncapi"):
        (folder / f"{name}.json").write_bytes(requests.get(f"{server.url}/api/{name}.json", timeout=30).content)
    shutil.copytree(PROGRAMS, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__*"))
    (folder / "package.json").write_text(json.dumps({"type": "module"}))
    return folder


def run(folder: Path, *command: object) -> str:
    """Run a command in the folder; fail with its output."""
    words = list(map(str, command))
    ran = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return ran.stdout


def python(*module: str) -> list[str]:
    return [sys.executable, "-m", *module]


def npm(name: str) -> Path:
    return NPM / "node_modules" / ".bin" / name


def generate_attrs(folder: Path) -> None:
    tool = Path(sys.executable).with_name("openapi-python-client")
    run(
        folder,
        tool,
        "generate",
        "--path",
        "openapi.json",
        "--output-path",
        "api_client",
        "--meta",
        "none",
        "--overwrite",
    )


def generate_pydantic(folder: Path) -> None:
    run(
        folder, *python("datamodel_code_generator"), "--input", "openapi.json", "--input-file-type", "openapi",
        "--output", "api_models.py", "--output-model-type", "pydantic_v2.BaseModel", "--use-annotated",
        "--target-python-version", "3.11", "--formatters", "builtin",
    )  # fmt: skip


def generate_typescript(folder: Path) -> None:
    run(folder, npm("openapi-typescript"), "openapi.json", "-o", "api.d.ts")
    options = ["--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom", "--outDir", "out"]
    run(folder, npm("tsc"), *options, "chat.ts")


def newcomer(server) -> tuple[str, str, int]:
    """Register an account; return its name, password and id."""
    name = f"gen{uuid.uuid4().hex[:12]}"
    body = {"username": name, "password": "correct horse battery"}
    answer = requests.post(server.url + "/api/auth/register", json=body, timeout=20)
    return name, body["password"], answer.json()["user"]["id"]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_clients_of_three_generators_type_check_and_chat(server, folder):
    peer = newcomer(server)[2]

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda step: step(folder), (generate_attrs, generate_pydantic, generate_typescript)))
    run(folder, *python("mypy"), "--config-file", "mypy.ini", "chat_attrs.py", "chat_pydantic.py")

    for program in ([sys.executable, "chat_attrs.py"], [sys.executable, "chat_pydantic.py"], ["node", "out/chat.js"]):
        name, password, _ = newcomer(server)
        run(folder, *program, server.url, name, password, peer)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_linters_accept_both_documents(folder):
    (folder / "spectral.json").write_text(
        json.dumps({"extends": ["spectral:oas", "spectral:asyncapi"], "rules": {_NOBODY: "off"}})
    )
    checks = [
        (npm("redocly"), "lint", "openapi.json", "--max-problems", 20),
        (npm("spectral"), "lint", "-F", "warn", "-r", "spectral.json", "openapi.json", "asyncapi.json"),
        ("node", NPM / "check_asyncapi.mjs", "asyncapi.json"),
    ]

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda check: run(folder, *check), checks))

    assert "warning" not in said[0]
