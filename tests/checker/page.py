"""The web client's own core (tests/npm/page.mjs) as an additional device of a user, compared like the others."""

from typing import Any

from tests.support.npm import NpmProgram

#: The fields of a conversation that the page has in common with the model.
_FIELDS = ("last_seq", "last_change", "read_seq", "is_muted", "is_marked_unread", "draft", "name", "member_count")

#: The fields of a message that the page has in common with the model.
_OF_A_MESSAGE = ("id", "change", "content", "reactions")


class Page(NpmProgram):
    """A user's page of the web client."""

    #: The page does not tell which node it is connected to.
    node = "its node"

    def __init__(self, url: str, user: dict[str, Any], token: str) -> None:
        # Without this option Node.js warns that web/ has no package.json with a module type.
        super().__init__("page.mjs", "--no-warnings")
        self.user_id: int = user["id"]
        self.name = f"page of user-{user['id']}"
        self.finish(self.begin("begin", url=url, user=user, token=token))

    def look_into_all(self) -> None:
        """Open each conversation once, so that the page keeps its messages."""
        for id_ in self.shown() or {}:
            self.finish(self.begin("open", id=int(id_)))

    def shown(self) -> dict[str, Any] | None:
        """Return the view of the page; None while it is not up to date."""
        state = self.finish(self.begin("shown"))
        if state["link"] != "live" or state["unsent"]:
            return None
        timelines = state["timelines"]
        return {
            id_: {
                **{name: copy[name] for name in _FIELDS},
                "peer": state["users"].get(str(copy["peer_id"]), {}).get("nickname"),
                "messages": _cut(timelines[id_]["messages"]) if id_ in timelines else None,
            }
            for id_, copy in state["conversations"].items()
        }

    def expected(self, fresh: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
        """Return the expected view: of a new device's, the latest messages of the conversations that were opened."""
        found = {}
        for id_, copy in fresh["conversations"].items():
            held = shown.get(str(id_), {}).get("messages")
            messages = _cut(copy["messages"])
            kept = messages[len(messages) - len(held) :] if held is not None else None
            peer = copy["peer"] and copy["peer"]["nickname"]
            found[str(id_)] = {**{name: copy[name] for name in _FIELDS}, "peer": peer, "messages": kept}
        return found


def _cut(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: one[name] for name in _OF_A_MESSAGE} for one in messages]
