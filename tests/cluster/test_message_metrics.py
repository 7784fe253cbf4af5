"""The path of a message through the nodes in Prometheus metrics."""

import pytest

from tests.support.ports import wait_for
from tests.support.scrape import scrape


def stage(server, name):
    return scrape(server)[f'imapp_message_seconds_count{{stage="{name}"}}']


@pytest.fixture
def pair(start_nodes, device):
    """Start two nodes with Ada on one and Bob on the other; return them with the conversation."""
    first, second = start_nodes(2)
    ada, bob = device(first, "ada").connect(), device(second, "bob").connect()
    conversation = ada.send("hello", to_user_id=bob.id)["message"]["conversation_id"]
    bob.wait_for("message_created")
    return ada, bob, conversation


def test_each_stage_of_a_message_is_counted_on_its_node(pair):
    ada, bob, conversation = pair
    stages = ("committed", "published", "handed", "heard")
    before = [[stage(node, name) for name in stages] for node in (ada.server, bob.server)]

    for number in range(5):
        ada.send(f"text {number}", conversation_id=conversation)
    bob.wait_for("message_created", lambda event: event["message"]["content"].get("text") == "text 4")

    counted = [
        [stage(node, name) - was for name, was in zip(stages, known, strict=True)]
        for node, known in zip((ada.server, bob.server), before, strict=True)
    ]
    assert counted == [[5, 5, 0, 0], [0, 0, 5, 5]]  # Ada's only connection got the ack instead
    total = scrape(bob.server)['imapp_message_seconds_sum{stage="handed"}']
    assert 0 <= total < 60


def test_the_loop_greenlets_database_and_redis_are_measured(pair):
    ada, _, _ = pair
    ada.call("sync", {"conversations": {}})
    ada.get("/api/users/me")

    def is_watched():
        figures = scrape(ada.server)
        return (
            figures["imapp_loop_lag_seconds_count"] > 5
            and figures["imapp_greenlets"] >= 3
            and figures["imapp_database_seconds_count"] > 0
            and figures["imapp_redis_seconds_count"] > 0
            and figures["imapp_syncs_total"] >= 1
            and figures["imapp_sync_changes_sum"] >= 1
            and figures["imapp_database_pool_limit"] >= 2
            and figures["imapp_memory_limit_bytes"] > figures["imapp_memory_bytes"]
        )

    wait_for(is_watched, what="figures of the loop, the greenlets, the database and Redis")
