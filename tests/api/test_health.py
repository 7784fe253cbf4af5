"""Health of a node: true, and in time even when the database is not."""

import socket
import threading
import time

import pytest
from sqlalchemy import event, text

from imapp.database import atomic
from imapp.extensions import db
from imapp.models.users import User
from imapp.services import database_health, health, probes
from tests.accounts import bearer, register


@pytest.fixture
def silent_port():
    """A port that takes connections and never says a word, as a frozen database does."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


#: What /actuator/health looks at.
COMPONENTS = {"diskSpace", "ping", "redis", "db", "bus", "writePath", "migrations"}


def mysql(port):
    return f"mysql://im:im@127.0.0.1:{port}/im"


def test_a_sound_node_is_up_with_all_its_components(client):
    answer = client.get("/actuator/health")

    assert (answer.status_code, answer.json["status"]) == (200, "UP")
    assert answer.json["components"].keys() == COMPONENTS
    assert {component["status"] for component in answer.json["components"].values()} == {"UP"}


def test_health_tells_no_secrets(client):
    answer = client.get("/actuator/health")

    assert "/" not in answer.text.replace("application/json", "")
    assert answer.json["components"]["db"]["details"].keys() == {"database", "version", "latency_ms"}


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


def test_too_little_disk_makes_a_node_unfit_and_an_alert_can_be_tried_by_the_threshold(make_app):
    client = make_app(disk_threshold_bytes=2**60).test_client()

    answer = client.get("/actuator/health/readiness")

    disk = answer.json["components"]["diskSpace"]
    assert (answer.status_code, disk["status"], disk["details"]["threshold"]) == (503, "DOWN", 2**60)
    scraped = client.get("/actuator/prometheus").text.splitlines()
    assert "imapp_ready 0.0" in scraped
    assert f"imapp_disk_threshold_bytes {float(2**60)}" in scraped


def test_readiness_is_a_metric_without_anybody_having_asked_for_health(client):
    scraped = client.get("/actuator/prometheus").text

    assert "imapp_ready 1.0" in scraped
    values = dict(line.split(" ", 1) for line in scraped.splitlines() if not line.startswith("#"))
    assert float(values["imapp_disk_free_bytes"]) > float(values["imapp_disk_threshold_bytes"]) == 50 * 2**20


def test_probes_within_a_second_share_one_look(app, client):
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
def test_tables_that_are_older_than_the_code_make_a_node_unfit(app, client, revision, status):
    revise(app, revision)

    answer = client.get("/actuator/health/readiness")

    found = answer.json["components"]["migrations"]
    assert (found["status"], found["details"]["database"]) == (status, revision)
    assert answer.status_code == (200 if status == "UP" else 503)


def test_tables_that_are_upgraded_meanwhile_are_noticed_and_good_ones_are_not_looked_at_again(app, client, monkeypatch):
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
    """A plain user's header and an operator's."""
    plain, operator = register(client, "alice"), register(client, "olga")

    def promote(session):
        session.get(User, operator["user"]["id"]).is_operator = True

    with app.app_context():
        atomic(promote)
    return bearer(plain), bearer(operator)


@pytest.mark.parametrize("path", ["/actuator/health", "/actuator/health/readiness"])
def test_details_are_for_operators_and_the_machine_itself(client, tokens, path):
    plain, operator = tokens

    assert details(client, path) == []
    assert details(client, path, **plain) == []
    assert details(client, path, Authorization="Bearer nonsense") == []
    assert details(client, path, **operator) != []
    assert details(client, path, address="127.0.0.1") != []
    assert details(client, path, address="::ffff:127.0.0.1") != []
    assert details(client, path, address="not an address") == []


def test_a_proxy_on_the_machine_brings_strangers(client):
    assert details(client, address="127.0.0.1", **{"X-Forwarded-For": "203.0.113.9"}) == []


@pytest.mark.parametrize(
    ("who", "address", "is_shown"), [("operators", "127.0.0.1", False), ("always", "1.2.3.4", True)]
)
def test_the_settings_say_who_sees_details(make_app, who, address, is_shown):
    client = make_app(health_details=who).test_client()

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
def test_metrics_are_for_the_machine_itself_and_the_networks_of_operators(make_app, address, headers, status):
    client = make_app(operator_networks="10.0.0.0/8").test_client()

    answer = client.get("/actuator/prometheus", environ_base={"REMOTE_ADDR": address}, headers=headers)

    assert answer.status_code == status


def test_operators_see_metrics_from_anywhere(client, tokens):
    _, operator = tokens

    answer = client.get("/actuator/prometheus", environ_base={"REMOTE_ADDR": "203.0.113.9"}, headers=operator)

    assert answer.status_code == 200


def test_an_operators_token_does_not_make_health_wait_for_a_frozen_database(make_app, silent_port, tokens):
    _, operator = tokens
    app = make_app(database_url=mysql(silent_port), db_connect_timeout_seconds=4)
    began = time.monotonic()

    shown = details(app.test_client(), **operator)

    assert shown == []
    assert time.monotonic() - began < 6


# -- info ------------------------------------------------------------------------------------------------------------


def test_info_tells_the_version_to_all_and_the_rest_to_insiders(client, tokens):
    _, operator = tokens

    public = client.get("/actuator/info", environ_base={"REMOTE_ADDR": "203.0.113.9"}).json
    whole = client.get("/actuator/info", environ_base={"REMOTE_ADDR": "203.0.113.9"}, headers=operator).json

    assert {name for name, value in public.items() if value is not None} == {"version"}
    assert (whole["node"], whole["transport"], whole["version"]) == ("node-1", "engine", public["version"])
    assert whole["python"].startswith("3.")
    assert 0 <= whole["uptime_seconds"] < 600


def test_info_tells_the_commit_that_was_built(make_app):
    client = make_app(commit="0123abc").test_client()

    assert client.get("/actuator/info").json["commit"] == "0123abc"
