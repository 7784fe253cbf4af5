"""`flask im log-level`: the nodes of a cluster log more for a limited time."""

import subprocess
import sys

import pytest
import requests

from tests.support.ports import wait_for
from tests.support.server import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def order(server, *arguments):
    """Run the command as an operator would, on the host of `server`."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "im", "log-level", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=server.environ, capture_output=True, text=True, timeout=90, check=False
    )


def refused(node):
    """Cause a refused request; return whether it was logged, which happens only at DEBUG."""
    before = node.log.count("request_refused")
    requests.get(node.url + "/api/users/me", timeout=10)
    return node.log.count("request_refused") > before


def test_one_node_logs_more_for_a_limited_time(nodes):
    one, two, _ = nodes

    ran = order(one, "node-2", "debug", "--logger", "imapp.api", "--for", "5")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "node-2 logs at DEBUG, for 5 s.\n"
    wait_for(lambda: refused(two), what="the order")
    assert not refused(one)
    wait_for(lambda: not refused(two), what="the restoration of the level")


def test_without_a_name_the_order_goes_to_all_nodes(nodes):
    one, two, three = nodes

    ran = order(one, "DEBUG")

    assert sorted(ran.stdout.splitlines()) == [f"node-{n} logs at DEBUG, for 600 s." for n in (1, 2, 3)]
    wait_for(lambda: refused(one) and refused(two) and refused(three), what="the order")
    assert order(one, "INFO", "--for", "0").returncode == 0
    wait_for(lambda: not any(map(refused, nodes)), what="the restoration of the level")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("node-9", "DEBUG"), "Error: No live node has this name: see flask im nodes."),
        (("LOUD",), "'LOUD' is not one of"),
        (("DEBUG", "--logger", "sqlalchemy.engine"), "one of imapp, gunicorn, flask, alembic or a logger below."),
        (("DEBUG", "--for", "-1"), "-1 is not in the range"),
    ],
)
def test_invalid_arguments_are_refused_with_a_message(nodes, words, complaint):
    ran = order(nodes[0], *words)

    assert ran.returncode != 0
    assert complaint in ran.stderr


def test_without_a_cluster_the_command_points_to_the_signal(server):
    ran = order(server, "DEBUG")

    assert ran.returncode == 1
    assert "send SIGUSR1" in ran.stderr
