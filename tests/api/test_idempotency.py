"""Idempotency keys: a POST with a lost answer can be repeated, returns the first answer and creates nothing again."""

import threading

import pytest
from sqlalchemy import func, select, update

from imapp.database.transactions import atomic
from imapp.extensions import db
from imapp.models.groups import Group
from imapp.models.idempotency import IdempotencyKey
from imapp.schemas.groups import GroupIn
from imapp.services.groups import groups
from imapp.services.idempotency import KEPT, Claim, expired_before
from imapp.services.retention import retention_sweep
from imapp.services.retention.retention_sweep import Pace
from tests.accounts import bearer, register

KEY = "6f1c5b0e-3b7c-4a53-9c0a-7e0a1c9d2f11"


@pytest.fixture
def alice(client):
    return register(client, "alice")


def post(client, tokens, path, body, key=KEY):
    return client.post(path, json=body, headers={**bearer(tokens), "Idempotency-Key": key})


def count(model):
    return db.session.scalar(select(func.count()).select_from(model))


def test_a_repeat_gets_the_first_answer_and_creates_nothing_again(client, alice):
    first = post(client, alice, "/api/groups", {"name": "board"})
    again = post(client, alice, "/api/groups", {"name": "board"})
    other = post(client, alice, "/api/groups", {"name": "board"}, key="another")

    assert (again.status_code, again.json) == (first.status_code, first.json) == (201, first.json)
    assert again.headers["Location"] == first.headers["Location"] == f"/api/groups/{first.json['id']}"
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert other.json["id"] != first.json["id"]
    assert count(Group) == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/conversations", {"user_id": 2}),
        ("/api/contact-requests", {"user_id": 2}),
        ("/api/groups/1/members", {"user_ids": [2]}),
    ],
)
def test_every_creating_post_accepts_a_key(client, alice, bob, path, body):
    assert (alice["user"]["id"], bob["user"]["id"]) == (1, 2)
    post(client, alice, "/api/groups", {"name": "board"}, key="group")
    first = post(client, alice, path, body)

    again = post(client, alice, path, body)

    assert first.status_code < 300
    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"


def test_another_request_with_the_same_key_is_refused(client, alice):
    post(client, alice, "/api/groups", {"name": "board"})

    answer = post(client, alice, "/api/groups", {"name": "other"})

    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")


def test_a_refused_request_leaves_its_key_free(client, alice):
    refused = post(client, alice, "/api/groups", {"name": ""})

    assert refused.status_code == 422
    assert post(client, alice, "/api/groups", {"name": "board"}).status_code == 201


def test_keys_of_different_users_are_independent(client, alice, bob):
    first = post(client, alice, "/api/groups", {"name": "board"})

    assert post(client, bob, "/api/groups", {"name": "board"}).json["id"] != first.json["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "with blank", "ü"])
def test_a_key_must_be_visible_ascii(client, alice, key):
    answer = post(client, alice, "/api/groups", {"name": "board"}, key=key)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")


def test_simultaneous_repeats_create_one_group(app, client, alice):
    answers = []

    def ask():
        answers.append(post(app.test_client(), alice, "/api/groups", {"name": "board"}))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    made = {answer.json["id"] for answer in answers if answer.status_code == 201}
    codes = {answer.json["code"] for answer in answers if answer.status_code != 201}
    assert (len(made), count(Group)) == (1, 1)
    assert codes <= {"idempotency_key_in_use"}


def test_a_repeat_creates_no_second_group_after_the_node_died_before_it_stored_the_answer(client, alice):
    body = b'{"name":"board"}'
    with Claim(alice["user"]["id"], KEY, b"POST /api/groups?\n" + body):
        groups.create(alice["user"]["id"], GroupIn(name="board"))

    headers = {**bearer(alice), "Idempotency-Key": KEY}
    answer = client.post("/api/groups", data=body, content_type="application/json", headers=headers)

    assert (answer.status_code, answer.json["code"]) == (409, "idempotency_key_in_use")
    assert count(Group) == 1


def test_keys_expire_after_a_day_and_are_deleted(client, alice, bob):
    post(client, alice, "/api/groups", {"name": "board"})
    post(client, bob, "/api/groups", {"name": "board"})
    atomic(lambda session: session.execute(update(IdempotencyKey).values(created_at=expired_before() - KEPT)))

    anew = post(client, alice, "/api/groups", {"name": "board"})
    left = count(IdempotencyKey)
    retention_sweep.sweep(None, Pace(batch=10, pause_seconds=0), lambda *_: None)

    assert "Idempotency-Replayed" not in anew.headers
    assert (left, count(IdempotencyKey)) == (2, 1)
    assert count(Group) == 3
