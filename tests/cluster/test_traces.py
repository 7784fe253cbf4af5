"""An operator's trace of a message through two nodes."""

import json
import socket
import time
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from tests.support.clients.raw import RawSocket
from tests.support.ports import wait_for


class Watched:
    """Two nodes, Ada on the first, Bob's account on the second, their conversation, and an operator."""

    def __init__(self, nodes, device):
        self.first, self.second = nodes
        self.ada, self.bob = device(self.first, "ada").connect(), device(self.second, "bob")
        self.operator = device(self.first, "operator")
        promote(self.operator)
        self.conversation = self.say("hello", to_user_id=self.bob.id)["conversation_id"]

    def say(self, words, **target):
        return self.ada.send(words, **(target or {"conversation_id": self.conversation}))["message"]

    def trace(self, message, query=""):
        return self.operator.get(f"/api/admin/messages/{message['id']}/trace{query}")

    def member(self, message):
        """Return the part of the trace about Bob."""
        return next(one for one in self.trace(message)["members"] if one["user_id"] == self.bob.id)

    def state(self, message):
        member = self.member(message)
        return member["state"], member["reason"]


def promote(device):
    engine = create_engine(device.server.environ["DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(text("UPDATE users SET is_operator = 1 WHERE id = :id"), {"id": device.id})
    engine.dispose()


@pytest.fixture
def watched(start_nodes, device):
    return Watched(start_nodes(2, IM_SLOW_CLIENT_SECONDS="2", IM_SLOW_CLIENT_MAX_BYTES="65536"), device)


def node_of(trace, node):
    return next(one for one in trace["nodes"] if one["node"] == node)


def test_a_message_is_traced_from_the_senders_socket_to_the_readers(watched):
    watched.bob.connect()
    message = watched.say("the sealed words")
    watched.bob.wait_for("message_created", lambda event: event["message"]["id"] == message["id"])
    wait_for(lambda: watched.state(message) == ("handed", None), what="the record of the second node")

    trace = watched.trace(message)

    assert trace["is_complete"]
    assert trace["seq"] == message["seq"]
    assert trace["accepted"]["node"] == "node-1"
    assert trace["accepted"]["sid"] == watched.ada.sio.get_sid()
    assert trace["accepted"]["session_id"] > 0
    assert trace["published"]["bus"] == "taken"
    assert trace["accepted"]["at"] <= trace["committed_at"] <= trace["published"]["at"]
    first, second = node_of(trace, "node-1"), node_of(trace, "node-2")
    assert (first["heard_at"], first["handed_connections"]) == (None, 0)  # Ada's device got the ack instead
    assert second["heard_at"] <= second["handed_at"]
    assert second["handed_connections"] == 1
    (connection,) = watched.member(message)["connections"]
    assert (connection["node"], connection["sid"]) == ("node-2", watched.bob.sio.get_sid())
    assert connection["handed_at"] == second["handed_at"]
    assert {one["user_id"]: one["state"] for one in trace["members"]}[watched.ada.id] == "sender"
    assert "sealed" not in json.dumps(trace)

    watched.bob.call("mark_read", {"conversation_id": watched.conversation, "seq": message["seq"]})
    assert watched.state(message) == ("read", None)


def test_a_member_without_a_connection_stays_offline_for_that_message(watched):
    message = watched.say("anybody there?")

    assert watched.state(message) == ("offline", None)

    watched.bob.connect()
    wait_for(lambda: watched.state(message) == ("offline", "came_later"), what="the connection in the trace")


def test_a_connection_dropped_for_slow_reading_is_in_the_trace(watched):
    slow = RawSocket(watched.second.url)
    slow.connect({"token": watched.bob.tokens["access_token"]})
    slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sent = []

    def is_dropped():
        sent.extend(watched.say("慢" * 8000) for _ in range(20))
        return "client_too_slow" in watched.second.log

    wait_for(is_dropped, what="the end of the slow client")

    def dropped():
        return [one for one in sent[-60::3] if watched.state(one) == ("dropped", "too_slow")]

    wait_for(dropped, what="a message that went to a connection that was dropped")
    (connection,) = watched.member(dropped()[0])["connections"]
    assert connection["gone"] == "too_slow"
    assert connection["gone_at"] >= connection["handed_at"]
    assert watched.state(watched.say("and now?")) == ("offline", "too_slow")
    slow.close()


def test_a_refused_message_is_found_by_its_client_id(watched):
    assert watched.bob.rest("PUT", f"/api/blocks/{watched.ada.id}").ok
    client_id = f"blocked/{uuid4()}"
    body = {
        "client_id": client_id,
        "type": "text",
        "content": {"text": "psst"},
        "conversation_id": watched.conversation,
    }
    assert watched.ada.call("send_message", body)["error"]["code"] == "blocked"

    def asked(sender):
        path = f"/api/admin/messages/trace?sender_id={sender}&client_id={client_id}"
        return watched.operator.rest("GET", path)

    assert asked(watched.ada.id).json()["refused"]["code"] == "blocked"
    assert asked(watched.ada.id).json()["refused"]["node"] == "node-1"
    assert asked(watched.bob.id).status_code == 404


def test_a_message_refused_before_the_queue_has_a_reason_too(watched):
    client_id = str(uuid4())
    body = {"client_id": client_id, "type": "text", "content": {"text": "x" * 8001}, "to_user_id": watched.bob.id}
    assert watched.ada.call("send_message", body)["error"]["code"] == "text_too_long"

    trace = watched.operator.get(f"/api/admin/messages/trace?sender_id={watched.ada.id}&client_id={client_id}")

    assert trace["refused"]["code"] == "text_too_long"


def test_only_operators_get_traces_and_only_of_existing_messages(watched):
    message = watched.say("mine")

    refused = watched.ada.rest("GET", f"/api/admin/messages/{message['id']}/trace")
    unknown = watched.operator.rest("GET", f"/api/admin/messages/{watched.conversation}-999/trace")
    stranger = watched.operator.rest("GET", f"/api/admin/messages/{message['id']}/trace?user_id={watched.operator.id}")

    assert refused.json()["code"] == "forbidden"
    assert unknown.json()["code"] == stranger.json()["code"] == "not_found"


def test_the_command_line_queries_all_nodes(watched):
    watched.bob.connect()
    message = watched.say("the sealed words")
    watched.bob.wait_for("message_created", lambda event: event["message"]["id"] == message["id"])
    client_id = message["client_id"]
    wait_for(lambda: watched.state(message) == ("handed", None), what="the record of the second node")

    plain = watched.first.flask("im", "trace", message["id"])
    found = json.loads(watched.first.flask("im", "trace", message["id"], "--json"))
    sent = json.loads(
        watched.first.flask("im", "trace", "--client-id", client_id, "--sender", str(watched.ada.id), "--json")
    )

    assert found == watched.trace(message)
    assert sent["message_id"] == message["id"]
    for words in ("accepted", "committed", "published", "node-2: heard", f"user {watched.bob.id}: handed"):
        assert words in plain
    assert "sealed" not in plain


def test_a_former_member_is_reported_as_not_a_member(watched):
    group = watched.ada.post("/api/groups", {"name": "crew", "member_ids": [watched.bob.id]})["conversation_id"]
    watched.bob.post(f"/api/groups/{group}/leave")

    message = watched.say("without him", conversation_id=group)

    trace = watched.trace(message, f"?user_id={watched.bob.id}")
    assert [(one["state"], one["reason"]) for one in trace["members"]] == [("not_a_member", "left")]
    assert trace["member_count"] == 1


def test_nothing_is_recorded_if_tracing_is_off(start_nodes, device):
    watched = Watched(start_nodes(2, IM_TRACE_MESSAGES="0"), device)
    watched.bob.connect()
    message = watched.say("hello")
    watched.bob.wait_for("message_created", lambda event: event["message"]["id"] == message["id"])

    trace = watched.trace(message)

    assert trace["accepted"] is None
    assert not trace["is_complete"]
    assert watched.state(message) == ("unknown", "not_remembered")


@pytest.fixture
def torn(start_nodes, device, own_redis, mariadb):
    """Provide `watched` with one Redis user per node, so that `torn.deafen(2)` cuts off only that node's pub/sub."""
    client, database = own_redis.client(), mariadb.create_database()
    nodes = []
    for number in (1, 2):
        client.execute_command("ACL", "SETUSER", f"n{number}", "on", ">pw", "~*", "&*", "+@all")
        url = f"redis://n{number}:pw@127.0.0.1:{own_redis.port}"
        nodes += start_nodes(1, redis_url=url, database_url=database, NODE_ID=f"node-{number}")
    watched = Watched(nodes, device)
    watched.bob.connect()
    watched.deafen = lambda number: client.execute_command("ACL", "SETUSER", f"n{number}", "resetchannels")
    watched.heal = lambda number: client.execute_command("ACL", "SETUSER", f"n{number}", "allchannels")
    wait_for(lambda: watched.state(watched.say("before")) == ("handed", None), what="a message on the other node")
    yield watched
    client.close()


def test_a_member_on_a_deaf_node_has_missed_the_message_and_the_node_is_named(torn):
    torn.deafen(2)
    wait_for(lambda: not torn.second.is_ready, what="the second node's notice that it is deaf")
    message = torn.say("can you hear me?")

    trace = torn.trace(message)

    assert not trace["is_complete"]
    assert not node_of(trace, "node-2")["answered"]
    assert trace["published"]["bus"] == "taken"
    assert torn.state(message) == ("missed", "deaf")
    (connection,) = torn.member(message)["connections"]
    assert (connection["node"], connection["sid"]) == ("node-2", torn.bob.sio.get_sid())
    assert "node-2: no answer" in torn.first.flask("im", "trace", message["id"])

    torn.heal(2)
    torn.second.wait_until_ready()
    wait_for(lambda: torn.state(message) == ("missed", "was_deaf"), what="the second node's answer")


def test_a_message_dropped_by_the_senders_bus_is_reported(torn):
    torn.deafen(1)
    wait_for(lambda: not torn.first.is_ready, what="the first node's notice that it is deaf")
    time.sleep(0.2)
    message = torn.say("into the void")

    trace = torn.trace(message)

    assert trace["published"]["bus"] == "dropped"
    assert not node_of(trace, "node-1")["bus_up"]
    assert torn.state(message)[0] == "missed"
