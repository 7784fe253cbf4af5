"""Contacts, requests and blocks over REST: addresses, statuses, error codes."""

import pytest

from tests.accounts import bearer, register


@pytest.fixture
def people(client):
    return [register(client, name) for name in ("alice", "bob", "carol")]


def call(client, tokens, method, path, body=None):
    return client.open(path, method=method, json=body, headers=bearer(tokens))


def ids(*people):
    return [tokens["user"]["id"] for tokens in people]


def ask(client, tokens, user_id, **more):
    return call(client, tokens, "POST", "/api/contact-requests", {"user_id": user_id, **more})


def befriend(client, alice, bob):
    ask(client, alice, *ids(bob))
    ask(client, bob, *ids(alice))


def refusal(answer):
    assert answer.content_type == "application/problem+json"
    return answer.status_code, answer.json["code"]


def test_an_accepted_request_becomes_a_contact(client, people):
    alice, bob, _ = people

    asked = ask(client, alice, *ids(bob), message="Hello")
    accepted = call(client, bob, "POST", f"/api/contact-requests/{asked.json['id']}/accept")

    assert asked.status_code == 201
    assert asked.json["user"]["username"] == "bob"
    assert (accepted.status_code, accepted.json["status"]) == (200, "accepted")
    [contact] = call(client, alice, "GET", "/api/contacts").json["items"]
    assert contact["user"] == call(client, alice, "GET", f"/api/users/{contact['user_id']}").json


def test_repeating_or_crossing_a_pending_request_answers_200(client, people):
    alice, bob, _ = people
    ask(client, alice, *ids(bob))

    repeated, crossing = ask(client, alice, *ids(bob)), ask(client, bob, *ids(alice))

    assert (repeated.status_code, repeated.json["status"]) == (200, "pending")
    assert (crossing.status_code, crossing.json["status"]) == (200, "accepted")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user_id": 0},
        {"user_id": -1},
        {"user_id": 1.5},
        {"user_id": True},
        {"user_id": None},
        {"user_id": "two"},
        {"user_id": 2**63},
        {"user_id": 1, "message": "x" * 201},
        {"user_id": 1, "message": None},
        {"user_id": 1, "status": "accepted"},
        {"user_id": 1, "from_user_id": 2},
    ],
)
def test_an_invalid_request_is_refused(client, people, body):
    answer = call(client, people[0], "POST", "/api/contact-requests", body)

    assert refusal(answer) == (422, "invalid_input")
    assert answer.json["errors"]


@pytest.mark.parametrize("message", ["", "x" * 200, "你好 👋🏽", "a\nb"])
def test_the_message_of_a_request_is_kept_unchanged(client, people, message):
    answer = ask(client, people[0], *ids(people[1]), message=message)

    assert answer.json["message"] == message


def test_refused_requests_have_specific_codes(client, people):
    alice, bob, carol = people
    alice_id, bob_id, carol_id = ids(*people)
    befriend(client, alice, bob)
    call(client, carol, "PUT", f"/api/blocks/{alice_id}")

    assert refusal(ask(client, alice, alice_id)) == (403, "forbidden")
    assert refusal(ask(client, alice, carol_id + 1)) == (404, "not_found")
    assert refusal(ask(client, alice, bob_id)) == (409, "already_contacts")
    assert refusal(ask(client, alice, carol_id)) == (403, "blocked")


@pytest.mark.parametrize("action", ["accept", "reject", "cancel"])
def test_a_request_of_others_is_answered_like_an_unknown_one(client, people, action):
    alice, bob, carol = people
    request_id = ask(client, alice, *ids(bob)).json["id"]

    others = call(client, carol, "POST", f"/api/contact-requests/{request_id}/{action}")
    nothing = call(client, carol, "POST", f"/api/contact-requests/{request_id + 1}/{action}")

    assert refusal(others) == refusal(nothing) == (404, "not_found")
    assert others.json == nothing.json


def test_handling_a_request_again_answers_409(client, people):
    alice, bob, _ = people
    path = f"/api/contact-requests/{ask(client, alice, *ids(bob)).json['id']}"
    call(client, bob, "POST", path + "/reject")

    assert refusal(call(client, bob, "POST", path + "/accept")) == (409, "request_handled")
    assert refusal(call(client, bob, "POST", path + "/reject")) == (409, "request_handled")
    assert refusal(call(client, alice, "POST", path + "/cancel")) == (409, "request_handled")


def test_a_contact_gets_a_remark_and_is_removed(client, people):
    alice, bob, _ = people
    befriend(client, alice, bob)
    path = f"/api/contacts/{bob['user']['id']}"

    named = call(client, alice, "PATCH", path, {"remark": "Bobby"})
    removed = call(client, alice, "DELETE", path)

    assert (named.status_code, named.json["remark"]) == (200, "Bobby")
    assert (removed.status_code, removed.data) == (204, b"")
    assert refusal(call(client, alice, "DELETE", path)) == (404, "not_found")
    assert refusal(call(client, alice, "PATCH", path, {"remark": ""})) == (404, "not_found")
    assert call(client, bob, "GET", "/api/contacts").json == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("body", [{}, {"remark": None}, {"remark": "x" * 51}, {"remark": "x", "user_id": 1}])
def test_an_invalid_remark_is_refused(client, people, body):
    alice, bob, _ = people
    befriend(client, alice, bob)

    answer = call(client, alice, "PATCH", f"/api/contacts/{bob['user']['id']}", body)

    assert refusal(answer) == (422, "invalid_input")


def test_a_block_is_set_listed_and_removed(client, people):
    alice, bob, _ = people
    path = f"/api/blocks/{bob['user']['id']}"

    first, again = call(client, alice, "PUT", path), call(client, alice, "PUT", path)
    items = call(client, alice, "GET", "/api/blocks").json["items"]
    removed = call(client, alice, "DELETE", path)

    assert (first.status_code, again.status_code, removed.status_code) == (200, 200, 204)
    assert items == [first.json] == [again.json]
    assert refusal(call(client, alice, "DELETE", path)) == (404, "not_found")
    assert refusal(call(client, alice, "PUT", f"/api/blocks/{ids(alice)[0]}")) == (403, "forbidden")


@pytest.mark.parametrize("path", ["/api/contacts", "/api/contact-requests", "/api/blocks"])
@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=-1", "cursor=", "what=1"])
def test_an_invalid_query_is_refused(client, people, path, query):
    assert refusal(call(client, people[0], "GET", f"{path}?{query}")) == (422, "invalid_input")


@pytest.mark.parametrize("query", ["direction=sideways", "status=done"])
def test_an_unknown_filter_value_is_refused(client, people, query):
    answer = call(client, people[0], "GET", f"/api/contact-requests?{query}")

    assert refusal(answer) == (422, "invalid_input")


@pytest.mark.parametrize(("path", "act"), [("/api/contacts", befriend), ("/api/blocks", None)])
def test_lists_are_paged_by_cursor(client, people, path, act):
    alice, *others = people
    for other in others:
        if act is None:
            call(client, alice, "PUT", f"/api/blocks/{other['user']['id']}")
        else:
            act(client, alice, other)

    first = call(client, alice, "GET", f"{path}?limit=1").json
    second = call(client, alice, "GET", f"{path}?limit=1&cursor={first['next_cursor']}").json

    assert [item["user_id"] for item in first["items"] + second["items"]] == ids(*others)
    assert second["next_cursor"] is None
