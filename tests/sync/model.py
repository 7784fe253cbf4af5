"""A device that follows the documented protocol to the letter, as a model of every client.

It connects, lets pushes wait, calls `sync` until `more` is false, then applies the pushes. A push with a number that
leaves a gap, or for an unknown conversation, starts the same again. Own state is kept by its version.
"""

from collections.abc import Callable
from typing import Any

from tests.support.clients.in_process import InProcessClient

MESSAGE_EVENTS = {"message_created", "message_edited", "message_recalled", "message_reacted", "message_pinned"}

#: Event of own state -> the field with its item, and the item's kind in `sync`.
OWN_EVENTS = {
    "conversation_updated": ("conversation", "conversation"),
    "contact_added": ("contact", "contact"),
    "contact_updated": ("contact", "contact"),
    "contact_removed": ("contact", "contact"),
    "contact_request_created": ("request", "contact_request"),
    "contact_request_updated": ("request", "contact_request"),
    "user_blocked": ("block", "block"),
    "user_unblocked": ("block", "block"),
    "join_request_created": ("request", "join_request"),
    "join_request_updated": ("request", "join_request"),
}


def key_of(kind: str, item: dict[str, Any]) -> tuple[str, int]:
    """Return the key of an item of own state."""
    fields = {"contact_request": "id", "conversation": "conversation_id", "join_request": "group_id"}
    field = fields.get(kind, "user_id")
    return kind, item[field]


def is_waiting(kind: str, item: dict[str, Any]) -> bool:
    """Return whether an item of own state is shown: join requests and invitations only while they are pending."""
    return kind != "join_request" or item["status"] in {"pending", "invited"}


def request_shown(item: dict[str, Any]) -> dict[str, Any]:
    """Return a request without the copies that may change without the request: of the user and of the group's name."""
    return {name: value for name, value in item.items() if name not in {"user", "group_name"}}


