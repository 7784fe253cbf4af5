"""The load test against the real server: exact counts, nodes that die, operators that interrupt it."""

import signal
import subprocess
import sys

import pytest

from tests.load.bench import Bench, users_of
from tests.support.server import ROOT

pytestmark = pytest.mark.slow

#: 20 connections, 50 messages/s for 2.5 s with the warm-up: each fifth message goes to a group of 5, to 4 receivers.
SENT, DELIVERED = 125, 100 + 25 * 4


def test_an_idle_server_delivers_all_and_the_figures_are_exact(server, tmp_path):
    users = users_of(server, tmp_path, 20, groups=4, size=5)

    ran = Bench(tmp_path, server.url, users_file=users, groups=4, nodes=server.url, p99_bound=30_000).wait()

    assert ran.code == 0, ran.out + ran.err
    counts = {"sent": SENT, "acked": SENT, "delivered": DELIVERED}
    assert ran.report["counts"] == dict.fromkeys(ran.report["counts"], 0) | counts
    (step,) = ran.report["steps"]
    assert (step["sent"], step["acks"], step["deliveries"]) == (100, 100, 80 + 20 * 4)
    assert 0 < step["ack"]["p50"] <= step["ack"]["p99"] <= step["ack"]["max"]
    assert sum(count for _, count in ran.report["histogram"]["delivery"]) == step["deliveries"]
    assert ran.report["connect"]["count"] == 20
    assert ran.report["nodes"]["rows"][server.url][0]["memory_mib"] > 10
    assert "The server carried 50 messages/s" in ran.out


def test_groups_missing_in_the_file_are_created(server, tmp_path):
    users = users_of(server, tmp_path, 20)

    ran = Bench(tmp_path, server.url, users_file=users, groups=4, group_size=5).wait()

    assert ran.code == 0, ran.out + ran.err
    assert ran.report["counts"]["delivered"] == DELIVERED


def test_accounts_are_registered_by_rest_and_kept_for_the_next_run(server, tmp_path):
    options = {"users_file": tmp_path / "made", "connections": 4}

    first = Bench(tmp_path, server.url, register=True, **options).wait()
    again = Bench(tmp_path, server.url, **options).wait()
    refused = Bench(tmp_path, server.url, register=True, **options).wait()

    assert (first.code, again.code, refused.code) == (0, 0, 2), first.err + again.err
    assert "exists" in refused.err
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600


def test_invalid_tokens_give_exit_code_3(server, tmp_path):
    users = tmp_path / "users"
    users.write_text("".join(f"nonsense {number} -\n" for number in range(1, 21)))

    ran = Bench(tmp_path, server.url, users_file=users).wait()

    assert ran.code == 3
    assert "0 of 20 could connect" in ran.err
    assert ran.report["counts"]["sent"] == 0


def test_no_token_is_in_any_report(server, tmp_path):
    users = users_of(server, tmp_path, 20)
    html = tmp_path / "report.html"

    ran = Bench(tmp_path, server.url, users_file=users, report=html).wait()

    assert ran.code == 0, ran.out + ran.err
    told = ran.out + ran.err + html.read_text() + ran_json(tmp_path)
    assert not [line for line in users.read_text().splitlines() if line.split()[0] in told]


def ran_json(folder):
    return (folder / "report.json").read_text()


def test_messages_between_two_nodes_all_arrive(nodes, tmp_path):
    users = users_of(nodes[0], tmp_path, 20, groups=2, size=10)

    ran = Bench(tmp_path, nodes[0].url, nodes[1].url, users_file=users, groups=2).wait()

    # Messages that members send at the same time on two nodes may overtake each other.
    assert ran.code == 0, ran.out + ran.err
    counts = ran.report["counts"]
    assert counts["delivered"] + counts["left_to_sync"] == 100 + 25 * 9


def test_a_killed_node_is_noticed_and_the_run_goes_on_with_the_other(start_nodes, tmp_path):
    nodes = start_nodes(2)
    users = users_of(nodes[0], tmp_path, 20, groups=2, size=10)
    urls = [node.url for node in nodes]

    bench = Bench(tmp_path, *urls, users_file=users, groups=2, group_share=1, seconds=15)
    bench.wait_for_line("phase=step 1")
    nodes[1].kill()
    ran = bench.wait()

    assert ran.code == 1
    assert ran.report["errors"].pop("closed_by_server", 0) + ran.report["errors"].pop("connection_lost", 0) == 10
    assert ran.report["seconds"][-1]["connected"] == 10
    assert ran.report["counts"]["unanswered"] == 0
    # The connections that remain send to each other until the end.
    assert ran.report["counts"]["sent"] == round(15.5 * 50)
    assert ran.report["counts"]["doubled"] == ran.report["counts"]["reordered"] == 0
    assert any("broke" in problem for problem in ran.report["problems"])


def test_an_interrupt_ends_the_run_with_a_report(server, tmp_path):
    users = users_of(server, tmp_path, 20)

    bench = Bench(tmp_path, server.url, users_file=users, seconds=300)
    bench.wait_for_line("phase=step 1")
    bench.process.send_signal(signal.SIGINT)
    ran = bench.wait()

    assert ran.code == 0, ran.out + ran.err
    assert ran.report["is_interrupted"]
    assert "interrupted" in ran.out
    assert "Traceback" not in ran.err
    counts = ran.report["counts"]
    assert counts["sent"] == counts["acked"] == counts["delivered"] > 0


def test_the_server_does_not_import_the_load_test(tmp_path):
    program = "import sys, imapp.app; print([name for name in sys.modules if name.startswith('imapp.load')])"

    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert ran.stdout == "[]\n"
