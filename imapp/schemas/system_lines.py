"""What the server's own lines in the timeline of a group carry in `content` (messages of the type `system`).

For the documents: the lines are written by services/groups.py and its neighbours.
"""

from typing import Any, Literal

from pydantic import JsonValue

from imapp.schemas.base import Moment, Out
from imapp.schemas.groups import Role


class SystemLine(Out):
    """Base of all lines."""

    event: Any
    actor_id: int


class GroupCreatedLine(SystemLine):
    """The group was created."""

    event: Literal["group_created"]
    name: str
    user_ids: list[int]
    member_count: int


class MembersAddedLine(SystemLine):
    """Users became members; a user who joined by own wish is the actor."""

    event: Literal["members_added"]
    user_ids: list[int]


class MemberRemovedLine(SystemLine):
    """A member left or was removed."""

    event: Literal["member_removed"]
    user_id: int
    reason: Literal["left", "kicked"]


class MemberUpdatedLine(SystemLine):
    """A member's role or the end of being muted changed; only the changed field is there."""

    event: Literal["member_updated"]
    user_id: int
    role: Role = "member"
    muted_until: Moment | None = None

    model_config = {"json_schema_serialization_defaults_required": False}


class GroupUpdatedLine(SystemLine):
    """The group's settings or its owner changed."""

    event: Literal["group_updated"]
    changes: dict[str, JsonValue]


class GroupDissolvedLine(SystemLine):
    """The group was dissolved: nobody can write any more."""

    event: Literal["group_dissolved"]


class Recalled(Out):
    """Nothing is left of a recalled message."""

    model_config = {"json_schema_extra": {"maxProperties": 0}}


SystemContent = (
    GroupCreatedLine
    | MembersAddedLine
    | MemberRemovedLine
    | MemberUpdatedLine
    | GroupUpdatedLine
    | GroupDissolvedLine
    | dict[str, JsonValue]
)
