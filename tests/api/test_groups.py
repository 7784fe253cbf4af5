"""Groups over REST: formats of answers, error codes, and the rights of each role."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.accounts import bearer, register

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()


class Person:
    """A user of the REST API."""

    def __init__(self, client, name):
        self.client = client
        self.tokens = register(client, name)
        self.id = self.tokens["user"]["id"]

    def call(self, method, path, body=None):
        return self.client.open("/api" + path, method=method, json=body, headers=bearer(self.tokens))


@pytest.fixture
def people(client):
    return [Person(client, name) for name in ("alice", "bob", "carol", "dave")]


@pytest.fixture
def group(people):
    """Create a group: alice owns it, bob is an admin, carol a member; dave is outside."""
    alice, bob, carol, _ = people
    made = alice.call("POST", "/groups", {"name": "Hikers", "member_ids": [bob.id, carol.id]}).json
    assert alice.call("PUT", f"/groups/{made['id']}/members/{bob.id}/role", {"role": "admin"}).status_code == 204
    return made


def refused(answer):
    assert answer.content_type == "application/problem+json"
    return answer.status_code, answer.json["code"]


def test_a_new_group_is_returned_completely(people):
    alice, bob, _, _ = people

    answer = alice.call("POST", "/groups", {"name": "Hikers", "member_ids": [str(bob.id)], "join_policy": "open"})

    assert answer.status_code == 201
    assert answer.json["id"] == answer.json["conversation_id"]
    assert (answer.json["name"], answer.json["owner_id"], answer.json["member_count"]) == ("Hikers", alice.id, 2)
    assert set(answer.json) == {
        "id", "conversation_id", "name", "avatar_url", "description", "announcement", "owner_id", "join_policy",
        "member_count", "member_limit", "is_muted_all", "dissolved_at", "created_at", "invited",
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "   "},
        {"name": "two\nlines"},
        {"name": "x" * 101},
        {"name": "x", "member_ids": ["x"]},
        {"name": "x", "member_ids": [0]},
        {"name": "x", "join_policy": "maybe"},
        {"name": "x", "avatar_url": "javascript:alert(1)"},
        {"name": "x", "member_limit": 1},
        {"name": "x", "owner_id": 7},
    ],
)
def test_creating_a_group_with_invalid_fields_fails(people, body):
    assert refused(people[0].call("POST", "/groups", body)) == (422, "invalid_input")


def test_adding_answers_200_and_removing_204(people, group):
    alice, _, _, dave = people

    added = alice.call("POST", f"/groups/{group['id']}/members", {"user_ids": [dave.id]})
    removed = alice.call("DELETE", f"/groups/{group['id']}/members/{dave.id}")

    assert (added.status_code, added.json) == (
        200,
        {"added": [dave.id], "invited": [], "requested": [], "member_count": 4},
    )
    assert (removed.status_code, removed.data) == (204, b"")
    assert alice.call("GET", f"/groups/{group['id']}").json["member_count"] == 3


def link(owner, path):
    """Let outsiders ask to join; return the token that they need."""
    owner.call("PATCH", path, {"join_policy": "approval"})
    return owner.call("PUT", path + "/link").json["token"]


def test_joining_by_approval(people, group):
    alice, bob, _, dave = people
    path = f"/groups/{group['id']}"

    asked = dave.call("POST", path + "/join", {"message": "hello", "token": link(alice, path)})
    listed = bob.call("GET", path + "/join-requests").json["items"]
    accepted = bob.call("POST", f"{path}/join-requests/{dave.id}/accept")
    again = alice.call("POST", f"{path}/join-requests/{dave.id}/reject")

    assert (asked.status_code, asked.json["status"]) == (200, "pending")
    assert [request["user_id"] for request in listed] == [dave.id]
    assert listed[0] == asked.json["request"]
    assert (accepted.status_code, accepted.json["status"]) == (200, "accepted")
    assert refused(again) == (409, "request_handled")
    assert dave.call("GET", path).json["my_role"] == "member"
    assert dave.call("GET", "/join-requests?status=accepted").json["items"] == [accepted.json]


def test_a_join_request_can_be_cancelled(people, group):
    alice, bob, _, dave = people
    path = f"/groups/{group['id']}/join-requests"
    dave.call("POST", f"/groups/{group['id']}/join", {"token": link(alice, f"/groups/{group['id']}")})

    assert dave.call("POST", path + "/cancel").json["status"] == "cancelled"
    assert bob.call("GET", path).json["items"] == []


def test_settings_are_patched_and_null_removes_the_avatar(people, group):
    alice, _, _, _ = people
    path = f"/groups/{group['id']}"
    alice.call("PATCH", path, {"avatar_url": "https://example.org/a.png"})

    answer = alice.call("PATCH", path, {"avatar_url": None, "description": "Sundays", "is_muted_all": True})

    assert answer.status_code == 200
    assert (answer.json["avatar_url"], answer.json["description"], answer.json["is_muted_all"]) == (
        None, "Sundays", True,
    )  # fmt: skip
    assert answer.json["name"] == "Hikers"


def test_a_mute_needs_a_future_time_with_a_time_zone(people, group):
    alice, _, carol, _ = people
    path = f"/groups/{group['id']}/members/{carol.id}/mute"

    for until in ("2030-01-01T00:00:00", "2020-01-01T00:00:00Z", 1, None):
        assert refused(alice.call("PUT", path, {"until": until})) == (422, "invalid_input")
    assert alice.call("PUT", path, {"until": TOMORROW}).status_code == 204
    message = {"client_id": "c-1", "type": "text", "content": {"text": "hello"}}
    assert refused(carol.call("POST", f"/conversations/{group['id']}/messages", message)) == (403, "muted")
    assert alice.call("DELETE", path).status_code == 204
    assert carol.call("POST", f"/conversations/{group['id']}/messages", message).status_code == 201


def test_a_group_is_transferred_left_and_dissolved(people, group):
    alice, bob, carol, _ = people
    path = f"/groups/{group['id']}"

    assert refused(alice.call("POST", path + "/leave")) == (409, "owner_must_transfer")
    assert alice.call("POST", path + "/transfer", {"user_id": bob.id}).json["owner_id"] == bob.id
    assert alice.call("POST", path + "/leave").status_code == 204
    assert bob.call("DELETE", path).json["dissolved_at"] is not None
    assert refused(bob.call("PATCH", path, {"name": "x"})) == (409, "group_dissolved")
    assert carol.call("GET", f"/conversations/{group['id']}/messages").status_code == 200


#: (method, path below the group, body) of calls for owner and admins only.
ADMINISTRATION = [
    ("PATCH", "", {"name": "Mine"}),
    ("POST", "/transfer", {"user_id": "{carol}"}),
    ("DELETE", "", None),
    ("DELETE", "/members/{bob}", None),
    ("PUT", "/members/{bob}/role", {"role": "member"}),
    ("PUT", "/members/{bob}/mute", {"until": TOMORROW}),
    ("DELETE", "/members/{bob}/mute", None),
    ("GET", "/join-requests", None),
    ("POST", "/join-requests/{dave}/accept", None),
    ("POST", "/join-requests/{dave}/reject", None),
]
MEMBERSHIP = [
    ("GET", "/members", None),
    ("POST", "/members", {"user_ids": ["{dave}"]}),
    ("POST", "/leave", None),
]


def fill(value, people):
    """Replace names by ids."""
    names = dict(zip(("alice", "bob", "carol", "dave"), (person.id for person in people), strict=True))
    if isinstance(value, dict):
        return {key: fill(one, people) for key, one in value.items()}
    if isinstance(value, list):
        return [fill(one, people) for one in value]
    return value.format(**names) if isinstance(value, str) else value


@pytest.mark.parametrize("case", ADMINISTRATION, ids=lambda case: f"{case[0]} {case[1]}")
def test_a_plain_member_may_not_administer(people, group, case):
    method, path, body = fill(list(case), people)

    answer = people[2].call(method, f"/groups/{group['id']}{path}", body)

    assert refused(answer) == (403, "role_required")


@pytest.mark.parametrize("case", ADMINISTRATION + MEMBERSHIP, ids=lambda case: f"{case[0]} {case[1]}")
def test_an_outsider_has_no_access(people, group, case):
    method, path, body = fill(list(case), people)

    answer = people[3].call(method, f"/groups/{group['id']}{path}", body)

    assert refused(answer) == (403, "not_a_member")


@pytest.mark.parametrize("case", ADMINISTRATION + MEMBERSHIP, ids=lambda case: f"{case[0]} {case[1]}")
def test_a_removed_member_has_no_access(people, group, case):
    alice, _, carol, _ = people
    alice.call("DELETE", f"/groups/{group['id']}/members/{carol.id}")
    method, path, body = fill(list(case), people)

    answer = carol.call(method, f"/groups/{group['id']}{path}", body)

    assert refused(answer) == (403, "not_a_member")


@pytest.mark.parametrize(
    "case",
    [
        ("POST", "/transfer", {"user_id": "{bob}"}),
        ("DELETE", "", None),
        ("DELETE", "/members/{alice}", None),
        ("PUT", "/members/{carol}/role", {"role": "admin"}),
        ("PUT", "/members/{alice}/mute", {"until": TOMORROW}),
    ],
    ids=lambda case: f"{case[0]} {case[1]}",
)
def test_an_admin_may_not_do_what_only_the_owner_may(people, group, case):
    method, path, body = fill(list(case), people)

    answer = people[1].call(method, f"/groups/{group['id']}{path}", body)

    assert refused(answer) == (403, "role_required")


@pytest.mark.parametrize("case", ADMINISTRATION + MEMBERSHIP, ids=lambda case: f"{case[0]} {case[1]}")
def test_every_group_call_needs_a_token(client, people, group, case):
    method, path, body = fill(list(case), people)

    answer = client.open(f"/api/groups/{group['id']}{path}", method=method, json=body)

    assert refused(answer) == (401, "invalid_token")
