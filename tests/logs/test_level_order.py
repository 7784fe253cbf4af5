"""`flask im log-level`: the nodes of a cluster are told to log more for a while."""

import subprocess
import sys

import pytest
import requests

from tests.support.ports import wait_for
from tests.support.server import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def order(server, *arguments):
    """The command where another node runs, as its operator would give it."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "im", "log-level", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=server.environ, capture_output=True, text=True, timeout=90, check=False
    )


def refused(node):
    """Have a request refused; gives whether that was logged, which is so at DEBUG only."""
    before = node.log.count("request_refused")
    requests.get(node.url + "/api/users/me", timeout=10)
    return node.log.count("request_refused") > before


def test_one_node_logs_more_for_a_while_and_then_as_before(start_nodes):
    one, two = start_nodes(2)

    ran = order(one, "node-2", "debug", "--logger", "imapp.api", "--for", "5")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "node-2 logs from DEBUG on, for 5 s.\n"
    wait_for(lambda: "log_level_changed" in two.log, 10, "the order")
    assert refused(two)
    assert not refused(one)
    wait_for(lambda: "log_level_restored" in two.log, 20, "the end")
    assert not refused(two)


def test_all_nodes_are_told_when_none_is_named(start_nodes):
    one, two = start_nodes(2)

    ran = order(one, "DEBUG")

    assert sorted(ran.stdout.splitlines()) == [f"node-{n} logs from DEBUG on, for 600 s." for n in (1, 2)]
    wait_for(lambda: refused(one) and refused(two), 10, "the order")
    assert order(one, "INFO", "--for", "0").returncode == 0
    wait_for(lambda: not refused(one) and not refused(two), 10, "the order back")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("node-9", "DEBUG"), "Error: No living node is called so: see flask im nodes."),
        (("LOUD",), "'LOUD' is not one of"),
        (("DEBUG", "--logger", "sqlalchemy.engine"), "it must be one of imapp, gunicorn, flask, alembic or below."),
        (("DEBUG", "--for", "-1"), "-1 is not in the range"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(nodes, words, complaint):
    ran = order(nodes[0], *words)

    assert ran.returncode != 0
    assert complaint in ran.stderr


def test_a_node_alone_is_told_how_else(server):
    ran = order(server, "DEBUG")

    assert ran.returncode == 1
    assert "kill -USR1" in ran.stderr
