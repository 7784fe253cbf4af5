"""Nodes on databases that a drill may harm, and clients that retry."""

import pytest

from tests.durability.oracle import write  # noqa: F401 - a fixture
from tests.support.mariadb import MariaDb
from tests.support.npm import NpmClient
from tests.support.proxy import Proxy


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request) -> str:
    """Run the drills of the server and of the network on both databases."""
    return request.param


@pytest.fixture
def start_node(request, database, start_server):
    """Provide `start_node(**environ)`, which starts a node; its database is not harmed."""

    def start(**environ: str):
        if database == "mariadb":
            environ["DATABASE_URL"] = request.getfixturevalue("mariadb").create_database()
        return start_server(**environ)

    return start


@pytest.fixture
def own_mariadb(tmp_path):
    """Run a MariaDB server for this test alone, to be killed and frozen."""
    server = MariaDb(tmp_path / "mariadb")
    yield server
    server.stop()


@pytest.fixture
def npm():
    """Provide `npm(url, device)`, which connects an npm client as the device's user."""
    made = []

    def connect(url: str, device, **options) -> NpmClient:
        made.append(NpmClient())
        made[-1].connect(url, device.tokens["access_token"], **options).wait_for("connect")
        return made[-1]

    yield connect
    for one in made:
        one.close()


@pytest.fixture
def proxy():
    """Provide `proxy(server)`, which puts a faulty network in front of the server."""
    made = []

    def before(server) -> Proxy:
        made.append(Proxy(server.port))
        return made[-1]

    yield before
    for one in made:
        one.close()
