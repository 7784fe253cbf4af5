"""Users, their devices, and the reference: the result of a fresh load over REST."""

import time
from typing import Any
from uuid import uuid4

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from imapp.cluster.bus.push_marks import PushMarks
from imapp.extensions import db, socketio
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.own_state import UserState
from imapp.node import node_of
from imapp.services.messaging import membership
from imapp.services.messaging.receipts import Recent
from imapp.services.write_path import committer
from tests.accounts import bearer, register
from tests.sync.model import ModelDevice, key_of, request_shown

#: Lists of a group that owner and admins can read, in the order of `items`, `invited` and `bans`.
COMING = ("join-requests", "join-requests?status=invited", "bans")


class Rest:
    """REST access as one user."""

    def __init__(self, client: FlaskClient, tokens: dict[str, Any]) -> None:
        self._client = client
        self._headers = bearer(tokens)

    def try_(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that may be refused; return the answer."""
        answer = self._client.open(path, method=method, json=body, headers=self._headers)
        assert answer.status_code < 500, answer.text
        return answer

    def __call__(self, path: str, body: Any = None) -> Any:
        """Send a GET, or with a body a POST, that must succeed; return the JSON."""
        answer = self.try_("GET" if body is None else "POST", path, body)
        assert answer.status_code < 400, answer.text
        return answer.json

    def pages(self, path: str, limit: int = 2) -> list[dict[str, Any]]:
        """Return all items of a list."""
        items: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self(f"{path}{'&' if '?' in path else '?'}limit={limit}{cursor}")
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = f"&cursor={page['next_cursor']}"

    def history(self, conversation_id: int) -> list[dict[str, Any]]:
        """Return all messages of a conversation, oldest first."""
        items: list[dict[str, Any]] = []
        while True:
            after = items[-1]["seq"] if items else 0
            page = self(f"/api/conversations/{conversation_id}/messages?after={after}&limit=200")
            items += page["items"]
            if not page["has_more"]:
                return items


class Person:
    """A user with devices."""

    def __init__(self, client: FlaskClient, name: str, devices: int) -> None:
        tokens = register(client, f"{name}-{uuid4().hex[:8]}")
        self.id: int = tokens["user"]["id"]
        self.rest = Rest(client, tokens)
        self.devices = [ModelDevice(tokens["user"], tokens["access_token"], self.rest) for _ in range(devices)]

    def fresh(self) -> dict[str, Any]:
        """Return the view of a device that starts from nothing, in the format of `ModelDevice.view`."""
        own = {
            key_of(kind, item): {**item, "version": None}
            for kind, path in (
                ("contact", "/api/contacts"),
                ("block", "/api/blocks"),
                ("contact_request", "/api/contact-requests?direction=incoming"),
                ("contact_request", "/api/contact-requests?direction=outgoing"),
            )
            for item in self.rest.pages(path)
        }
        for status in ("pending", "invited"):
            for item in self.rest.pages(f"/api/join-requests?status={status}"):
                own[key_of("join_request", item)] = request_shown(item)
        return {"conversations": self._conversations(), "own": own, "me": self.rest("/api/users/me")}

    def coming(self) -> dict[int, dict[str, Any]]:
        """Return requests, invitations and bans of each group that the user administers, if there are any."""
        found = {}
        for id_ in membership.conversation_ids_of({self.id})[self.id]:
            lists = [self.rest.try_("GET", f"/api/groups/{id_}/{path}") for path in COMING]
            if all(answer.status_code == 200 for answer in lists) and any(answer.json["items"] for answer in lists):
                found[id_] = [list(map(request_shown, answer.json["items"])) for answer in lists]
        return found

    def _conversations(self) -> dict[int, dict[str, Any]]:
        listed = {card["id"]: card for card in self.rest.pages("/api/conversations")}
        found = {}
        for id_ in membership.conversation_ids_of({self.id})[self.id] - self._unseen():
            card = self.rest(f"/api/conversations/{id_}")
            assert (id_ in listed) != card["is_hidden"]
            assert listed.get(id_, card) == card
            found[id_] = self._shown(card)
        assert listed.keys() <= found.keys()
        return found

    def _unseen(self) -> set[int]:
        """Return the ids of private conversations that others opened and in which nobody has written."""
        own = ConversationMember.user_id == self.id, ConversationMember.conversation_id == Conversation.id
        return set(db.session.scalars(select(Conversation.id).where(*own, ~membership.is_seen())))

    def _shown(self, card: dict[str, Any]) -> dict[str, Any]:
        fields = (
            "last_seq", "last_change", "read_seq", "unread", "peer_read_seq", "last_message", "pinned_at", "is_muted",
            "is_hidden", "is_marked_unread", "draft", "name", "member_count", "role", "peer",
        )  # fmt: skip
        marks = None
        if card["type"] == "group":
            members = self.rest.pages(f"/api/groups/{card['id']}/members")
            marks = {member["user_id"]: member["read_seq"] for member in members}
        shown = {name: card[name] for name in fields}
        return {**shown, "read_marks": marks, "messages": self.rest.history(card["id"])}


class AllTold(PushMarks):
    """Counts pushes to users without a connection, too."""

    def open(self, room: str) -> None:
        """Do nothing: counting has started already."""

    def close(self, room: str) -> None:
        """Do nothing: counting goes on."""

    def note(self, rooms: list[str], number: int) -> None:
        """Count the pushes to all users."""
        for room in rooms:
            if room.startswith("user:") and not self.pushes_to(int(room.removeprefix("user:"))):
                super().open(room)
        super().note(rooms, number)


class World:
    """All users of a test and their devices."""

    def __init__(self, app: Flask, people: int = 3, devices: int = 2) -> None:
        self._app = app
        self._told = socketio.server.manager.told = AllTold()
        client = app.test_client()
        names = ("ann", "bob", "cyd", "dan")[:people]
        self.people = [Person(client, name, devices) for name in names]
        self.devices = [device for person in self.people for device in person.devices]

    def settle(self) -> None:
        """Wait until everything committed has been pushed: the committer pushes before it takes the next op."""
        committer.run(Nothing(0, 0))
        deadline = time.monotonic() + 10
        while (
            node_of(self._app).find(Recent) and node_of(self._app).part(Recent).pushed
        ):  # group read marks are pushed less often
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def check_versions_told(self) -> None:
        """Check that every version of own state was pushed: a node that counts the versions notices a missing push."""
        wanted = select(UserState.user_id, UserState.version).where(
            UserState.user_id.in_([person.id for person in self.people])
        )
        for user_id, version in db.session.execute(wanted):
            assert self._told.pushes_to(user_id) >= version

    def close(self) -> None:
        for device in self.devices:
            device.disconnect()


class Nothing(committer.Op):
    """An op that changes nothing."""

    def apply(self, batch: Any) -> dict[str, Any]:
        return {}
