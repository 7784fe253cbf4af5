"""Groups, their members, requests to join: what clients send and what they get."""

from typing import Annotated, Literal

from pydantic import Field

from imapp.schemas.base import Id, IdCursor, In, Moment, Out
from imapp.schemas.text import OptionalText, VisibleName
from imapp.schemas.users import AvatarUrl, UserOut
from imapp.schemas.validation import Limit, MomentIn

JoinPolicy = Literal["open", "approval", "invitation"]

Role = Literal["owner", "admin", "member"]

JoinRequestStatus = Literal["pending", "accepted", "rejected", "cancelled"]

#: Upper bound of every server; the setting group_member_limit and the group's own limit say less.
MEMBERS_MAX = 10_000

#: Users that one invitation names at most: it becomes one line of the timeline.
INVITED_MAX = 200

GroupName = Annotated[VisibleName, Field(min_length=1, max_length=100)]
Announcement = Annotated[OptionalText, Field(max_length=5000)]
Description = Annotated[OptionalText, Field(max_length=500)]
MemberLimit = Annotated[int, Field(ge=2, le=MEMBERS_MAX)]


class GroupOut(Out):
    """A group; `id` is the id of its conversation too."""

    id: int
    conversation_id: int
    name: str
    avatar_url: str | None
    description: str
    announcement: str
    owner_id: int
    join_policy: JoinPolicy
    member_count: int
    member_limit: int
    is_muted_all: bool
    dissolved_at: Moment | None
    created_at: Moment


class GroupView(GroupOut):
    """A group as the caller sees it; `my_role` is null and `announcement` empty for who is not a member."""

    my_role: Role | None
    my_muted_until: Moment | None


class MemberOut(Out):
    """One member of a group."""

    user_id: int
    user: UserOut
    role: Role
    muted_until: Moment | None
    joined_at: Moment
    read_seq: int | None
    """How far the member has read; null in groups that are too large for read marks of others."""


class MembersAnswer(Out):
    """Who was added, and for whom owner and admins are asked; who was a member already is in neither."""

    added: list[int]
    requested: list[int]
    member_count: int


class JoinRequestOut(Out):
    """A user's request to join a group; `inviter_id` is who proposed the user, null when the user asked."""

    group_id: int
    group_name: str
    user_id: int
    user: UserOut
    inviter_id: int | None
    message: str
    status: JoinRequestStatus
    created_at: Moment
    handled_at: Moment | None
    handled_by: int | None


class GroupJoinRequests(Out):
    """What the receiver may see of the requests that wait: their first page; none for who is not owner or admin."""

    group_id: int
    items: list[JoinRequestOut]
    next_cursor: str | None


class JoinAnswer(Out):
    """What became of the wish to join: the caller is a member, or the request waits for owner and admins."""

    status: Literal["member", "pending"]
    group: GroupOut | None = None
    request: JoinRequestOut | None = None


class GroupIn(In):
    """A new group; without `member_limit` it takes as many members as the server allows."""

    name: GroupName
    member_ids: Annotated[list[Id], Field(max_length=MEMBERS_MAX)] = []
    join_policy: JoinPolicy = "approval"
    avatar_url: AvatarUrl | None = None
    description: Description = ""
    announcement: Announcement = ""
    member_limit: MemberLimit | None = None


class GroupPatch(In):
    """The settings to change; what is not given stays."""

    name: GroupName = ""
    avatar_url: AvatarUrl | None = None
    description: Description = ""
    announcement: Announcement = ""
    join_policy: JoinPolicy = "approval"
    member_limit: MemberLimit = MEMBERS_MAX
    is_muted_all: bool = False


class InviteIn(In):
    """Whom to add."""

    user_ids: Annotated[list[Id], Field(min_length=1, max_length=INVITED_MAX)]


class JoinIn(In):
    """A few words to owner and admins."""

    message: Annotated[OptionalText, Field(max_length=200)] = ""


class RoleIn(In):
    """What a member is to be; ownership is transferred, not given."""

    role: Literal["admin", "member"]


class MuteIn(In):
    """Until when a member may only read."""

    until: MomentIn


class TransferIn(In):
    """Who is to own the group."""

    user_id: Id


class MembersQuery(In):
    """A page of members, in the order of the users' ids."""

    role: Role | None = None
    limit: Limit = 50
    cursor: IdCursor | None = None


class JoinRequestsQuery(In):
    """A page of requests to join, oldest first."""

    status: JoinRequestStatus = "pending"
    limit: Limit = 50
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,13}-[0-9]{1,18}$")] | None = None
