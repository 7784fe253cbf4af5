"""The load test finds faults: a server that loses, doubles or refuses messages, and the exit code."""

import pytest

from tests.load.bench import Bench
from tests.load.faulty import faulty_server

pytestmark = pytest.mark.slow


@pytest.fixture
def users(tmp_path):
    path = tmp_path / "users"
    path.write_text("".join(f"token-{number} {number} -\n" for number in range(1, 21)))
    return path


def run(tmp_path, url, users, **options):
    return Bench(tmp_path, url, users_file=users, patience=2, warm_up=0, **options).wait()


def test_a_faultless_server_passes(tmp_path, users):
    with faulty_server() as url:
        ran = run(tmp_path, url, users)

    assert ran.code == 0, ran.out + ran.err
    counts = {"sent": 100, "acked": 100, "delivered": 100}
    assert ran.report["counts"] == dict.fromkeys(ran.report["counts"], 0) | counts


def test_every_lost_delivery_is_counted(tmp_path, users):
    with faulty_server(times=lambda number: number % 10 != 0) as url:
        ran = run(tmp_path, url, users)

    assert ran.code == 1
    assert ran.report["counts"]["lost"] == 10
    assert ran.report["counts"]["acked"] == 100
    assert "10 deliveries of acknowledged messages are missing" in ran.out


def test_every_doubled_delivery_is_counted(tmp_path, users):
    with faulty_server(times=lambda number: 2 if number % 25 == 0 else 1) as url:
        ran = run(tmp_path, url, users)

    assert ran.code == 1
    assert ran.report["counts"]["doubled"] == 4
    assert ran.report["counts"]["lost"] == 0


def test_refusals_are_counted_by_code_and_fail_the_run_above_the_bound(tmp_path, users):
    with faulty_server(refuses=lambda number: number % 20 == 0) as url:
        strict = run(tmp_path, url, users)
        lenient = run(tmp_path, url, users, error_bound=0.06)

    assert (strict.code, lenient.code) == (1, 0)
    assert strict.report["errors"] == lenient.report["errors"] == {"<b>busy</b>": 5}
    assert strict.report["counts"]["refused"] == 5
    assert strict.report["steps"][0]["verdict"] == "errors"


def test_a_ramp_ends_with_the_first_step_that_exceeds_a_bound(tmp_path, users):
    # At 50, 100 and 200 messages/s, a step of 0.5 s has 25, 50 and 100 messages. All after the first 75 are refused.
    with faulty_server(refuses=lambda number: number > 75) as url:
        ran = run(tmp_path, url, users, ramp=True, ramp_factor=2, seconds=0.5, p99_bound=30_000)

    assert ran.code == 0
    assert [step["rate"] for step in ran.report["steps"]] == [50, 100, 200]
    assert [step["verdict"] for step in ran.report["steps"]][2] == "errors"
    assert "The server carried 100 messages/s" in ran.out
    assert "not 200/s: errors" in ran.out


def test_an_address_without_a_server_gives_a_short_error(tmp_path, users):
    ran = run(tmp_path, "http://127.0.0.1:9", users)

    assert ran.code == 3
    assert "ConnectionRefusedError" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"connections": 21}, "21 connections need one each"),
        ({"groups": 1, "group_size": 30}, "more members than there are connections"),
        ({"nodes": "ftp://127.0.0.1"}, "an address is http://"),
        ({"nodes": "http://user:secret@127.0.0.1"}, "no password in it"),
        ({"rate": 0}, "Invalid value for '--rate'"),
    ],
)
def test_wrong_options_give_exit_code_2(tmp_path, users, options, words):
    ran = run(tmp_path, "http://127.0.0.1:9", users, **options)

    assert ran.code == 2
    assert words in ran.err
    assert "Traceback" not in ran.err


def test_a_users_file_in_another_format_is_refused(tmp_path, users):
    users.write_text("no token here at all\n")

    ran = run(tmp_path, "http://127.0.0.1:9", users)

    assert ran.code == 2
    assert "each line must be" in ran.err
