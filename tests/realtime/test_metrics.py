"""The names of a node's metrics, their counts, and that clients cannot add label values."""

import json
from uuid import uuid4

import requests

from tests.support.ports import wait_for
from tests.support.scrape import scrape

#: The metrics that dashboards and alerts read, under the names used there.
NAMES = [
    'imapp_commands_total{command="send_message",outcome="ok"}',
    'imapp_commands_total{command="unknown",outcome="unknown_command"}',
    'imapp_commands_total{command="send_message",outcome="internal_error"}',
    'imapp_command_seconds_count{command="react"}',
    'imapp_message_seconds_count{stage="committed"}',
    'imapp_message_seconds_count{stage="published"}',
    'imapp_message_seconds_count{stage="heard"}',
    'imapp_message_seconds_count{stage="handed"}',
    "imapp_commit_batch_messages_count",
    "imapp_commit_queue",
    "imapp_connects_total",
    'imapp_connects_refused_total{reason="busy"}',
    'imapp_connects_refused_total{reason="admission"}',
    'imapp_connects_refused_total{reason="draining"}',
    'imapp_connects_refused_total{reason="invalid_token"}',
    'imapp_disconnects_total{reason="too_slow"}',
    'imapp_disconnects_total{reason="client"}',
    'imapp_disconnects_total{reason="ping_timeout"}',
    "imapp_sync_changes_count",
    "imapp_syncs_total",
    "imapp_loop_lag_seconds_count",
    "imapp_loop_lag_max_seconds",
    "imapp_greenlets",
    'imapp_gc_pause_seconds_count{generation="2"}',
    "imapp_memory_limit_bytes",
    "imapp_database_pool_in_use",
    "imapp_database_pool_limit",
    "imapp_database_seconds_count",
    "imapp_redis_seconds_count",
    'imapp_http_requests_total{method="POST",route="/api/auth/login",status="500"}',
    'imapp_http_seconds_count{route="/api/auth/login"}',
]


def test_every_metric_exists_before_anything_happens(server):
    figures = scrape(server)

    assert [name for name in NAMES if name not in figures] == []
    info = [name for name in figures if name.startswith("imapp_info")]
    assert len(info) == 1
    assert 'node="node-1"' in info[0]


def test_a_message_to_other_devices_on_the_same_node_counts_as_handed(server, device):
    ada = device(server, "ada").connect()
    tablet = ada.at(server).connect()
    bob = device(server, "bob")
    conversation = ada.send("hello", to_user_id=bob.id)["message"]["conversation_id"]
    before = scrape(server)['imapp_message_seconds_count{stage="handed"}']

    ada.send("again", conversation_id=conversation)

    tablet.wait_for("message_created", lambda event: event["message"]["content"]["text"] == "again")
    wait_for(
        lambda: scrape(server)['imapp_message_seconds_count{stage="handed"}'] >= before + 1,
        what="the count of handed messages",
    )


def test_commands_are_counted_under_known_names_only(server, device, raw):
    ada = device(server, "ada").connect()
    socket = raw(server)
    socket.connect({"token": ada.tokens["access_token"]})
    before = scrape(server)

    for number in range(20):
        socket.send(f"42{number}" + json.dumps([f'evil{uuid4()}\n{{}}"', {}]))
        assert not socket.ack(number)["ok"]
    socket.send('4250["ping_server",{}]')
    assert socket.ack(50)["ok"]

    after = scrape(server)
    grown = {name for name in after if name.startswith("imapp_commands_total") and after[name] != before.get(name, 0)}
    assert grown == {
        'imapp_commands_total{command="unknown",outcome="unknown_command"}',
        'imapp_commands_total{command="ping_server",outcome="ok"}',
    }
    assert not [name for name in after if "evil" in name]


def test_requests_are_counted_by_route_and_known_methods_only(server, device):
    ada = device(server, "ada")
    before = scrape(server)

    for number in range(10):
        requests.request(f"EVIL{number}", f"{server.url}/evil/{uuid4()}", timeout=10)
        ada.rest("GET", f"/api/users/{number + 1_000_000}")

    after = scrape(server)
    route = 'imapp_http_requests_total{method="GET",route="/api/users/<id:user_id>",status="404"}'
    assert after[route] - before.get(route, 0) == 10
    assert not [name for name in after if "evil" in name.lower() or "1000001" in name]
    odd = 'imapp_http_requests_total{method="other",route="unknown",status="404"}'
    assert after[odd] - before.get(odd, 0) == 10


def test_connects_and_disconnects_are_counted_with_their_reasons(server, device, raw):
    before = scrape(server)
    ada = device(server, "ada")

    for goodbye in ("41", ""):
        socket = raw(server)
        assert socket.connect({"token": ada.tokens["access_token"]}).startswith("40")
        if goodbye:
            socket.send(goodbye)
        else:
            socket.close()
    assert raw(server).connect({"token": "nonsense"}).startswith("44")

    def grown(name):
        return scrape(server)[name] - before[name]

    assert grown("imapp_connects_total") >= 2
    assert grown('imapp_connects_refused_total{reason="invalid_token"}') >= 1
    for reason in ("client", "transport_close"):
        name = f'imapp_disconnects_total{{reason="{reason}"}}'
        wait_for(lambda name=name: grown(name) >= 1, what=f"the count of {reason}")
