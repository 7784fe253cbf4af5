"""Fixtures for all tests. Nothing here is monkey-patched: gevent lives in server processes only."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import request

from imapp.api.http.endpoint import Endpoint
from imapp.api.http.openapi import codes_at
from imapp.errors import AppError
from tests.support import apps
from tests.support.clients.official import Device
from tests.support.mariadb import MariaDb
from tests.support.redis import RedisServer
from tests.support.server import ROOT, Server, stop_all

#: Files and folders with tests that start processes for lines that no other test runs: these processes are measured.
#: Elsewhere only the shared nodes are measured, because coverage doubles the processor time of a start.
MEASURED = (
    "cluster/test_history.py", "cluster/test_traces.py", "cluster/test_tracing.py", "conformance/", "doctor/", "load/",
    "realtime/test_fallback_limits.py",
)  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session):
    """Measure the coverage of server processes if this run measures coverage: as greenlets, in the same data file.

    The variables are set after the measurement of this process has begun, and not in the process that distributes the
    tests to others: tests measured as greenlets hang (pyproject.toml says why).
    """
    plugins = session.config.pluginmanager
    if plugins.hasplugin("_cov") and not plugins.hasplugin("dsession"):
        os.environ["IMAPP_TRACED_GREENLETS"] = "gevent"
        os.environ.setdefault("COVERAGE_FILE", str(ROOT / ".coverage"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Measure the processes that this test starts, if it is in `MEASURED`."""
    os.environ.pop("COVERAGE_PROCESS_START", None)
    if item.path.relative_to(ROOT / "tests").as_posix().startswith(MEASURED):
        os.environ.update(_measured())


def _measured() -> dict[str, str]:
    """Return the environment of a process whose coverage is measured; it is empty if this run measures none."""
    is_wanted = "IMAPP_TRACED_GREENLETS" in os.environ
    return {"COVERAGE_PROCESS_START": str(ROOT / "pyproject.toml")} if is_wanted else {}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark tests that start the server as slow: `scripts/check.sh` omits them.

    Sort the files by the sum of their tests' explicit timeouts, longest first. A long file must not start last: it
    would run alone for minutes.
    """
    for item in items:
        starts_a_server = {"server", "start_server", "nodes", "start_nodes", "start_engine"}
        if not starts_a_server.isdisjoint(item.fixturenames):
            item.add_marker(pytest.mark.slow)
    yield
    seconds = Counter()
    for item in items:
        asked = item.get_closest_marker("timeout")
        seconds[item.path] += asked.args[0] if asked else 0
    items.sort(key=lambda item: -seconds[item.path])  # the order within a file stays


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory):
    """Run a private MariaDB server for the whole test run."""
    server = MariaDb(tmp_path_factory.mktemp("mariadb"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """Run a private Redis for tests that leave it running; each test chooses the names of its keys."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory) -> Path:
    """Make a SQLite file with all tables and return its path."""
    folder = tmp_path_factory.mktemp("template")
    apps.migrate(f"sqlite:///{folder}/imapp.db", folder)
    return folder / "imapp.db"


@pytest.fixture(scope="session")
def mariadb_url(mariadb, tmp_path_factory) -> str:
    """Make a database with all tables on the private MariaDB: shared, and emptied before each test that uses it."""
    url = mariadb.create_database()
    apps.migrate(url, tmp_path_factory.mktemp("mariadb-tables"))
    return url


@pytest.fixture(params=["sqlite"])
def database(request) -> str:
    """Return the kind of database. Folders with tests for both kinds override the parameters."""
    return request.param


@pytest.fixture
def database_url(request, database, tmp_path) -> str:
    """Make an empty database with all tables and return its URL."""
    if database == "sqlite":
        return apps.copy_of(request.getfixturevalue("sqlite_template"), tmp_path / "db")
    url = request.getfixturevalue("mariadb_url")
    apps.empty(url)
    return url


@pytest.fixture
def make_app(database_url, tmp_path):
    """Provide `make_app(**settings)`, which makes an app on the test's database."""
    made = []

    def make(**settings):
        made.append(apps.make_app(database_url, tmp_path, **settings))
        return made[-1]

    yield make
    for app in made:
        apps.close_app(app)


