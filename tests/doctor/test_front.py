"""A real Nginx before real nodes as clients see it, healthy and broken; and the doctor's whole report on both."""

import os
import secrets

import pytest

from tests.support.ports import free_port
from tests.support.proxy import Proxy
from tests.support.redis import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

FRONT = ["front.health", "front.websocket", "front.upgrade", "front.routing"]


def without(*words):
    """Return an edit that removes these words from Nginx' configuration."""

    def edit(text):
        for old in words:
            assert old in text
            text = text.replace(old, "")
        return text

    return edit


def loose(text):
    """Remove the routing by session id, and replace the choice of the least busy node by round robin."""
    return text.replace("proxy_pass http://$imapp_sockets;", "proxy_pass http://imapp_sockets;").replace(
        "least_conn;", ""
    )


def test_a_healthy_front_passes(nodes, front, app, look):
    through = front(nodes)

    found = {name: look(app, name, url=through.url) for name in FRONT}

    assert {name: one for name, one in found.items() if one.status != "OK"} == {}
    assert found["front.routing"].text.startswith("10 sessions reached their node (node-")
    assert look(app, "front.certificate", url=through.url).status == "SKIP"
    assert look(app, "front.scheme", url=through.url).status == "SKIP"


def test_without_a_url_the_checks_of_the_front_are_skipped(app, look):
    assert {look(app, name).status for name in [*FRONT, "front.scheme", "front.certificate"]} == {"SKIP"}


def test_an_absent_front_is_a_failure(app, look):
    url = f"http://127.0.0.1:{free_port()}"

    found = {name: look(app, name, url=url) for name in FRONT}

    assert {one.status for one in found.values()} == {"FAIL"}
    assert found["front.health"].text.startswith("ConnectionRefusedError")


def test_a_front_that_never_answers_is_reported_in_time(server, app, look):
    proxy = Proxy(server.port)
    proxy.is_silent = True

    found = {name: look(app, name, url=proxy.url) for name in ("front.health", "front.routing")}

    proxy.close()
    assert {one.status for one in found.values()} == {"FAIL"}
    assert "TimeoutError" in found["front.health"].text


def test_a_front_without_upgrades_still_passes_polling(nodes, front, app, look):
    through = front(nodes, edit=without("proxy_set_header Upgrade $http_upgrade;"))

    assert {look(app, name, url=through.url).status for name in ("front.websocket", "front.upgrade")} == {"FAIL"}
    assert look(app, "front.routing", url=through.url).status == "OK"


def test_a_front_that_spreads_the_requests_of_a_session_is_found(nodes, front, app, look):
    through = front(nodes, edit=loose)

    found = look(app, "front.routing", url=through.url)

    assert found.status == "FAIL"
    assert "of 10 sessions reached a node that does not know them" in found.text
    assert look(app, "front.websocket", url=through.url).status == "OK"


def test_a_front_that_leads_elsewhere_is_found(nodes, front, app, look):
    through = front(nodes)

    found = look(app, "front.health", url=through.url + "/elsewhere")

    assert (found.status, found.text) == ("FAIL", "404: no node answers there")


def test_an_unhealthy_node_is_reported(start_nodes, front, app, look, tmp_path):
    own = RedisServer(tmp_path / "redis")
    nodes = start_nodes(1, redis_url=own.url)
    through = front(nodes)
    own.kill()

    found = look(app, "front.health", url=through.url)

    assert found.status == "FAIL"
    assert found.text.startswith("DOWN: ")
    assert "redis" in found.text


@pytest.fixture
def front_with_tls(nodes, front, make_certificate):
    """Provide `front_with_tls(days, edit=...)`: Nginx with a certificate valid for `days`; return both."""

    def start(days: int, edit=lambda text: text):
        certificate = make_certificate(days)
        port = free_port()
        return front(
            nodes, certificate=certificate, edit=lambda text: edit(text).replace("listen 80;", f"listen {port};")
        ), certificate

    return start


@pytest.mark.parametrize(("days", "status"), [(90, "OK"), (10, "WARN"), (2, "FAIL")])
def test_a_certificate_that_expires_soon_is_reported(front_with_tls, doctor, environ, days, status):
    through, certificate = front_with_tls(days)

    told = doctor({**environ, "SSL_CERT_FILE": certificate}, "--url", through.url, "--only", "front")

    assert told.status("front.certificate") == status, told.output
    assert told.rows["front.certificate"]["text"] == f"valid for {days} days"
    assert {told.status(name) for name in [*FRONT, "front.scheme"]} == {"OK"}