class ModelDevice:
    """One device of one user. `rest(path)` reads over REST as this user and returns the JSON."""

    #: Opens a connection with a token: `InProcessClient` or a type with the same `inbox`, `call` and `close`.
    open_wire: Callable[[str], Any] = InProcessClient

    def __init__(self, me: dict[str, Any], token: str, rest: Any) -> None:
        self.user_id: int = me["id"]
        self.token = token
        self.rest = rest
        self.wire: Any = None
        #: Whether no push was lost since the last sync, so that pushes alone keep the device up to date.
        self.is_level = False
        self.epoch: str | None = None
        self.cursor: str | None = None
        self.conversations: dict[int, dict[str, Any]] = {}
        self.own: dict[tuple[str, int], dict[str, Any]] = {}
        #: The newest copy of each user that was ever shown, and of the own account.
        self.users: dict[int, dict[str, Any]] = {}
        self.me = me
        self.hidden: set[str] = set()
        #: Requests, invitations and bans of the groups that the user administers, from the last answers of `sync`.
        self.coming: dict[int, dict[str, Any]] = {}

    # -- the connection ----------------------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        return self.wire is not None

    def connect(self) -> None:
        """Open a connection; pushes wait until `catch_up` is done."""
        self.wire = self.open_wire(self.token)
        self.is_level = False

    def disconnect(self) -> None:
        if self.wire is not None:
            self.wire.close()
        self.wire = None
        self.is_level = False

    def lose(self, index: int) -> bool:
        """Drop one of the waiting pushes; return whether there was one."""
        if self.wire is None or index >= len(self.wire.inbox):
            return False
        del self.wire.inbox[index]
        return True

    def deliver(self, count: int) -> None:
        """Apply the next pushes; a gap stops this until the next sync."""
        while self.is_level and self.wire is not None and self.wire.inbox and count:
            count -= 1
            event, payload = self.wire.inbox.popleft()
            if not self._take_push(event, payload):
                self.is_level = False

    def catch_up(self, limit: int, *, pages: int = 10_000, over_rest: bool = False) -> None:
        """Call `sync` until `more` is false, then apply the pushes that arrived meanwhile."""
        while not self.is_level and pages:
            pages -= 1
            known = {str(id_): copy["last_change"] for id_, copy in self.conversations.items()}
            request = {"conversations": known, "limit": limit}
            if self.cursor is not None:
                request["cursor"] = self.cursor
            self.is_level = not self._take_answer(self._ask(request, over_rest))
            self.deliver(10_000)

    def _ask(self, request: dict[str, Any], over_rest: bool) -> dict[str, Any]:
        if over_rest:
            return self.rest("/api/sync", request)
        answer = self.wire.call("sync", request)
        assert answer.pop("ok"), answer
        return answer

    # -- answers of sync ---------------------------------------------------------------------------------------

    def _take_answer(self, answer: dict[str, Any]) -> bool:
        if self.epoch not in {None, answer["epoch"]}:
            self.conversations, self.own, self.hidden = {}, {}, set()
        self.epoch = answer["epoch"]
        for row in answer["state"]:
            self._take_own(row["kind"], row["item"], is_now=True)
        for item in answer["conversations"]:
            self._take_conversation(item)
        # Last: a page that was not applied completely is requested again.
        self.cursor = answer["cursor"]
        return answer["more"]

    def _take_conversation(self, item: dict[str, Any]) -> None:
        if item["removed"] or item["reset"]:
            self.conversations.pop(item["id"], None)
        if item["removed"]:
            return
        if item["id"] not in self.conversations:
            self._meet(item)
        copy = self.conversations[item["id"]]
        for entry in item["changes"]:
            assert entry["change"] > copy["last_change"], "a change came twice"
            self._take_change(copy, entry["event"], entry, is_push=False)
            copy["last_change"] = entry["change"]
        copy["last_change"] = item["next_change"]
        copy["last_seq"] = max(copy["last_seq"], item["last_seq"])
        self._read(copy, item["read_seq"])
        copy["peer_read_seq"] = max(copy["peer_read_seq"] or 0, item["peer_read_seq"] or 0)
        for user_id, seq in (item["read_marks"] or {}).items():
            copy["marks"][int(user_id)] = max(seq, copy["marks"].get(int(user_id), 0))

    def _meet(self, item: dict[str, Any]) -> None:
        """Add an unknown conversation: its card, and its history if the page omits some of it."""
        card = self.rest(f"/api/conversations/{item['id']}")
        numbers = {"last_change": 0, "last_seq": 0, "read_seq": 0, "peer_read_seq": 0}
        shown = {name: card[name] for name in ("id", "type", "name", "member_count", "role", "peer_id")}
        if card["peer"] is not None:
            self._take_user(card["peer"])
        self.conversations[item["id"]] = copy = {**shown, **numbers, "messages": {}, "marks": {}}
        if item["limited"]:
            for message in self.rest.history(item["id"]):
                self._keep(copy, message)

    # -- pushes ------------------------------------------------------------------------------------------------

    def _take_push(self, event: str, payload: dict[str, Any]) -> bool:
        """Apply a push; return False if something before it is missing."""
        if event in OWN_EVENTS:
            name, kind = OWN_EVENTS[event]
            self._take_own(kind, payload[name], is_now=False)
            return kind != "conversation" or payload[name]["conversation_id"] in self.conversations
        if event == "messages_hidden":
            self.hidden.update(payload["message_ids"])
        elif event == "user_updated":
            self._take_user(payload["user"])
        elif event == "conversation_read":
            self._take_read(payload)
        elif event in MESSAGE_EVENTS or "change" in payload:
            return self._take_numbered(event, payload)
        return True

    def _take_numbered(self, event: str, payload: dict[str, Any]) -> bool:
        body = payload.get("message", payload)
        copy = self.conversations.get(body["conversation_id"])
        if copy is None:
            # There is nothing to catch up on if the push says that the membership is over.
            return event == "member_removed" and payload["user_id"] == self.user_id
        if body["change"] <= copy["last_change"]:
            return True
        if body["change"] > copy["last_change"] + 1:
            return False
        self._take_change(copy, event, payload, is_push=True)
        copy["last_change"] = body["change"]
        if event == "member_removed" and payload["user_id"] == self.user_id:
            del self.conversations[copy["id"]]
        return True

    def take_ack(self, message: dict[str, Any]) -> None:
        """Apply the message in an ack: the connection that sent it is not pushed the message."""
        if self.is_level and not self._take_numbered("message_created", {"message": message}):
            self.is_level = False

    def _take_read(self, payload: dict[str, Any]) -> None:
        copy = self.conversations.get(payload["conversation_id"])
        if copy is None:
            return
        if payload["user_id"] in copy["marks"]:
            copy["marks"][payload["user_id"]] = max(copy["marks"][payload["user_id"]], payload["read_seq"])
        if payload["user_id"] != self.user_id:
            copy["peer_read_seq"] = max(copy["peer_read_seq"], payload["read_seq"])
            return
        own = self.own.get(("conversation", copy["id"]))
        if own is None or payload["version"] > own["version"]:
            self._read(copy, payload["read_seq"], clears=True)
            if own is not None:
                own["version"] = payload["version"]

    # -- effects of a change -----------------------------------------------------------------------------------

    def _take_change(self, copy: dict[str, Any], event: str, payload: dict[str, Any], *, is_push: bool) -> None:
        if event in MESSAGE_EVENTS:
            message = self._with_mine(copy, payload) if is_push else payload["message"]
            self._take_message(copy, event, message, is_push=is_push)
        elif "member_count" in payload:
            copy["member_count"] = payload["member_count"]
            if event == "member_removed":
                copy["marks"].pop(payload["user_id"], None)
            elif self.user_id in payload["user_ids"]:
                copy["role"] = "member"  # the earlier role is over, even if the same answer has it
        elif "group" in payload:
            copy["name"], copy["member_count"] = payload["group"]["name"], payload["group"]["member_count"]
        elif event == "member_updated" and payload["user_id"] == self.user_id:
            copy["role"] = payload["role"]

    def _take_message(self, copy: dict[str, Any], event: str, message: dict[str, Any], *, is_push: bool) -> None:
        """Apply a change of a message. A new message marks the conversation as read for its sender.

        A push also clears the mark "unread"; `sync` returns that mark as own state.
        """
        self._keep(copy, message)
        if event != "message_created":
            return
        copy["last_seq"] = max(copy["last_seq"], message["seq"])
        self._note_marks(copy["marks"], message)
        if message["sender_id"] == self.user_id:
            self._read(copy, message["seq"], clears=is_push and message["type"] != "system")
        else:
            copy["peer_read_seq"] = max(copy["peer_read_seq"], message["seq"])

    def _note_marks(self, marks: dict[int, int], message: dict[str, Any]) -> None:
        """Advance read marks: the sender's to the message, new members' to the system message about their joining."""
        if message["sender_id"] in marks:
            marks[message["sender_id"]] = max(message["seq"], marks[message["sender_id"]])
        if message["content"].get("event") == "members_added" and message["type"] == "system":
            marks.update(dict.fromkeys(message["content"]["user_ids"], message["seq"]))

    def _with_mine(self, copy: dict[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
        """Add `mine` to reactions. A push is the same for all: own reactions are known already or in the event."""
        message = payload["message"]
        known = copy["messages"].get(message["seq"], {"reactions": []})
        mine = {one["emoji"] for one in known["reactions"] if one["mine"]}
        if payload.get("user_id") == self.user_id:
            mine = mine - {payload["emoji"]} if payload["removed"] else mine | {payload["emoji"]}
        return {**message, "reactions": [{**one, "mine": one["emoji"] in mine} for one in message["reactions"]]}

    def _keep(self, copy: dict[str, Any], message: dict[str, Any]) -> None:
        known = copy["messages"].get(message["seq"])
        if known is None or known["change"] < message["change"]:
            copy["messages"][message["seq"]] = message

    def _read(self, copy: dict[str, Any], seq: int, *, clears: bool = False) -> None:
        copy["read_seq"] = max(copy["read_seq"], seq)
        own = self.own.get(("conversation", copy["id"]))
        if own is not None and clears:
            own["is_marked_unread"] = False

    def _take_own(self, kind: str, item: dict[str, Any], *, is_now: bool) -> None:
        """Apply an item of own state: from `sync` it is current, from a push it is as of its version."""
        if kind == "messages_hidden":
            self.hidden.update(item["message_ids"])
            return
        if kind in {"me", "user"}:
            self._take_user(item)
            return
        if kind == "group_join_requests":
            self.coming[item["group_id"]] = item
            return
        if kind == "join_request" and item["user_id"] != self.user_id:
            return  # the view of owner and admins is compared in `coming`, as `sync` returns it
        if "user" in item and kind != "join_request":
            self._take_user(item["user"])
        known = self.own.get(key_of(kind, item))
        if known is None or item["version"] > known["version"] or (is_now and item["version"] == known["version"]):
            self.own[key_of(kind, item)] = dict(item)
            if kind == "conversation" and item["conversation_id"] in self.conversations:
                self._read(self.conversations[item["conversation_id"]], item["read_seq"])

    def _take_user(self, user: dict[str, Any]) -> None:
        if user["id"] == self.user_id and user["version"] > self.me["version"]:
            self.me = user
        known = self.users.get(user["id"])
        if known is None or user["revision"] > known["revision"]:
            self.users[user["id"]] = user

    # -- the user's view ---------------------------------------------------------------------------------------

    def view(self) -> dict[str, Any]:
        """Return the same that `Person.fresh` reads from the server."""
        return {
            "conversations": {id_: self._shown(copy) for id_, copy in self.conversations.items()},
            "own": {
                key: request_shown(item) if key[0] == "join_request" else self._with_user(item)
                for key, item in self.own.items()
                if key[0] != "conversation" and not item.get("removed") and is_waiting(key[0], item)
            },
            "me": self.me,
        }

    def _with_user(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return the item with the newest copy of its user; its version, which that copy may lag, is not compared."""
        return {**item, "user": self.users[item["user"]["id"]], "version": None}

    def _shown(self, copy: dict[str, Any]) -> dict[str, Any]:
        own = self.own.get(("conversation", copy["id"]), {})
        hidden_seq = own.get("hidden_seq")
        messages = [message for _, message in sorted(copy["messages"].items()) if message["id"] not in self.hidden]
        return {
            "last_seq": copy["last_seq"],
            "last_change": copy["last_change"],
            "read_seq": copy["read_seq"],
            "unread": copy["last_seq"] - copy["read_seq"],
            "peer_read_seq": copy["peer_read_seq"] if copy["type"] == "private" else None,
            "last_message": messages[-1] if messages else None,
            "pinned_at": own.get("pinned_at"),
            "is_muted": own.get("is_muted"),
            "is_hidden": hidden_seq is not None and copy["last_seq"] <= hidden_seq,
            "is_marked_unread": own.get("is_marked_unread"),
            "draft": own.get("draft"),
            "name": copy["name"],
            "member_count": copy["member_count"],
            "role": copy["role"],
            "read_marks": copy["marks"] if copy["type"] == "group" else None,
            "peer": self.users.get(copy["peer_id"]),
            "messages": messages,
        }
