"""How each kind of operation is done: what it is done to, and which call does it.

An operation is chosen by numbers (plan.py); what they mean is decided by what the user's device shows at that moment.
An act that finds nothing to act upon gives None.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.checker.device import LiveDevice
from tests.checker.plan import Op

_EMOJIS = ("👍", "🎉", "😀")

_numbers = itertools.count(1)


class Somebody(Protocol):
    """Who acts: a user with devices, among others."""

    id: int
    devices: list[LiveDevice]
    others: list[int]
    groups: list[int]
    rest: Any


@dataclass
class Act:
    """A REST call; over a socket, `command` with `payload`. `before` is a call that may be refused."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    about: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    payload: dict[str, Any] = field(default_factory=dict)
    before: tuple[str, str] | None = None


def _conversation(who: Somebody, op: Op, kind: str | None = None) -> int | None:
    device = who.devices[op.picks[2] % len(who.devices)]
    known = [id_ for id_ in device.known() if kind in {None, device.conversations.get(id_, {}).get("type")}]
    return known[op.picks[0] % len(known)] if known else None


def _message(who: Somebody, op: Op, *, own: bool = False) -> dict[str, Any] | None:
    conversation_id = _conversation(who, op)
    device = who.devices[op.picks[2] % len(who.devices)]
    found = device.messages_of(conversation_id) if conversation_id else []
    found = [one for one in found if one["type"] == "text" and (not own or one["sender_id"] == who.id)]
    return found[op.picks[1] % len(found)] if found else None


def _other(who: Somebody, op: Op) -> int:
    return who.others[op.picks[1] % len(who.others)]


def _send(who: Somebody, op: Op) -> Act | None:
    conversation_id = _conversation(who, op)
    if conversation_id is None:
        return None
    name = f"c{next(_numbers)}-{who.id}"
    body = {"client_id": name, "type": "text", "content": {"text": name}}
    return Act(
        "POST", f"/api/conversations/{conversation_id}/messages", body, {"client_id": name},
        "send_message", {**body, "conversation_id": conversation_id},
    )  # fmt: skip


def _on_message(method: str, path: str, command: str, *, own: bool = False) -> Callable[[Somebody, Op], Act | None]:
    def act(who: Somebody, op: Op) -> Act | None:
        message = _message(who, op, own=own)
        if message is None:
            return None
        about = {"message_id": message["id"]}
        body, payload = None, dict(about)
        if command == "edit_message":
            text = f"{message['content'].get('text', '').partition(' ')[0]} edit {next(_numbers)}"
            body = {"content": {"text": text}}
            payload |= body
            about["text"] = text
        elif command == "react":
            body = {"emoji": _EMOJIS[op.picks[1] % len(_EMOJIS)]}
            payload |= {**body, "remove": path.endswith("remove")}
            about |= body
        return Act(method, f"/api/messages/{message['id']}{path}", body, about, command, payload)

    return act


def _read(who: Somebody, op: Op) -> Act | None:
    conversation_id = _conversation(who, op)
    device = who.devices[op.picks[2] % len(who.devices)]
    copy = device.conversations.get(conversation_id)
    if copy is None:
        return None
    body = {"seq": max(1, copy["last_seq"] - op.picks[1] % 2)}
    about = {"conversation_id": conversation_id}
    return Act("POST", f"/api/conversations/{conversation_id}/read", body, about, "mark_read", {**about, **body})


def _setting(name: str) -> Callable[[Somebody, Op], Act | None]:
    def act(who: Somebody, op: Op) -> Act | None:
        conversation_id = _conversation(who, op)
        if conversation_id is None:
            return None
        values: dict[str, Any] = {
            "draft": f"draft {next(_numbers)}", "is_muted": op.picks[1] % 2 == 0, "is_marked_unread": True,
        }  # fmt: skip
        about = {"conversation_id": conversation_id, name: values[name]}
        body = {name: values[name]}
        return Act("PATCH", f"/api/conversations/{conversation_id}", body, about, "update_conversation", about)

    return act