def test_an_untrusted_certificate_does_not_prevent_the_other_checks(front_with_tls, doctor, environ):
    through, _ = front_with_tls(90, without("proxy_set_header X-Forwarded-Proto $scheme;"))

    told = doctor(environ, "--url", through.url, "--only", "front")

    assert told.named("FAIL") == ["front.scheme", "front.certificate"]
    assert "self-signed" in told.rows["front.certificate"]["text"]


# -- the whole report ------------------------------------------------------------------------------------------------


def keep(name: str, told) -> None:
    """Store the table in the folder IM_TEST_TABLES, if it is set, for manual review."""
    if folder := os.environ.get("IM_TEST_TABLES"):
        with open(f"{folder}/doctor-{name}.txt", "w", encoding="utf-8") as file:  # noqa: PTH123 - one line
            file.write(told.output)


def test_a_healthy_cluster_behind_nginx_has_no_findings(start_nodes, account, redis_server, front, doctor):
    password = secrets.token_hex(12)
    with redis_server.client() as client:
        client.execute_command("ACL", "SETUSER", "nodes", "on", f">{password}", "~*", "&*", "+@all")
    redis_url = redis_server.url.replace("//", f"//nodes:{password}@")
    sound = {"SECRET_KEY": secrets.token_hex(32), "IM_ENV": "production", "IM_RATE_LIMITS": "on"}
    nodes = start_nodes(2, redis_url=redis_url, database_url=account(), IM_MAX_CONNECTIONS="2000", **sound)
    through = front(nodes)
    options = ("--nginx", str(through.config), "--url", through.url)

    told = doctor(nodes[0].environ, *options)
    keep("sound", doctor(nodes[0].environ, *options, as_json=False))

    assert (told.exit_code, told.named("FAIL"), told.named("WARN")) == (0, [], []), told.output
    assert "2 nodes answered" in told.rows["nodes.alive"]["text"]


def test_every_fault_of_a_broken_cluster_is_reported(start_nodes, wrong_redis, wrong_mariadb, front, doctor):
    wrong_redis.client().config_set("maxclients", 500)  # enough for the nodes to run
    wrong_mariadb.query("SET GLOBAL max_connections = 60")
    url = wrong_mariadb.create_database()
    wrong = {"IM_ALLOWED_ORIGINS": "*", "IM_TRUSTED_PROXIES": "", "IM_NODE_LEASE_SECONDS": "60"}
    nodes = start_nodes(2, redis_url=wrong_redis.url, database_url=url, **wrong)
    edits = without("proxy_set_header Upgrade $http_upgrade;", "proxy_buffering off;")
    through = front(nodes, edit=lambda text: loose(edits(text)).replace("read_timeout 60s", "read_timeout 30s"))
    wrong_mariadb.query("UPDATE alembic_version SET version_num = '0002'", url.rsplit("/", 1)[-1])
    nodes[1].freeze()
    try:
        options = ("--nginx", str(through.config), "--url", through.url)
        told = doctor(nodes[0].environ, *options)
        keep("broken", doctor(nodes[0].environ, *options, as_json=False))
    finally:
        nodes[1].thaw()
        wrong_redis.client().config_set("maxclients", 30)
        wrong_mariadb.query("SET GLOBAL max_connections = 15")

    assert told.exit_code == 2
    expected = {
        "safety.key", "safety.proxies", "redis.policy", "nodes.alive", "database.migrations", "database.sql_mode",
        "nginx.timeouts", "nginx.upgrade", "nginx.sticky", "front.websocket", "front.upgrade", "front.routing",
    }  # fmt: skip
    assert expected <= set(told.named("FAIL")), told.output
    warned = {"safety.environment", "safety.origins", "safety.rate_limits", "safety.passwords", "redis.buffers"}
    assert warned | {"database.durability", "database.timeout", "nginx.buffering"} <= set(told.named("WARN")), (
        told.output
    )
    assert all(row["cure"] for name, row in told.rows.items() if row["status"] in {"FAIL", "WARN"})
