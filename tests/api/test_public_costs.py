"""Requests without a token are cheap: 5 of them a second must not stop a node."""

import gzip
import statistics
import time

import pytest

from tests.support.routes import public_addresses

#: Most processor time of a public answer, as a multiple of that of a health check.
CEILING = 6

#: Request options of a client on another machine with an invalid token.
STRANGER = {"environ_base": {"REMOTE_ADDR": "203.0.113.9"}, "headers": {"Authorization": "Bearer a.b.c"}}

DOCUMENTS = ("/api/config", "/api/docs", "/api/openapi.json", "/api/asyncapi.json")


def cost(client, method, path):
    """Return the median processor time of a request in seconds, after a first request that may fill caches."""
    client.open(path, method=method, **STRANGER).close()
    taken = []
    for _ in range(15):
        began = time.process_time()
        client.open(path, method=method, **STRANGER).close()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def test_no_public_route_costs_much_more_than_a_health_check(app, client):
    health = cost(client, "GET", "/actuator/health")

    costs = {(method, path): cost(client, method, path) for method, path in public_addresses(app)}

    assert {route: spent / health for route, spent in costs.items() if spent > CEILING * health} == {}


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_document_is_cacheable_and_revalidated_by_its_etag(client, path):
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"].startswith("public, max-age=")
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_document_is_compressed_for_clients_that_accept_it(client, path):
    plain = client.get(path)
    small = client.get(path, headers={"Accept-Encoding": "gzip"})
    refused = client.get(path, headers={"Accept-Encoding": "gzip;q=0"})

    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.data) == plain.data == refused.data
    assert small.headers["ETag"] != plain.headers["ETag"]
    assert {"Accept-Encoding", "Origin"} <= {part.strip() for part in small.headers["Vary"].split(",")}