@pytest.fixture(autouse=True, scope="session")
def _declared_refusals():
    """Fail a test if a REST operation refuses with a code that its document does not declare: a bug of the view."""
    answer = Endpoint.__call__

    def checked(view, **path):
        try:
            return answer(view, **path)
        except AppError as exc:
            if exc.code not in codes_at(request.url_rule, view):
                pytest.fail(f"{exc.code} of {request.endpoint} is not declared")
            raise

    Endpoint.__call__ = checked
    yield
    Endpoint.__call__ = answer


@pytest.fixture
def app(make_app):
    """Provide the app with default settings and its context pushed, so that services can be called directly."""
    app = make_app()
    with app.app_context():
        yield app


@pytest.fixture
def client(app):
    """Provide Flask's test client."""
    return app.test_client()


@pytest.fixture(scope="session")
def server(tmp_path_factory, sqlite_template):
    """Run a node on SQLite, for tests that leave it running."""
    folder = tmp_path_factory.mktemp("server")
    apps.copy_of(sqlite_template, folder / "data")
    server = Server(folder, **_measured())
    yield server
    server.stop()


@pytest.fixture
def start_server(tmp_path, sqlite_template):
    """Provide `start_server(**environ)`, which starts a node on its own database (without DATABASE_URL: SQLite)."""
    started = []

    def start(**environ: str) -> Server:
        folder = tmp_path / f"node{len(started) + 1}"
        if "DATABASE_URL" in environ:
            apps.migrate(environ["DATABASE_URL"], tmp_path)
        else:
            apps.copy_of(sqlite_template, folder / "data")
        started.append(Server(folder, **environ))
        return started[-1]

    yield start
    stop_all(started)


CLUSTER_SECRET = "cluster-secret-of-the-tests-" + "s" * 16


def _cluster_environ(number: int, redis_url: str, database_url: str, **environ: str) -> dict[str, str]:
    """Return the environment of a node of a cluster; each Redis may serve several clusters of the tests."""
    name = database_url.rsplit("/", 1)[-1]
    return {
        "NODE_ID": f"node-{number}", "REDIS_URL": redis_url, "DATABASE_URL": database_url, "IM_CLUSTER_NAME": name,
        "SECRET_KEY": CLUSTER_SECRET, "IM_TRUSTED_PROXIES": "127.0.0.1", **environ,
    }  # fmt: skip


@contextmanager
def running_cluster(
    folder: Path, database_url: str, redis_url: str, *environs: dict[str, str]
) -> Iterator[list[Server]]:
    """Run a ready node for each of these environments, on an empty database."""
    apps.migrate(database_url, folder)
    started = [
        Server(folder / f"node{number}", **_cluster_environ(number, redis_url, database_url, **environ))
        for number, environ in enumerate(environs, 1)
    ]
    for node in started:
        node.wait_until_ready()
    yield started
    stop_all(started)


@pytest.fixture(scope="session")
def nodes(tmp_path_factory, mariadb, redis_server):
    """Run three nodes of one cluster, for tests that leave them running."""
    folder = tmp_path_factory.mktemp("nodes")
    with running_cluster(folder, mariadb.create_database(), redis_server.url, *[_measured()] * 3) as started:
        yield started


@pytest.fixture
def start_nodes(tmp_path, mariadb, redis_server, start_server):
    """Provide `start_nodes(count, redis_url=..., database_url=..., **environ)`, which starts a cluster for one test."""

    def start(count: int, *, redis_url: str | None = None, database_url: str | None = None, **environ: str):
        database_url = database_url or mariadb.create_database()
        started = [
            start_server(**_cluster_environ(number, redis_url or redis_server.url, database_url, **environ))
            for number in range(1, count + 1)
        ]
        for node in started:
            node.wait_until_ready()
        return started

    return start


@pytest.fixture
def device():
    """Provide `device(server, name)`, which registers a user; `.connect()` opens the socket, closed at the end."""
    opened: list[Device] = []

    def open_device(server, name: str = "user", **extra) -> Device:
        opened.append(Device.register(server, name, **extra))
        return opened[-1]

    yield open_device
    for one in opened:
        one.close()
