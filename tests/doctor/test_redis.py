"""The doctor on Redis servers that are really misconfigured."""

from dataclasses import replace

import pytest

from imapp.doctor import redis_server
from imapp.doctor.context import Context
from imapp.doctor.redis_servers import Server, servers
from tests.support.proxy import Proxy
from tests.support.redis import RedisCluster, RedisSentinel

NAMES = [name for name in redis_server.CHECKS if name != "redis.topology"]


@pytest.fixture
def on(make_app):
    """Provide `on(url, **settings)`: an app on that Redis."""
    return lambda url, **settings: make_app(redis_url=url, cluster_name="doctored", **settings)


def test_a_healthy_redis_passes(on, look, redis_server):
    app = on(redis_server.url)

    assert {look(app, name).status for name in NAMES} == {"OK"}
    assert look(app, "redis.topology").status == "SKIP"
    assert look(app, "nodes.bus").status == "OK"


def test_each_wrong_setting_is_reported(on, look, wrong_redis):
    app = on(wrong_redis.url)

    found = {name: look(app, name) for name in NAMES}

    assert found["redis.policy"].status == "FAIL"
    assert found["redis.policy"].command == "redis-cli CONFIG SET maxmemory-policy noeviction"
    assert (found["redis.buffers"].status, found["redis.clients"].status) == ("WARN", "FAIL")
    assert "30 clients" in found["redis.clients"].text


def test_a_wrong_policy_without_a_memory_limit_is_a_warning(on, look, wrong_redis):
    wrong_redis.client().config_set("maxmemory", 0)

    found = look(on(wrong_redis.url), "redis.policy")

    wrong_redis.client().config_set("maxmemory", "3mb")
    assert found.status == "WARN"


def test_an_unlimited_output_buffer_is_a_warning(on, look, wrong_redis):
    before = wrong_redis.client().config_get("client-output-buffer-limit")
    wrong_redis.client().config_set("client-output-buffer-limit", "pubsub 0 0 0")

    found = look(on(wrong_redis.url), "redis.buffers")

    wrong_redis.client().config_set("client-output-buffer-limit", before["client-output-buffer-limit"])
    assert found.status == "WARN"


def test_nearly_full_memory_is_reported(on, look, wrong_redis):
    with wrong_redis.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 0)
        # Large enough that connections do not matter. SETRANGE keeps the 20 MB out of the client's buffers.
        client.setrange("ballast", 20_000_000, "x")
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory", int(used * 1.15))
        warned = look(on(wrong_redis.url), "redis.memory")
        client.config_set("maxmemory", used // 2)
        failed = look(on(wrong_redis.url), "redis.memory")
        client.delete("ballast")
        client.config_set("maxmemory", "3mb")
        client.config_set("maxmemory-policy", "allkeys-lru")

    assert (warned.status, failed.status) == ("WARN", "FAIL")


def test_a_slow_redis_is_a_warning(on, look, redis_server):
    proxy = Proxy(redis_server.port)
    proxy.delay = 0.05

    found = look(on(f"redis://127.0.0.1:{proxy.port}"), "redis.answers")

    proxy.close()
    assert found.status == "WARN"


def test_a_redis_that_is_too_old_is_a_failure(app):
    old = Server("r", 1.0, {"redis_version": "6.2.14"}, {})

    assert redis_server.version.__wrapped__(Context(app), old).status == "FAIL"
    assert redis_server.version.__wrapped__(Context(app), replace(old, info={"redis_version": "7.0.0"})).status == "OK"


def test_missing_rights_are_reported_with_the_minimal_acl(on, look, wrong_redis):
    with wrong_redis.client() as client:
        client.acl_setuser("keyless", enabled=True, passwords=["+pw"], channels=["doctored:*"], categories=["+@all"])
        client.acl_setuser(
            "deaf", enabled=True, passwords=["+pw"], keys=["*"], categories=["+@all"], reset_channels=True
        )
        keyless = on(f"redis://keyless:pw@127.0.0.1:{wrong_redis.port}")
        deaf = on(f"redis://deaf:pw@127.0.0.1:{wrong_redis.port}")

        rights, bus = look(keyless, "redis.rights"), look(deaf, "nodes.bus")
        heard = look(keyless, "nodes.bus")

    assert rights.status == "FAIL"
    assert rights.command.startswith("ACL SETUSER imapp ~{doctored}:* &doctored:*")
    assert (bus.status, heard.status) == ("FAIL", "OK")


def test_the_minimal_acl_of_the_manual_suffices_for_nodes_and_limits_the_doctor_with_a_warning(on, look, wrong_redis):
    least = ["on", ">pw", "~{doctored}:*", "&doctored:*", "+@all", "-@admin", "-@dangerous", "+role", "+cluster|slots"]
    wrong_redis.client().execute_command("ACL", "SETUSER", "least", *least)
    app = on(f"redis://least:pw@127.0.0.1:{wrong_redis.port}")

    assert {look(app, name).status for name in ("redis.answers", "redis.rights", "nodes.bus")} == {"OK"}
    for name in (
        "redis.version",
        "redis.policy",
        "redis.buffers",
        "redis.clients",
        "redis.memory",
        "redis.persistence",
    ):
        found = look(app, name)
        assert (found.status, found.command) == ("WARN", "ACL SETUSER imapp +info +config|get")


@pytest.mark.slow
def test_unreachable_sentinels_are_a_warning(on, look, tmp_path):
    sentinel = RedisSentinel(tmp_path / "sentinel")
    try:
        app = on(sentinel.url)
        well = {look(app, name).status for name in [*NAMES, "redis.topology", "nodes.bus"]}
        sentinel.sentinels[1].kill()
        found = look(app, "redis.topology")
    finally:
        sentinel.stop()

    assert well == {"OK"}
    assert (found.status, "ConnectionRefusedError" in found.text) == ("WARN", True)


@pytest.mark.slow
def test_each_server_of_a_redis_cluster_is_checked(on, look, tmp_path):
    cluster = RedisCluster(tmp_path / "cluster")
    try:
        app = on(cluster.url)
        well = {look(app, name).status for name in [*NAMES, "redis.topology", "nodes.bus", "clocks.redis"]}
        with app.app_context():
            seen = len(servers(Context(app)))
        cluster.servers[2].client().config_set("maxmemory-policy", "allkeys-lru")
        found = look(app, "redis.policy")
        cluster.servers[0].client().execute_command("CLUSTER", "DELSLOTS", 0)
        torn = look(on(f"redis+cluster://127.0.0.1:{cluster.servers[0].port}"), "redis.topology")
    finally:
        cluster.stop()

    assert (well, seen) == ({"OK"}, 3)
    assert (found.status, str(cluster.servers[2].port) in found.text) == ("WARN", True)
    assert torn.status == "FAIL"