def _hide(who: Somebody, op: Op) -> Act | None:
    message = _message(who, op)
    body = {"message_ids": [message["id"]]} if message else {}
    return Act("POST", "/api/messages/hide", body, {}, "hide_messages", body) if message else None


def _member(method: str, path: str, **body: Any) -> Callable[[Somebody, Op], Act | None]:
    """A change of one member of a group; `{user}` is another user."""

    def act(who: Somebody, op: Op) -> Act | None:
        group = _conversation(who, op, "group")
        if group is None:
            return None
        user = _other(who, op)
        about = {"conversation_id": group, "user_id": user}
        full = f"/api/groups/{group}{path.format(user=user)}"
        if method != "POST":
            return Act(method, full, body or None, about)
        # Who was removed is banned.
        return Act(method, full, {"user_ids": [user]}, about, before=("DELETE", f"/api/groups/{group}/bans/{user}"))

    return act


def _leave(who: Somebody, op: Op) -> Act | None:
    group = _conversation(who, op, "group")
    about = {"conversation_id": group, "user_id": who.id}
    return Act("POST", f"/api/groups/{group}/leave", {}, about) if group else None


def _join(who: Somebody, op: Op) -> Act:
    group = who.groups[op.picks[0] % len(who.groups)]
    return Act("POST", f"/api/groups/{group}/join", {}, {"conversation_id": group, "user_id": who.id})


def _rename(who: Somebody, op: Op) -> Act | None:
    group = _conversation(who, op, "group")
    return Act("PATCH", f"/api/groups/{group}", {"name": f"name {next(_numbers)}"}) if group else None


def _meet(who: Somebody, op: Op) -> Act:
    """Take up what somebody has asked, or ask."""
    waiting = [
        item["id"]
        for (kind, _), item in list(who.devices[0].own.items())
        if kind == "contact_request" and item["status"] == "pending" and item["to_user_id"] == who.id
    ]
    if waiting:
        return Act("POST", f"/api/contact-requests/{waiting[op.picks[0] % len(waiting)]}/accept", {})
    return Act("POST", "/api/contact-requests", {"user_id": _other(who, op), "message": "hi"})


def _part(who: Somebody, op: Op) -> Act:
    return Act("DELETE", f"/api/contacts/{_other(who, op)}")


def _profile(who: Somebody, op: Op) -> Act:
    return Act("PATCH", "/api/users/me", {"nickname": f"nick {next(_numbers)}"})


def _create_group(who: Somebody, op: Op) -> Act:
    return Act("POST", "/api/groups", {"name": f"new {next(_numbers)}", "member_ids": [_other(who, op)]})


def _open_private(who: Somebody, op: Op) -> Act:
    return Act("POST", "/api/conversations", {"user_id": _other(who, op)})


ACTS: dict[str, Callable[[Somebody, Op], Act | None]] = {
    "send": _send,
    "edit": _on_message("PATCH", "", "edit_message", own=True),
    "recall": _on_message("POST", "/recall", "recall_message", own=True),
    "react": _on_message("PUT", "/reactions", "react"),
    "unreact": _on_message("POST", "/reactions/remove", "react"),
    "pin": _on_message("PUT", "/pin", "pin_message"),
    "unpin": _on_message("DELETE", "/pin", "unpin_message"),
    "read": _read,
    "mark_unread": _setting("is_marked_unread"),
    "draft": _setting("draft"),
    "mute": _setting("is_muted"),
    "hide_message": _hide,
    "add": _member("POST", "/members"),
    "kick": _member("DELETE", "/members/{user}"),
    "leave": _leave,
    "join": _join,
    "rename": _rename,
    "promote": _member("PUT", "/members/{user}/role", role="admin"),
    "demote": _member("PUT", "/members/{user}/role", role="member"),
    "meet": _meet,
    "part": _part,
    "profile": _profile,
    "create_group": _create_group,
    "open_private": _open_private,
}
