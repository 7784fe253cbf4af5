"""The oracle detects errors: a database, a device and a push are tampered with in one way each, and it names that."""

import copy

import pytest
from sqlalchemy import text

from imapp.extensions import db
from tests.checker import oracle, stored
from tests.checker.history import ACKED, UNKNOWN, Operation
from tests.sync.world import World

EMOJI = "👍"


class ConversationHistory:
    """Two users, a group, and the answers to their operations in it."""

    def __init__(self, app) -> None:
        self.world = World(app, people=2, devices=1)
        self.ann, self.bob = self.world.people
        self.operations: list[Operation] = []
        self.group = self.ann.rest("/api/groups", {"name": "g", "member_ids": [self.bob.id]})["id"]
        self.first, self.second, third = (self.send(self.ann, f"c{number}") for number in (1, 2, 3))
        self.do(self.ann, "edit", f"PATCH {self.first}", {"content": {"text": "c1 edited"}}, text="c1 edited")
        self.do(self.bob, "react", f"PUT {self.first}/reactions", {"emoji": EMOJI}, emoji=EMOJI)
        self.do(self.ann, "pin", f"PUT {self.second}/pin")
        self.do(self.ann, "recall", f"POST {third}/recall")
        place = {"conversation_id": self.group}
        told = self.bob.rest(f"/api/conversations/{self.group}/read", {"seq": 4})
        self.operations.append(Operation("read", self.bob.id, place, ACKED, told))
        self.bob.rest.try_("PATCH", f"/api/conversations/{self.group}", {"draft": "soon"})
        self.operations.append(Operation("draft", self.bob.id, {**place, "draft": "soon"}, ACKED))

    def send(self, actor, name: str) -> str:
        body = {"client_id": name, "type": "text", "content": {"text": name}}
        told = actor.rest(f"/api/conversations/{self.group}/messages", body)
        self.operations.append(Operation("send", actor.id, {"client_id": name}, ACKED, told))
        return told["message"]["id"]

    def do(self, actor, kind: str, call: str, body=None, **about: str) -> None:
        method, _, path = call.partition(" ")
        told = actor.rest.try_(method, f"/api/messages/{path}", body).json
        self.operations.append(Operation(kind, actor.id, {"message_id": path.partition("/")[0], **about}, ACKED, told))

    def judge(self) -> list[oracle.Breach]:
        db.session.rollback()
        return oracle.judge(stored.read(lambda sql: list(db.session.execute(text(sql)))), self.operations)

    def tamper(self, sql: str) -> set[str]:
        """Change the database with `sql`; return the kinds of breaches that the oracle reports then."""
        with db.engine.begin() as connection:
            assert connection.execute(text(sql), {"emoji": EMOJI}).rowcount, "nothing was tampered with"
        return {breach.kind for breach in self.judge()}


@pytest.fixture
def history(app):
    made = ConversationHistory(app)
    yield made
    made.world.close()


def test_a_consistent_database_has_no_breach(history):
    assert history.judge() == []


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("DELETE FROM messages WHERE client_id = 'c2'", "lost"),
        ("UPDATE messages SET client_id = 'other' WHERE client_id = 'c2'", "lost"),
        ("UPDATE messages SET content = '{\"text\": \"c1\"}' WHERE client_id = 'c1'", "lost"),
        ("UPDATE messages SET recalled_at = NULL WHERE client_id = 'c3'", "lost"),
        (
            (
                "INSERT INTO messages (conversation_id, seq, `change`, sender_id, client_id, type, content, created_at)"
                " SELECT conversation_id, 99, 99, sender_id, 'copy', type, content, created_at FROM messages"
                " WHERE client_id = 'c2'"
            ),
            "doubled",
        ),
        ("DELETE FROM messages WHERE client_id = 'c2'", "hole"),
        ("DELETE FROM changes WHERE event = 'message_edited'", "hole"),
        ("UPDATE conversations SET last_seq = last_seq + 1", "hole"),
        ("UPDATE chat_groups SET member_count = 3", "member_count"),
        ("DELETE FROM reactions", "reaction"),
        ("UPDATE messages SET reactions = NULL WHERE client_id = 'c1'", "reaction"),
        ("UPDATE messages SET pinned_at = NULL WHERE client_id = 'c2'", "pin"),
        ("DELETE FROM pins", "pin"),
        ("UPDATE conversation_members SET read_seq = 2 WHERE draft = 'soon'", "read_mark"),
        ("UPDATE conversation_members SET read_seq = 77 WHERE draft = 'soon'", "read_mark"),
        ("UPDATE conversation_members SET draft = NULL WHERE draft = 'soon'", "setting"),
    ],
)
def test_each_kind_of_tampering_is_reported(history, sql, kind):
    assert kind in history.tamper(sql)


def test_a_loss_from_both_places_is_found_from_the_answers_to_users(history):
    history.tamper("UPDATE messages SET reactions = NULL, pinned_at = NULL")
    history.tamper("DELETE FROM reactions")

    assert history.tamper("DELETE FROM pins") == {"reaction", "pin"}


def test_a_message_that_was_never_acknowledged_is_reported(history):
    history.operations.append(Operation("send", history.ann.id, {"client_id": "c9"}, UNKNOWN))

    assert [breach.kind for breach in history.judge()] == ["lost"]


def test_an_operation_that_may_have_been_done_late_is_not_reported(history):
    history.operations.append(
        Operation("unreact", history.bob.id, {"message_id": history.first, "emoji": EMOJI}, UNKNOWN, doubts=1)
    )
    history.tamper("UPDATE messages SET reactions = NULL")

    assert history.tamper("DELETE FROM reactions") == set()


def test_a_device_that_differs_from_a_new_one_is_reported_with_the_place(history):
    (device,) = history.ann.devices
    device.catch_up(50, over_rest=True)
    shown, fresh = device.view(), copy.deepcopy(device.view())
    assert oracle.compare("stale", "phone", shown, fresh) == []

    fresh["conversations"][history.group]["messages"][1]["reactions"] = []
    fresh["conversations"][history.group]["read_seq"] = 1
    (named,) = oracle.compare("stale", "phone", shown, fresh)

    assert named.kind == "stale"
    assert f"phone: /conversations/{history.group}/messages/1/reactions" in named.where
    assert f"/conversations/{history.group}/read_seq" in named.where


def test_a_device_that_is_not_up_to_date_is_reported():
    assert [breach.kind for breach in oracle.compare("stale", "phone", None, {})] == ["away"]


def test_a_missing_push_and_a_push_to_a_non_member_are_reported():
    devices = {"member": (1, True), "deaf": (1, False), "stranger": (2, False), "spy": (3, True)}

    named = oracle.heard("5-1", [1], devices)

    assert [(breach.kind, breach.where.split()[0]) for breach in named] == [("deaf", "deaf"), ("leak", "spy")]
