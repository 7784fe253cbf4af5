"""`flask im doctor` as a command: its output, its exit codes, its time limits."""

import json
import signal
import threading
import time

import pytest

from imapp.doctor.catalogue import CHECKS
from imapp.doctor.context import Context
from imapp.doctor.finding import ok
from imapp.doctor.runner import exit_code, run_checks, select_checks
from tests.support.ports import free_port

pytestmark = pytest.mark.slow


def test_a_healthy_single_node_has_no_failure_and_exit_code_0(doctor, environ):
    told = doctor(environ)

    assert (told.exit_code, told.named("FAIL"), told.named("WARN")) == (0, [], []), told.output
    assert list(told.rows) == list(CHECKS)
    assert told.json["ok"] == len(told.named("OK")) > 20


def test_the_table_shows_the_cure_and_the_command(doctor, environ):
    environ["IM_TRUSTED_PROXIES"] = "0.0.0.0/0"

    told = doctor(environ, "--only", "safety.proxies", "--only", "safety.key", as_json=False)

    lines = told.output.splitlines()
    assert told.exit_code == 2
    assert lines[0].split() == ["check", "status", "finding", "what", "to", "do"]
    assert any("safety.proxies" in line and "FAIL" in line and "Name only the proxy" in line for line in lines)
    assert any("IM_TRUSTED_PROXIES=10.0.0.5" in line for line in lines)
    assert lines[-1] == "1 OK, 0 WARN, 1 FAIL, 0 SKIP"


def test_warnings_without_failures_give_exit_code_1(doctor, environ):
    told = doctor({**environ, "IM_ALLOWED_ORIGINS": "*"}, "--only", "safety.origins")

    assert (told.exit_code, told.status("safety.origins")) == (1, "WARN")


def test_an_unknown_check_is_refused_by_name(doctor, environ):
    told = doctor(environ, "--only", "colour")

    assert told.exit_code == 2
    assert "colour" in told.output
    assert "redis.policy" in told.output


def test_invalid_settings_are_reported_in_one_line_with_exit_code_2(doctor, environ):
    told = doctor({**environ, "IM_PORTS": "1"}, "--only", "safety")

    assert (told.exit_code, told.output.count("\n")) == (2, 1)
    assert "IM_PORTS is not a setting" in told.output


def test_the_output_contains_no_secret(doctor, environ):
    port = free_port()
    secret = "correct-horse-battery-staple-" + "x1y2z3" * 4
    environ |= {"SECRET_KEY": secret, "REDIS_URL": f"redis://u:redis-pw-9@127.0.0.1:{port}"}
    environ |= {"DATABASE_URL": f"mysql://im:database-pw-9@127.0.0.1:{port}/im"}

    told = doctor(environ, "--only", "database", "--only", "redis", "--only", "safety", "--only", "nodes")

    assert told.exit_code == 2
    for word in (secret, "redis-pw-9", "database-pw-9"):
        assert word not in told.output


def test_absent_servers_are_reported_within_the_time_limit(doctor, environ):
    port = free_port()
    environ |= {"REDIS_URL": f"redis://127.0.0.1:{port}", "DATABASE_URL": f"mysql://im@127.0.0.1:{port}/im"}

    told = doctor(environ, "--url", f"http://127.0.0.1:{port}")

    assert told.exit_code == 2
    assert {"redis.answers", "nodes.bus", "database.answers", "database.write", "front.health"} <= set(
        told.named("FAIL")
    )
    assert "ConnectionError" in told.rows["redis.answers"]["text"]
    assert "OperationalError" in told.rows["database.answers"]["text"]
    assert {told.status(name) for name in ("system.backlog", "safety.key", "program.packages")} == {"OK"}


def test_hanging_servers_are_reported_within_the_time_limit(doctor, environ, wrong_redis, wrong_mariadb):
    url = wrong_mariadb.create_database()
    wrong_redis.signal(signal.SIGSTOP)
    wrong_mariadb.freeze()
    try:
        told = doctor(
            {**environ, "REDIS_URL": wrong_redis.url, "DATABASE_URL": url},
            "--only",
            "redis",
            "--only",
            "database",
            "--only",
            "nodes",
        )
    finally:
        wrong_redis.thaw()
        wrong_mariadb.thaw()

    assert told.exit_code == 2
    assert {"redis.answers", "nodes.bus", "database.answers", "database.write"} <= set(told.named("FAIL"))
    assert max(row["seconds"] for row in told.rows.values()) <= 60


def test_a_crashing_or_hanging_check_fails_alone(app):
    is_over = threading.Event()

    def crash(_case):
        raise KeyError("gone\nsecond line")

    def hang(_case):
        is_over.wait(60)
        return ok("late")

    results = run_checks(Context(app), {"crash": crash, "hang": hang, "well": lambda _case: ok("well")}, seconds=1)
    is_over.set()

    crashed, hung, well = (result.finding for result in results)
    assert (crashed.status, crashed.text) == ("FAIL", "KeyError: 'gone\\nsecond line'")
    assert (hung.status, hung.text) == ("FAIL", "no answer within 1 s")
    assert hung.command == "flask --app wsgi im doctor --only hang"
    assert well.status == "OK"
    assert exit_code(results) == 2


def test_data_used_by_several_checks_is_read_once(app):
    calls = []

    def seen(_case):
        calls.append(1)
        time.sleep(0.1)
        raise ValueError("no")

    case = Context(app)
    results = run_checks(case, {name: lambda one: one.once(seen) for name in "abc"})

    assert len(calls) == 1
    assert {result.finding.text for result in results} == {"ValueError: no"}


def test_checks_can_be_chosen_by_group_or_name():
    assert set(select_checks(CHECKS, ("clocks", "redis.policy"))) == {
        "clocks.nodes", "clocks.redis", "clocks.database", "redis.policy",
    }  # fmt: skip
    assert select_checks(CHECKS, ()) == CHECKS


def test_the_json_is_one_object_with_a_row_for_each_check(doctor, environ):
    told = doctor(environ, "--only", "disk")

    assert set(json.loads(told.output)) == {"ok", "warn", "fail", "skip", "checks"}
    assert set(told.rows["disk.space"]) == {"name", "status", "text", "cure", "command", "seconds"}
