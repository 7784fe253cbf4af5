"""Profiles and user search over REST."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from imapp.database.transactions import atomic
from imapp.models.users import User
from tests.accounts import bearer, me, register

PRIVATE = {"email", "phone", "password_hash", "is_operator"}


def change(client, tokens, **fields):
    return client.patch("/api/users/me", json=fields, headers=bearer(tokens))


def search(client, tokens, query, **more):
    return client.get("/api/users", query_string={"query": query, **more}, headers=bearer(tokens))


def found(client, tokens, query, **more):
    return [item["username"] for item in search(client, tokens, query, **more).json["items"]]


def test_a_profile_is_changed_field_by_field(client):
    alice = register(client, "alice")
    change(client, alice, nickname="Alice", bio="in W.")

    answer = change(client, alice, avatar_url="https://example.org/a.png", email="a@example.org", phone="+49 30 1")

    assert answer.status_code == 200
    profile = me(client, alice).json
    assert profile == answer.json
    assert (profile["nickname"], profile["bio"], profile["phone"]) == ("Alice", "in W.", "+49 30 1")


def test_null_clears_optional_fields(client):
    alice = register(client, "alice")
    change(client, alice, email="a@example.org", avatar_url="/files/1")

    answer = change(client, alice, email=None, avatar_url=None)

    assert (answer.json["email"], answer.json["avatar_url"]) == (None, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nickname", ""),
        ("nickname", "  "),
        ("nickname", None),
        ("nickname", "x" * 51),
        ("nickname", "two\nlines"),
        ("nickname", "back\u202ewards"),
        ("nickname", "\x1b[31mred"),
        ("nickname", 5),
        ("bio", "x" * 501),
        ("avatar_url", "javascript:alert(1)"),
        ("avatar_url", "//evil.example"),
        ("avatar_url", "/\\evil.example"),
        ("avatar_url", "data:text/html,x"),
        ("avatar_url", "https://x y"),
        ("email", "nobody"),
        ("email", "a@b"),
        ("phone", "call me"),
        ("username", "mallory"),
        ("is_operator", True),
        ("password_hash", "x"),
        ("id", 2),
    ],
)
def test_an_invalid_profile_field_is_refused_by_name(client, field, value):
    alice = register(client, "alice")
    before = me(client, alice).json

    answer = change(client, alice, **{field: value})

    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)
    assert me(client, alice).json == before


def test_others_see_the_public_profile_only(client):
    alice, bob = register(client, "alice"), register(client, "bob")
    change(client, alice, email="a@example.org", phone="12345")

    by_id = client.get(f"/api/users/{alice['user']['id']}", headers=bearer(bob)).json
    by_search = search(client, bob, "alice").json["items"][0]

    assert by_id == by_search
    assert not PRIVATE & by_id.keys()


def test_search_does_not_find_users_by_mail_or_phone(client):
    alice, bob = register(client, "alice"), register(client, "bob")
    change(client, alice, email="secret@example.org", phone="5550100")

    assert found(client, bob, "secret") == []
    assert found(client, bob, "5550100") == []


def test_an_unknown_user_is_not_found(client):
    alice = register(client, "alice")

    answers = [client.get(f"/api/users/{user}", headers=bearer(alice)) for user in (99, 0, "x", 2**63, -1, "1e3")]

    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json["code"] for answer in answers} == {"not_found"}


def test_search_matches_the_beginning_of_username_and_nickname_in_any_case(client):
    alice = register(client, "Alice")
    register(client, "bob", nickname="Alison B.")
    register(client, "carol", nickname="Not Ali")
    register(client, "张三", nickname="小张")

    assert found(client, alice, "ALI") == ["Alice", "bob"]
    assert found(client, alice, "小") == ["张三"]
    assert found(client, alice, "张") == ["张三"]
    assert found(client, alice, "lice") == []


def test_search_treats_wildcards_as_letters(client):
    alice = register(client, "alice")

    assert found(client, alice, "%") == []
    assert found(client, alice, "_lice") == []


def test_paged_search_returns_each_user_once(client):
    alice = register(client, "a0")
    names = [f"a{number}" for number in range(1, 6)]
    for name in names:
        register(client, name)
    for name in ("x1", "x2", "x3"):
        register(client, name, nickname=f"A {name}")

    seen, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = search(client, alice, "a", limit=2, **more).json
        seen += [item["username"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == ["a0", *names, "x1", "x2", "x3"]


def test_a_changed_nickname_is_found_by_its_new_form_only(client):
    alice = register(client, "alice", nickname="Rabbit")
    change(client, alice, nickname="Hatter")

    assert found(client, alice, "rab") == []
    assert found(client, alice, "hat") == ["alice"]


def test_search_does_not_find_disabled_accounts(app, client):
    alice = register(client, "alice")
    register(client, "alina")

    def disable(session):
        session.execute(update(User).where(User.username_key == "alina").values(disabled_at=datetime.now(UTC)))

    with app.app_context():
        atomic(disable)

    assert found(client, alice, "al") == ["alice"]


@pytest.mark.parametrize(
    "query",
    [{}, {"query": ""}, {"query": " "}, {"query": "x" * 65}, {"query": "a", "limit": 0}, {"query": "a", "limit": 51}]
    + [{"query": "a", "cursor": cursor} for cursor in ("x", "u:", "z:1:a", "n:-1:a", "n:" + "9" * 30 + ":a")]
    + [{"query": "a", "password": "x"}, {"query": ["a", "b"]}],
)
def test_an_invalid_search_is_refused(client, query):
    alice = register(client, "alice")

    answer = client.get("/api/users", query_string=query, headers=bearer(alice))

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")
