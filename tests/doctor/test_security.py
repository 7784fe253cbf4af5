"""The doctor on unsafe secrets and settings."""

import pytest

from imapp.doctor.security import weakness


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("k" * 40, "too little entropy, about 0 bits"),
        ("ab" * 30, "too little entropy"),
        ("please-ChangeMe-before-you-use-this", "'changeme'"),
        ("my-secret-my-own-very-long-one-4711", "'secret'"),
        ("9f2c41d07b3e8a65f01c9d7e4b8a3265c0ffee1234", ""),
        ("xI3v_Qd-0Zk7pLw2NfYbT8sRcJhGmUaEoV9y6K1t5", ""),
    ],
)
def test_a_guessable_key_is_weak(key, words):
    assert words in weakness(key)
    assert bool(weakness(key)) == bool(words)


def test_a_weak_key_is_a_failure_and_a_random_one_passes(make_app, look):
    found = look(make_app(secret_key="t" * 32), "safety.key")

    assert (found.status, found.command) == ("FAIL", "openssl rand -hex 32")
    assert look(make_app(secret_key="9f2c41d07b3e8a65f01c9d7e4b8a3265c0ffee1234"), "safety.key").status == "OK"
    old = {"secret_key": "9f2c41d07b3e8a65f01c9d7e4b8a3265c0ffee1234", "secret_key_previous": "o" * 32}
    assert look(make_app(**old), "safety.key").text.startswith("SECRET_KEY_PREVIOUS")


@pytest.mark.parametrize(
    ("redis_url", "words"),
    [
        ("redis://redis.example.org/0", "Redis' password is not set"),
        ("redis://:short@redis.example.org/0", "Redis' password is shorter than 12"),
        ("redis+sentinel://s1:26379,s2:26379/mymaster", "Redis' password is not set"),
        ("redis://:0123456789abcdef@redis.example.org/0", ""),
        ("redis://127.0.0.1/0", "Redis' password is not set, and every account of this machine"),
        ("redis://:short@[::1]/0", "shorter than 12, and every account"),
        ("redis://:0123456789abcdef@127.0.0.1/0", ""),
        ("unix:///run/redis/redis.sock", ""),
    ],
)
def test_redis_needs_a_password_unless_it_listens_on_a_unix_socket(make_app, look, redis_url, words):
    found = look(make_app(redis_url=redis_url), "safety.passwords")

    assert found.status == ("WARN" if words else "OK")
    assert (words or "none is missing or short") in found.text


def test_using_the_databases_root_account_is_a_warning(app_on, mariadb, look):
    found = look(app_on(mariadb.create_database()), "safety.passwords")

    assert (found.status, found.text) == ("WARN", "the nodes use the database's root account")


def test_files_readable_by_others_are_named(doctor, environ, tmp_path):
    environ["SECRET_KEY"] = "9f2c41d07b3e8a65f01c9d7e4b8a3265c0ffee1234"
    assert doctor(environ, "--only", "safety.files").status("safety.files") == "OK"
    secrets = tmp_path / "data/secrets.env"
    secrets.write_text("SECRET_KEY=x\n")
    secrets.chmod(0o644)

    row = doctor(environ, "--only", "safety.files").rows["safety.files"]

    assert (row["status"], row["command"]) == ("FAIL", f"chmod go-rwx {secrets}")


def test_cluster_settings_readable_by_others_are_named(app, look, tmp_path):
    (tmp_path / "cluster.env").write_text("DATABASE_URL=x\n")
    (tmp_path / "cluster.env").chmod(0o640)

    assert "cluster.env" in look(app, "safety.files", project=tmp_path).text


def test_a_readable_database_file_is_a_failure_if_others_can_enter_its_folder(app, look, tmp_path):
    (tmp_path / "imapp.db").touch(0o644)
    tmp_path.chmod(0o755)
    assert look(app, "safety.files").status == "FAIL"

    tmp_path.chmod(0o700)
    assert look(app, "safety.files", project=tmp_path).status == "OK"


@pytest.mark.parametrize(
    ("name", "setting", "status"),
    [
        ("environment", {"env": "production"}, "OK"),
        ("environment", {"env": "development"}, "WARN"),
        ("origins", {}, "OK"),
        ("origins", {"allowed_origins": ("*",)}, "WARN"),
        ("rate_limits", {"rate_limits": True}, "OK"),
        ("rate_limits", {"rate_limits": False}, "WARN"),
        ("rate_limits", {"rate_limits": False, "env": "production"}, "FAIL"),
        ("proxies", {}, "SKIP"),
        ("proxies", {"trusted_proxies": ("10.0.0.5",)}, "OK"),
        ("proxies", {"trusted_proxies": ("10.0.0.5", "::/0")}, "FAIL"),
    ],
)
def test_each_setting_gets_the_expected_status(make_app, look, name, setting, status):
    assert look(make_app(**setting), f"safety.{name}").status == status


def test_an_untrusted_proxy_is_a_failure(make_app, look):
    assert look(make_app(), "safety.proxies", url="https://chat.example.org").status == "FAIL"
    assert look(make_app(), "safety.proxies", nginx="x").status == "FAIL"


def test_debug_mode_is_a_failure(doctor, environ):
    told = doctor({**environ, "FLASK_DEBUG": "1"}, "--only", "safety.environment")

    assert told.status("safety.environment") == "FAIL"
