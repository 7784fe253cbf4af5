"""Fixtures: databases of several servers, and nodes on them."""

import pytest

from tests.conftest import CLUSTER_SECRET
from tests.durability.oracle import write  # noqa: F401 - a fixture
from tests.support.galera import Galera


@pytest.fixture(scope="session")
def galera_cluster():
    """Run three Galera members for the whole test run; tests use `galera`."""
    cluster = Galera()
    yield cluster
    cluster.stop()


@pytest.fixture
def galera(galera_cluster):
    """Provide the cluster with all members running; restore it after the test."""
    yield galera_cluster
    galera_cluster.heal()


@pytest.fixture
def start_on(start_server):
    """Provide `start_on(urls, **environ)`, which starts one node for each URL, all in one cluster."""

    def start(urls, **environ: str):
        return [
            start_server(DATABASE_URL=url, NODE_ID=f"node-{number}", SECRET_KEY=CLUSTER_SECRET, **environ)
            for number, url in enumerate(urls, 1)
        ]

    return start
