"""The `content` of the lines that the server writes into a group's timeline (messages of the type `system`).

These schemas are only for the documents; the services of groups write the lines.
"""

from typing import Any, Literal

from pydantic import JsonValue

from imapp.schemas.base import Moment, Out
from imapp.schemas.groups import Role


class SystemLine(Out):
    """Base class of all lines."""

    event: Any
    actor_id: int


class GroupCreatedLine(SystemLine):
    """The group was created."""

    event: Literal["group_created"]
    name: str
    user_ids: list[int]
    member_count: int


class MembersAddedLine(SystemLine):
    """Users became members; a user that joined without being added is the actor."""

    event: Literal["members_added"]
    user_ids: list[int]


class MemberRemovedLine(SystemLine):
    """A member left or was removed."""

    event: Literal["member_removed"]
    user_id: int
    reason: Literal["left", "kicked"]


class MemberUpdatedLine(SystemLine):
    """A member's role or `muted_until` changed; only the changed field is present."""

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
    """The group was dissolved: nobody can write to it."""

    event: Literal["group_dissolved"]


class Recalled(Out):
    """The empty content of a recalled message."""

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
