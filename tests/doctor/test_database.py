"""The doctor on databases that are really misconfigured."""

from dataclasses import replace

import pytest
from sqlalchemy import event

from imapp.doctor import database, database_server
from imapp.doctor.context import Context
from imapp.doctor.database_state import Database
from imapp.extensions import db
from tests.support import apps
from tests.support.ports import free_port
from tests.support.proxy import Proxy

SERVER = list(database_server.CHECKS)
COMMON = ["database.answers", "database.migrations", "database.write"]
SQLITE = [name for name in database.CHECKS if name not in COMMON]


@pytest.fixture
def on_server(app_on, mariadb_url):
    """Create an app on a healthy database of a healthy server."""
    return app_on(mariadb_url)


def run(app, statement: str) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql(statement)


def name_of(url: str) -> str:
    return url.rsplit("/", 1)[-1]


def test_a_healthy_server_passes(on_server, look):
    found = {name: look(on_server, name) for name in [*COMMON, *SERVER, "clocks.database"]}

    assert {name: one for name, one in found.items() if one.status != "OK"} == {}
    assert {look(on_server, name).status for name in SQLITE} == {"SKIP"}


def test_a_healthy_sqlite_file_passes(app, look):
    assert {look(app, name).status for name in [*COMMON, *SQLITE]} == {"OK"}
    assert {look(app, name).status for name in [*SERVER, "clocks.database"]} == {"SKIP"}


def test_each_wrong_setting_of_a_server_is_reported(app_on, look, wrong_mariadb):
    app = app_on(wrong_mariadb.create_database())

    found = {name.partition(".")[2]: look(app, name) for name in SERVER}

    assert found["sql_mode"].status == "FAIL"
    assert found["connections"].status == "FAIL"
    assert "nodes use up to 21 of max_connections 15" in found["connections"].text
    assert {found[name].status for name in ("durability", "timeout", "packet")} == {"WARN"}
    assert found["durability"].command == "SET GLOBAL innodb_flush_log_at_trx_commit=1"


def test_a_packet_limit_below_the_longest_message_is_a_failure(app_on, look, wrong_mariadb):
    app = app_on(wrong_mariadb.create_database(), message_content_max_bytes=60_000, message_text_max_chars=60_000)
    wrong_mariadb.query("SET GLOBAL max_allowed_packet = 65536")

    found = look(app, "database.packet")

    wrong_mariadb.query("SET GLOBAL max_allowed_packet = 1048576")
    assert found.status == "FAIL"


def test_too_few_connections_for_one_more_node_is_a_warning(app_on, look, wrong_mariadb):
    app = app_on(wrong_mariadb.create_database(), db_pool_size=5, db_pool_overflow=4)

    assert look(app, "database.connections").status == "WARN"


def test_columns_without_full_unicode_are_named(app_on, look, mariadb, tmp_path):
    url = mariadb.create_database()
    apps.migrate(url, tmp_path)
    mariadb.query(f"ALTER DATABASE {name_of(url)} CHARACTER SET latin1")
    mariadb.query("ALTER TABLE users MODIFY nickname VARCHAR(50) CHARACTER SET utf8mb3 NOT NULL", name_of(url))

    found = look(app_on(url), "database.charset")

    assert found.status == "FAIL"
    assert found.text == "database latin1, users.nickname utf8mb3"


def test_an_old_or_empty_database_needs_an_upgrade(app_on, look, mariadb, tmp_path):
    url = mariadb.create_database()
    empty = look(app_on(url), "database.migrations")
    apps.migrate(url, tmp_path)
    mariadb.query("UPDATE alembic_version SET version_num = '0002'", name_of(url))

    old = look(app_on(url), "database.migrations")

    assert (empty.status, old.status) == ("FAIL", "FAIL")
    assert empty.text.startswith("revision none, this code is at ")
    assert old.text.startswith("revision 0002, this code is at ")
    assert old.command == "flask --app wsgi db upgrade"


def test_a_read_only_user_is_found_by_a_trial_write(app_on, look, account, mariadb, tmp_path):
    url = account()
    apps.migrate(url, tmp_path)
    assert look(app_on(url), "database.write").status == "OK"
    name = name_of(url)
    mariadb.query(f"REVOKE ALL ON {name}.* FROM {name}@'%'")
    mariadb.query(f"GRANT SELECT ON {name}.* TO {name}@'%'")

    found = look(app_on(url), "database.write")

    assert found.status == "FAIL"
    assert "denied" in found.text


