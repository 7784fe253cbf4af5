"""The doctor as an operator calls it, and single checks on apps in broken environments."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from imapp.doctor.catalogue import CHECKS
from imapp.doctor.context import Context
from imapp.doctor.runner import run_checks, select_checks
from tests.support import apps
from tests.support.mariadb import MariaDb
from tests.support.nginx import nginx as front  # noqa: F401 - a fixture
from tests.support.redis import RedisServer
from tests.support.server import ROOT


class Told:
    """The output of one call of the command."""

    def __init__(self, ran: subprocess.CompletedProcess) -> None:
        self.exit_code = ran.returncode
        self.output = ran.stdout + ran.stderr
        self.json = json.loads(ran.stdout) if ran.stdout.startswith("{") else {}
        self.rows = {row["name"]: row for row in self.json.get("checks", ())}

    def status(self, name: str) -> str:
        """Return the status of a check: OK, WARN, FAIL or SKIP."""
        return self.rows[name]["status"]

    def named(self, status: str) -> list[str]:
        """Return the names of the checks with this status."""
        return [name for name, row in self.rows.items() if row["status"] == status]


@pytest.fixture
def doctor():
    """Provide `doctor(environ, *options, wrapper=..., as_json=True)`, which runs the command in its own process."""

    def run(environ, *options: str, wrapper: tuple[str, ...] = (), as_json: bool = True) -> Told:
        command = [*wrapper, sys.executable, "-m", "flask", "--app", "wsgi", "im", "doctor", *options]
        command += ["--json"] if as_json else []
        ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=90, check=False)
        return Told(ran)

    return run


@pytest.fixture
def environ(tmp_path, sqlite_template) -> dict[str, str]:
    """Return the environment of a healthy single node, which is not running."""
    apps.copy_of(sqlite_template, tmp_path / "data")
    (tmp_path / "data").chmod(0o700)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("IM_")}
    return {**inherited, "IM_DATA_DIR": str(tmp_path / "data"), "IM_MAX_CONNECTIONS": "2000"}


@pytest.fixture
def look():
    """Provide `look(app, name, **case)`: the finding of one check on an app in this process."""

    def run(app, name: str, **case):
        (result,) = run_checks(Context(app, **case), select_checks(CHECKS, (name,)))
        return result.finding

    return run


@pytest.fixture(scope="session")
def wrong_redis(tmp_path_factory):
    """Run a Redis with wrong values of every setting that the doctor checks."""
    words = "--maxmemory 3mb --maxmemory-policy allkeys-lru --maxclients 30"
    limit = ("--client-output-buffer-limit", "pubsub 1mb 1mb 60")
    server = RedisServer(tmp_path_factory.mktemp("wrong-redis"), *words.split(), *limit)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def wrong_mariadb(tmp_path_factory):
    """Run a MariaDB with wrong values of every setting that the doctor checks."""
    options = (
        "--sql-mode=", "--innodb-flush-log-at-trx-commit=2", "--wait-timeout=100", "--max-connections=15",
        "--max-allowed-packet=1M",
    )  # fmt: skip
    server = MariaDb(tmp_path_factory.mktemp("wrong-mariadb"), *options)
    yield server
    server.stop()


@pytest.fixture
def make_certificate(tmp_path):
    """Provide `make_certificate(days)`: a file with a self-signed certificate and its key."""

    def make(days: int) -> str:
        file, key = tmp_path / f"{days}.pem", tmp_path / f"{days}.key"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
        command += ["-days", str(days), "-addext", "subjectAltName=IP:127.0.0.1", "-out", file, "-keyout", key]
        subprocess.run(command, check=True, capture_output=True)
        Path(file).write_text(file.read_text() + key.read_text())
        return str(file)

    return make


@pytest.fixture(scope="session")
def account(mariadb):
    """Provide `account()`: the URL of an empty database with its own user, created as in the manual."""

    def make() -> str:
        name = mariadb.create_database().rsplit("/", 1)[-1]
        password = secrets.token_hex(16)
        mariadb.query(f"CREATE USER {name}@'%' IDENTIFIED BY '{password}'")
        mariadb.query(f"GRANT ALL ON {name}.* TO {name}@'%'")
        return f"mysql+pymysql://{name}:{password}@127.0.0.1:{mariadb.port}/{name}"

    return make


@pytest.fixture
def app_on(tmp_path):
    """Provide `app_on(url, **settings)`: an app on that database, whatever the database contains."""
    made = []

    def make(url: str, **settings):
        made.append(apps.make_app(url, tmp_path, **settings))
        return made[-1]

    yield make
    for one in made:
        apps.close_app(one)
