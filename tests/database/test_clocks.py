"""Nodes with wrong clocks: order follows from numbers, and liveness from Redis' clock."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.conftest import CLUSTER_SECRET
from tests.durability import oracle
from tests.support.ports import wait_for
from tests.support.server import ROOT

HOUR = 3600


def faked(seconds: int) -> dict[str, str]:
    """Return the environment of a process with a clock that is wrong by `seconds`."""
    found = sorted(Path("/usr").glob("lib*/**/faketime/libfaketimeMT.so.1"))
    assert found, "libfaketimeMT.so.1 is missing: apt-get install faketime (scripts/test.sh does it)"
    return {"LD_PRELOAD": str(found[0]), "FAKETIME": f"{seconds:+d}s"}


@pytest.fixture
def start_clocks(start_server, mariadb, redis_server):
    """Provide `start_clocks(*seconds)`, which starts nodes of one cluster with clocks wrong by these seconds."""

    def start(*wrong: int):
        url = mariadb.create_database()
        common = {
            "DATABASE_URL": url, "SECRET_KEY": CLUSTER_SECRET, "REDIS_URL": redis_server.url,
            "IM_CLUSTER_NAME": url.rsplit("/", 1)[-1], "IM_NODE_LEASE_SECONDS": "3",
        }  # fmt: skip
        nodes = [
            start_server(NODE_ID=f"node-{number}", **common, **(faked(seconds) if seconds else {}))
            for number, seconds in enumerate(wrong, 1)
        ]
        for node in nodes:
            node.wait_until_ready()
        return nodes

    return start


def heard_by(device) -> list[int]:
    """Return the seqs of the texts pushed to a device, in order of arrival."""
    messages = [event["message"] for event in device.received("message_created")]
    return [message["seq"] for message in messages if message["type"] == "text"]


def test_order_and_presence_are_right_if_nodes_clocks_differ_by_hours(start_clocks, device):
    nodes = start_clocks(0, HOUR, -HOUR)
    people = [device(node, name).connect() for node, name in zip(nodes, ("now", "ahead", "behind"), strict=True)]
    ids = [one.id for one in people]
    group = people[0].post("/api/groups", {"name": "clocks", "member_ids": ids[1:]})["conversation_id"]
    for one in people[1:]:
        one.wait_for("group_created")

    acked = [people[number % 3].send(f"m{number}", conversation_id=group)["message"] for number in range(30)]
    time.sleep(2 * 3)  # two leases: enough time to remove a node that seems dead

    assert [one["seq"] for one in acked] == sorted(one["seq"] for one in acked)
    oracle.hold(group, people, {one["client_id"]: one["seq"] for one in acked})
    stamps = [one["created_at"] for one in acked]
    assert stamps != sorted(stamps), "the clocks were right"
    for one in people:
        others = [message["seq"] for message in acked if message["sender_id"] != one.id]
        wait_for(lambda one=one, others=others: heard_by(one) == others, what="the pushes, in order")
        assert one.call("get_online_users", {"user_ids": ids})["user_ids"] == sorted(ids)
    assert all(node.is_ready for node in nodes)
    drain = [sys.executable, "-m", "flask", "--app", "wsgi", "im", "drain", "node-1", "--wait", "20"]
    ran = subprocess.run(drain, cwd=ROOT, env=nodes[1].environ, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, f"an order from a machine with a wrong clock was refused: {ran.stdout}{ran.stderr}"


def told(device, server) -> tuple[int, str | None]:
    """Return status and error code of a node's answer to this device's access token."""
    answer = device.at(server).rest("GET", "/api/users/me")
    return answer.status_code, answer.json().get("code")


def test_a_nodes_tokens_are_valid_on_others_only_within_the_leeway(start_clocks, device):
    right, slightly, ahead = start_clocks(0, 3, HOUR)
    of_right, of_slightly, of_ahead = (device(node, "user") for node in (right, slightly, ahead))

    answers = {
        "slightly ahead": (told(of_slightly, right), told(of_right, slightly)),
        "an hour ahead": (told(of_ahead, right), told(of_right, ahead)),
        "at home": (told(of_ahead, ahead),),
    }

    assert answers == {
        "slightly ahead": ((200, None), (200, None)),
        "an hour ahead": ((401, "invalid_token"), (401, "token_expired")),
        "at home": ((200, None),),
    }
    refreshed = requests.post(
        ahead.url + "/api/auth/refresh", json={"refresh_token": of_right.tokens["refresh_token"]}, timeout=20
    )
    assert refreshed.status_code == 200, "a client at a node that is ahead could not get new tokens"