def test_the_trial_write_is_rolled_back(app_on, look, mariadb, tmp_path):
    url = mariadb.create_database()
    apps.migrate(url, tmp_path)
    before = mariadb.query("SELECT epoch FROM server_state", name_of(url))

    assert look(app_on(url), "database.write").status == "OK"

    assert mariadb.query("SELECT epoch FROM server_state", name_of(url)) == before
    mariadb.query("DELETE FROM server_state", name_of(url))
    assert look(app_on(url), "database.write").text == "server_state is empty"


def test_session_settings_changed_by_a_proxy_are_found(app_on, look, mariadb_url):
    """Simulate a proxy that drops the nodes' session settings, or sets its own."""
    app = app_on(mariadb_url)

    def change(connection, _record):
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION time_zone = '+08:00', SESSION tx_isolation = 'REPEATABLE-READ'")
            cursor.execute("SET SESSION idle_transaction_timeout = 0, SESSION innodb_lock_wait_timeout = 50")

    with app.app_context():
        event.listen(db.engine, "connect", change)

    assert look(app, "database.zone").text == "the session is +28800 s from UTC"
    assert look(app, "database.isolation").text == "REPEATABLE-READ instead of READ-COMMITTED"
    found = look(app, "database.locks")
    assert found.status == "FAIL"
    assert found.text == "idle_transaction_timeout 0, innodb_lock_wait_timeout 50 in the session"


def test_a_slow_database_is_a_warning(app_on, look, mariadb, mariadb_url):
    proxy = Proxy(mariadb.port)
    proxy.delay = 0.05

    found = look(app_on(mariadb_url.replace(f":{mariadb.port}/", f":{proxy.port}/")), "database.answers")

    proxy.close()
    assert found.status == "WARN"


@pytest.mark.parametrize(
    ("dialect", "version", "status"),
    [
        ("mariadb", "10.11.6-MariaDB", "OK"),
        ("mariadb", "10.5.1-MariaDB", "WARN"),
        ("mysql", "8.0.36", "OK"),
        ("mysql", "5.7.44", "WARN"),
    ],
)
def test_a_server_older_than_the_tested_versions_is_a_warning(app, dialect, version, status):
    found = Database(dialect, version, 1.0, (), {"version": version})

    check = database_server.CHECKS["database.version"].__wrapped__
    assert check(Context(app), found).status == status
    assert check(Context(app), replace(found, version="what")).status == "WARN"


def test_mysql_is_checked_by_its_idle_connection_timeout(app):
    in_force = {"wait_timeout": "60", "innodb_lock_wait_timeout": "3"}
    found = Database("mysql", "8.0.36", 1.0, (), in_force)

    locks, timeout = (database_server.CHECKS[f"database.{name}"].__wrapped__ for name in ("locks", "timeout"))
    assert locks(Context(app), found).status == "OK"
    assert timeout(Context(app), found).status == "SKIP", "it would compare what the nodes set themselves"
    found = replace(found, variables={**in_force, "wait_timeout": "28800"})
    assert locks(Context(app), found).status == "FAIL"


def test_an_absent_server_is_reported_without_its_password(app_on, look):
    found = look(app_on(f"mysql+pymysql://im:hidden@127.0.0.1:{free_port()}/im"), "database.answers")

    assert found.status == "FAIL"
    assert "OperationalError" in found.text
    assert "hidden" not in found.text


# -- SQLite ----------------------------------------------------------------------------------------------------------


def test_a_missing_file_is_reported_and_not_created(app_on, look, tmp_path):
    found = look(app_on(f"sqlite:///{tmp_path}/new.db"), "database.answers")

    assert found.status == "FAIL"
    assert "flask --app wsgi db upgrade" in found.text
    assert not (tmp_path / "new.db").exists()


def test_a_damaged_file_is_a_failure(app_on, look, sqlite_template, tmp_path):
    url = apps.copy_of(sqlite_template, tmp_path / "db")
    file = tmp_path / "db/imapp.db"
    data = bytearray(file.read_bytes())
    page = 4096
    for start in range(5 * page, len(data), page):
        data[start : start + 100] = b"\xff" * 100
    file.write_bytes(data)

    assert look(app_on(url), "database.integrity").status == "FAIL"


def test_a_file_without_a_write_ahead_log_is_a_failure(app, look):
    """Simulate a folder that does not allow a write-ahead log."""

    def change(connection, _record):
        connection.execute("PRAGMA journal_mode=DELETE")

    with app.app_context():
        db.engine.dispose()
        event.listen(db.engine, "connect", change)

    assert look(app, "database.journal").text == "journal_mode delete"


def test_an_sqlite_file_with_a_cluster_is_a_failure(make_app, look):
    app = make_app(redis_url="redis://127.0.0.1:1")

    assert look(app, "database.alone").status == "FAIL"
