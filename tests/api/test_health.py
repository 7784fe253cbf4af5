"""Health of a node: true, and in time even when the database is not."""

import socket
import threading
import time

import pytest

from imapp.services import health


@pytest.fixture
def silent_port():
    """A port that takes connections and never says a word, as a frozen database does."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def mysql(port):
    return f"mysql://im:im@127.0.0.1:{port}/im"


def test_a_sound_node_is_up_with_all_its_components(client):
    answer = client.get("/actuator/health")

    assert (answer.status_code, answer.json["status"]) == (200, "UP")
    assert answer.json["components"].keys() == {"diskSpace", "ping", "redis", "db", "bus"}
    assert {component["status"] for component in answer.json["components"].values()} == {"UP"}


def test_health_tells_no_secrets(client):
    answer = client.get("/actuator/health")

    assert "/" not in answer.text.replace("application/json", "")
    assert answer.json["components"]["db"]["details"].keys() == {"database"}


@pytest.mark.parametrize("path", ["/actuator/health/liveness", "/actuator/health/readiness"])
def test_liveness_and_readiness_of_a_sound_node(client, path):
    answer = client.get(path)

    assert (answer.status_code, answer.json["status"]) == (200, "UP")


def test_without_its_database_a_node_is_down_but_alive(make_app):
    client = make_app(database_url=mysql(unused_port())).test_client()

    whole, ready = client.get("/actuator/health"), client.get("/actuator/health/readiness")

    assert (whole.status_code, whole.json["status"]) == (503, "DOWN")
    assert whole.json["components"]["db"]["status"] == "DOWN"
    assert ready.status_code == 503
    assert client.get("/actuator/health/liveness").status_code == 200


def test_a_frozen_database_does_not_freeze_the_answer(make_app, silent_port):
    app = make_app(database_url=mysql(silent_port), db_connect_timeout_seconds=4)

    started = time.monotonic()
    answer = app.test_client().get("/actuator/health/readiness")

    assert answer.status_code == 503
    assert time.monotonic() - started < health.PROBE_SECONDS + 1


def test_a_frozen_database_is_asked_once_at_a_time(make_app, silent_port):
    app = make_app(database_url=mysql(silent_port), db_connect_timeout_seconds=4)
    before = set(threading.enumerate())  # probes of the tests before may still end

    def ask():
        assert app.test_client().get("/actuator/health/readiness").status_code == 503

    askers = [threading.Thread(target=ask) for _ in range(5)]
    for asker in askers:
        asker.start()
    time.sleep(health.PROBE_SECONDS / 2)
    probes = set(threading.enumerate()) - before - set(askers)
    for asker in askers:
        asker.join()

    assert len(probes) == 1


def test_a_full_disk_makes_a_node_unfit(client, monkeypatch):
    monkeypatch.setattr(health, "MIN_FREE_BYTES", 2**63)

    answer = client.get("/actuator/health/readiness")

    assert (answer.status_code, answer.json["components"]["diskSpace"]["status"]) == (503, "DOWN")
