"""Health of a node: correct, and answered in time even if the database is not."""

import socket
import threading
import time

import pytest
from sqlalchemy import event, text

from imapp.database.transactions import atomic
from imapp.extensions import db
from imapp.models.users import User
from imapp.services.operations import database_health, health
from imapp.services.operations import health_probe as probes
from tests.accounts import bearer, register


@pytest.fixture
def silent_port():
    """Open a port that accepts connections and never answers, like a frozen database."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


#: The components that /actuator/health reports.
COMPONENTS = {"diskSpace", "ping", "redis", "db", "bus", "writePath", "migrations"}


def mysql(port):
    return f"mysql://im:im@127.0.0.1:{port}/im"


def test_a_healthy_node_is_up_with_all_its_components(client):
    answer = client.get("/actuator/health")

    assert (answer.status_code, answer.json["status"]) == (200, "UP")
    assert answer.json["components"].keys() == COMPONENTS
    assert {component["status"] for component in answer.json["components"].values()} == {"UP"}


def test_health_reveals_no_paths_or_credentials(client):
    answer = client.get("/actuator/health")

    assert "/" not in answer.text.replace("application/json", "")
    assert answer.json["components"]["db"]["details"].keys() == {"database", "version", "latency_ms"}


@pytest.mark.parametrize("path", ["/actuator/health/liveness", "/actuator/health/readiness"])
def test_a_healthy_node_is_live_and_ready(client, path):
    answer = client.get(path)

    assert (answer.status_code, answer.json["status"]) == (200, "UP")


def test_a_node_without_its_database_is_down_but_live(make_app):
    client = make_app(database_url=mysql(unused_port())).test_client()

    whole, ready = client.get("/actuator/health"), client.get("/actuator/health/readiness")

    assert (whole.status_code, whole.json["status"]) == (503, "DOWN")
    assert whole.json["components"]["db"]["status"] == "DOWN"
    assert ready.status_code == 503
    assert client.get("/actuator/health/liveness").status_code == 200


def test_a_frozen_database_does_not_block_the_answer(make_app, silent_port):
    app = make_app(database_url=mysql(silent_port), db_connect_timeout_seconds=4)

    started = time.monotonic()
    answer = app.test_client().get("/actuator/health/readiness")

    assert answer.status_code == 503
    assert time.monotonic() - started < health.PROBE_SECONDS + 1


def test_a_frozen_database_is_probed_once_at_a_time(make_app, silent_port):
    app = make_app(database_url=mysql(silent_port), db_connect_timeout_seconds=4)
    before = set(threading.enumerate())  # probes of earlier tests may still be running

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


def test_too_little_disk_space_makes_a_node_unready(make_app):
    client = make_app(disk_threshold_bytes=2**60).test_client()

    answer = client.get("/actuator/health/readiness")

    disk = answer.json["components"]["diskSpace"]
    assert (answer.status_code, disk["status"], disk["details"]["threshold"]) == (503, "DOWN", 2**60)
    scraped = client.get("/actuator/prometheus").text.splitlines()
    assert "imapp_ready 0.0" in scraped
    assert f"imapp_disk_threshold_bytes {float(2**60)}" in scraped


def test_readiness_is_a_metric_without_a_preceding_health_request(client):
    scraped = client.get("/actuator/prometheus").text

    assert "imapp_ready 1.0" in scraped
    values = dict(line.split(" ", 1) for line in scraped.splitlines() if not line.startswith("#"))
    assert float(values["imapp_disk_free_bytes"]) > float(values["imapp_disk_threshold_bytes"]) == 50 * 2**20


def test_probes_within_a_second_share_one_query(app, client):
    asked = []
    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", lambda _c, _k, statement, *_: asked.append(statement))
    began = time.monotonic()

    for _ in range(20):
        client.get("/actuator/health")
        client.get("/actuator/health/readiness")
        client.get("/actuator/prometheus")
    took = time.monotonic() - began

    assert 1 <= asked.count("SELECT 1") <= 1 + took
    assert sum("FROM alembic_version" in statement for statement in asked) <= 1


# -- migrations ------------------------------------------------------------------------------------------------------


def revise(app, revision):
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
        if revision:
            connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})


@pytest.mark.parametrize(
    ("revision", "status"), [("0001", "DOWN"), (None, "DOWN"), ("9999", "UP")], ids=["old", "none", "of newer code"]
)
def test_tables_older_than_the_code_make_a_node_unready(app, client, revision, status):
    revise(app, revision)

    answer = client.get("/actuator/health/readiness")

    found = answer.json["components"]["migrations"]
    assert (found["status"], found["details"]["database"]) == (status, revision)
    assert answer.status_code == (200 if status == "UP" else 503)


def test_an_upgrade_of_the_tables_is_noticed_and_current_tables_are_not_checked_again(app, client, monkeypatch):
    monkeypatch.setattr(database_health, "_REVISION_SECONDS", 0.0)
    monkeypatch.setattr(probes, "CACHE_SECONDS", 0.0)
    with app.app_context(), db.engine.connect() as connection:
        head = connection.scalar(text("SELECT version_num FROM alembic_version"))
    revise(app, "0001")
    assert client.get("/actuator/health/readiness").status_code == 503

    revise(app, head)
    assert client.get("/actuator/health/readiness").status_code == 200

    revise(app, "0001")
    assert client.get("/actuator/health/readiness").status_code == 200


# -- details ---------------------------------------------------------------------------------------------------------


def details(client, path="/actuator/health", address="203.0.113.9", **headers):
    answer = client.get(path, headers=headers, environ_base={"REMOTE_ADDR": address})
    return [component["details"] for component in answer.json["components"].values() if component["details"]]


@pytest.fixture
def tokens(app, client):
    """Return a plain user's header and an operator's."""
    plain, operator = register(client, "alice"), register(client, "olga")

    def promote(session):
        session.get(User, operator["user"]["id"]).is_operator = True

    with app.app_context():
        atomic(promote)
    return bearer(plain), bearer(operator)


@pytest.mark.parametrize("path", ["/actuator/health", "/actuator/health/readiness"])
def test_details_are_shown_to_operators_and_loopback_only(client, tokens, path):
    plain, operator = tokens

    assert details(client, path) == []
    assert details(client, path, **plain) == []
    assert details(client, path, Authorization="Bearer nonsense") == []
    assert details(client, path, **operator) != []
    assert details(client, path, address="127.0.0.1") != []
    assert details(client, path, address="::ffff:127.0.0.1") != []
    assert details(client, path, address="not an address") == []


def test_a_local_proxys_request_does_not_count_as_loopback(client):
    assert details(client, address="127.0.0.1", **{"X-Forwarded-For": "203.0.113.9"}) == []


@pytest.mark.parametrize(
    ("visibility", "address", "is_shown"), [("operators", "127.0.0.1", False), ("always", "1.2.3.4", True)]
)
def test_the_setting_decides_on_the_visibility_of_details(make_app, visibility, address, is_shown):
    client = make_app(health_details=visibility).test_client()

    assert bool(details(client, address=address)) is is_shown


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("10.1.2.3", {}, 200),
        ("::ffff:10.1.2.3", {}, 200),
        ("203.0.113.9", {}, 403),
        ("10.1.2.3", {"X-Forwarded-For": "10.1.2.4"}, 403),
    ],
)
def test_metrics_are_shown_to_loopback_and_operator_networks_only(make_app, address, headers, status):
    client = make_app(operator_networks="10.0.0.0/8").test_client()

    answer = client.get("/actuator/prometheus", environ_base={"REMOTE_ADDR": address}, headers=headers)

    assert answer.status_code == status


def test_operators_get_metrics_from_any_address(client, tokens):
    _, operator = tokens

    answer = client.get("/actuator/prometheus", environ_base={"REMOTE_ADDR": "203.0.113.9"}, headers=operator)

    assert answer.status_code == 200


def test_checking_an_operators_token_does_not_wait_for_a_frozen_database(make_app, silent_port, tokens):
    _, operator = tokens
    app = make_app(database_url=mysql(silent_port), db_connect_timeout_seconds=4)
    began = time.monotonic()

    shown = details(app.test_client(), **operator)

    assert shown == []
    assert time.monotonic() - began < 6


# -- info ------------------------------------------------------------------------------------------------------------


def test_info_shows_only_the_version_to_the_public(client, tokens):
    _, operator = tokens

    public = client.get("/actuator/info", environ_base={"REMOTE_ADDR": "203.0.113.9"}).json
    whole = client.get("/actuator/info", environ_base={"REMOTE_ADDR": "203.0.113.9"}, headers=operator).json

    assert {name for name, value in public.items() if value is not None} == {"version"}
    assert (whole["node"], whole["transport"], whole["version"]) == ("node-1", "engine", public["version"])
    assert whole["python"].startswith("3.")
    assert 0 <= whole["uptime_seconds"] < 600


def test_info_shows_the_commit_of_the_build(make_app):
    client = make_app(commit="0123abc").test_client()

    assert client.get("/actuator/info").json["commit"] == "0123abc"
