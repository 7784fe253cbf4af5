"""What anybody may ask without a token costs next to nothing: 5 requests a second must not stop a node."""

import gzip
import statistics
import time

import pytest

from tests.support.routes import public_addresses

#: A public answer may cost so many times what a look at the node's health costs, in processor time.
CEILING = 6

#: Somebody on another machine, with a token that is none.
STRANGER = {"environ_base": {"REMOTE_ADDR": "203.0.113.9"}, "headers": {"Authorization": "Bearer a.b.c"}}

DOCUMENTS = ("/api/config", "/api/docs", "/api/openapi.json", "/api/asyncapi.json")


def cost(client, method, path):
    """The median of the processor time of a request, in seconds, after a first one that may prepare something."""
    client.open(path, method=method, **STRANGER).close()
    taken = []
    for _ in range(15):
        began = time.process_time()
        client.open(path, method=method, **STRANGER).close()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def test_no_public_route_costs_much_more_than_a_look_at_the_health(app, client):
    health = cost(client, "GET", "/actuator/health")

    costs = {(method, path): cost(client, method, path) for method, path in public_addresses(app)}

    assert {route: spent / health for route, spent in costs.items() if spent > CEILING * health} == {}


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_document_is_built_once_and_told_apart_by_its_tag(client, path):
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"].startswith("public, max-age=")
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_document_is_compressed_for_clients_that_take_it(client, path):
    plain = client.get(path)
    small = client.get(path, headers={"Accept-Encoding": "gzip"})
    refused = client.get(path, headers={"Accept-Encoding": "gzip;q=0"})

    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.data) == plain.data == refused.data
    assert small.headers["ETag"] != plain.headers["ETag"]
    assert {"Accept-Encoding", "Origin"} <= {part.strip() for part in small.headers["Vary"].split(",")}
