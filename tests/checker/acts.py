"""How each kind of operation is done: its object, and the call that does it.

A plan (plan.py) chooses operations by numbers. What the numbers select depends on what the user's device shows at that
moment. A function that finds nothing to act on returns None.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.checker.device import LiveDevice
from tests.checker.plan import Op

_EMOJIS = ("👍", "🎉", "😀")

_numbers = itertools.count(1)


class Actor(Protocol):
    """The acting user: the devices, the ids of the other users, the groups."""

    id: int
    devices: list[LiveDevice]
    others: list[int]
    groups: list[int]
    rest: Any


@dataclass
class Act:
    """One operation as a REST call, or as `command` with `payload` over a socket.

    `before` is the method and path of a preparing call; a refusal of that call is ignored.
    """

    method: str
    path: str
    body: dict[str, Any] | None = None
    about: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    payload: dict[str, Any] = field(default_factory=dict)
    before: tuple[str, str] | None = None


def _conversation(actor: Actor, op: Op, kind: str | None = None) -> int | None:
    device = actor.devices[op.picks[2] % len(actor.devices)]
    known = [id_ for id_ in device.known() if kind in {None, device.conversations.get(id_, {}).get("type")}]
    return known[op.picks[0] % len(known)] if known else None


def _message(actor: Actor, op: Op, *, own: bool = False) -> dict[str, Any] | None:
    conversation_id = _conversation(actor, op)
    device = actor.devices[op.picks[2] % len(actor.devices)]
    found = device.messages_of(conversation_id) if conversation_id else []
    found = [one for one in found if one["type"] == "text" and (not own or one["sender_id"] == actor.id)]
    return found[op.picks[1] % len(found)] if found else None


def _other(actor: Actor, op: Op) -> int:
    return actor.others[op.picks[1] % len(actor.others)]


def _send(actor: Actor, op: Op) -> Act | None:
    conversation_id = _conversation(actor, op)
    if conversation_id is None:
        return None
    name = f"c{next(_numbers)}-{actor.id}"
    body = {"client_id": name, "type": "text", "content": {"text": name}}
    return Act(
        "POST", f"/api/conversations/{conversation_id}/messages", body, {"client_id": name},
        "send_message", {**body, "conversation_id": conversation_id},
    )  # fmt: skip


def _on_message(method: str, path: str, command: str, *, own: bool = False) -> Callable[[Actor, Op], Act | None]:
    def act(actor: Actor, op: Op) -> Act | None:
        message = _message(actor, op, own=own)
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


def _read(actor: Actor, op: Op) -> Act | None:
    conversation_id = _conversation(actor, op)
    device = actor.devices[op.picks[2] % len(actor.devices)]
    copy = device.conversations.get(conversation_id)
    if copy is None:
        return None
    body = {"seq": max(1, copy["last_seq"] - op.picks[1] % 2)}
    about = {"conversation_id": conversation_id}
    return Act("POST", f"/api/conversations/{conversation_id}/read", body, about, "mark_read", {**about, **body})


def _setting(name: str) -> Callable[[Actor, Op], Act | None]:
    def act(actor: Actor, op: Op) -> Act | None:
        conversation_id = _conversation(actor, op)
        if conversation_id is None:
            return None
        values: dict[str, Any] = {
            "draft": f"draft {next(_numbers)}", "is_muted": op.picks[1] % 2 == 0, "is_marked_unread": True,
        }  # fmt: skip
        about = {"conversation_id": conversation_id, name: values[name]}
        body = {name: values[name]}
        return Act("PATCH", f"/api/conversations/{conversation_id}", body, about, "update_conversation", about)

    return act


def _hide(actor: Actor, op: Op) -> Act | None:
    message = _message(actor, op)
    body = {"message_ids": [message["id"]]} if message else {}
    return Act("POST", "/api/messages/hide", body, {}, "hide_messages", body) if message else None


def _member(method: str, path: str, **body: Any) -> Callable[[Actor, Op], Act | None]:
    """Return the operation that changes one member of a group; `{user}` in the path is another user."""

    def act(actor: Actor, op: Op) -> Act | None:
        group = _conversation(actor, op, "group")
        if group is None:
            return None
        user = _other(actor, op)
        about = {"conversation_id": group, "user_id": user}
        full = f"/api/groups/{group}{path.format(user=user)}"
        if method != "POST":
            return Act(method, full, body or None, about)
        # A removed user is banned: lift the ban first.
        return Act(method, full, {"user_ids": [user]}, about, before=("DELETE", f"/api/groups/{group}/bans/{user}"))

    return act


def _leave(actor: Actor, op: Op) -> Act | None:
    group = _conversation(actor, op, "group")
    about = {"conversation_id": group, "user_id": actor.id}
    return Act("POST", f"/api/groups/{group}/leave", {}, about) if group else None


def _join(actor: Actor, op: Op) -> Act:
    group = actor.groups[op.picks[0] % len(actor.groups)]
    return Act("POST", f"/api/groups/{group}/join", {}, {"conversation_id": group, "user_id": actor.id})


def _rename(actor: Actor, op: Op) -> Act | None:
    group = _conversation(actor, op, "group")
    return Act("PATCH", f"/api/groups/{group}", {"name": f"name {next(_numbers)}"}) if group else None


def _meet(actor: Actor, op: Op) -> Act:
    """Accept a pending contact request, or send one if there is none."""
    waiting = [
        item["id"]
        for (kind, _), item in list(actor.devices[0].own.items())
        if kind == "contact_request" and item["status"] == "pending" and item["to_user_id"] == actor.id
    ]
    if waiting:
        return Act("POST", f"/api/contact-requests/{waiting[op.picks[0] % len(waiting)]}/accept", {})
    return Act("POST", "/api/contact-requests", {"user_id": _other(actor, op), "message": "hi"})


def _part(actor: Actor, op: Op) -> Act:
    return Act("DELETE", f"/api/contacts/{_other(actor, op)}")


def _profile(actor: Actor, op: Op) -> Act:
    return Act("PATCH", "/api/users/me", {"nickname": f"nick {next(_numbers)}"})


def _create_group(actor: Actor, op: Op) -> Act:
    return Act("POST", "/api/groups", {"name": f"new {next(_numbers)}", "member_ids": [_other(actor, op)]})


def _open_private(actor: Actor, op: Op) -> Act:
    return Act("POST", "/api/conversations", {"user_id": _other(actor, op)})


ACTS: dict[str, Callable[[Actor, Op], Act | None]] = {
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
