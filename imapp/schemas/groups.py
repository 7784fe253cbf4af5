"""Groups, their members and requests to join: input and output."""

from typing import Annotated, Literal

from pydantic import Field

from imapp.schemas.base import Id, IdCursor, In, Moment, Out
from imapp.schemas.text import OptionalText, VisibleName
from imapp.schemas.users import AvatarUrl, UserOut
from imapp.schemas.validation import Limit, MomentIn

JoinPolicy = Literal["open", "approval", "invitation"]

Role = Literal["owner", "admin", "member"]

JoinRequestStatus = Literal["pending", "invited", "accepted", "rejected", "declined", "cancelled"]

#: Upper bound on every server; the setting group_member_limit and the group's own limit can only lower it.
MEMBERS_MAX = 10_000

#: Maximum number of users in one invitation, because it becomes one line of the timeline.
INVITED_MAX = 200

GroupName = Annotated[VisibleName, Field(min_length=1, max_length=100)]
Announcement = Annotated[OptionalText, Field(max_length=5000)]
Description = Annotated[OptionalText, Field(max_length=500)]
MemberLimit = Annotated[int, Field(ge=2, le=MEMBERS_MAX)]


class GroupOut(Out):
    """A group; `id` is also the id of its conversation."""

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
    """A group as the caller sees it; `my_role` is null and `announcement` empty if the caller is not a member."""

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


class CreatedGroup(GroupOut):
    """A new group; `invited` are the users that become members only if they accept."""

    invited: list[int]


class MembersAnswer(Out):
    """The result for each user: added, asked (`invited`), or proposed to owner and admins (`requested`).

    Users that are already members, or declined an invitation in the last 7 days, are in none of the lists.
    """

    added: list[int]
    invited: list[int]
    requested: list[int]
    member_count: int


class JoinRequestOut(Out):
    """A user's request to join a group, or an invitation.

    `inviter_id` is the member that proposed or invited the user, null if the user asked. `status` is `pending` until
    the owner or an admin decides, `invited` until the user decides. The copy with the greater `version` is newer.
    """

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
    version: int


class BanOut(Out):
    """A user that was removed from a group, and cannot return until the owner or an admin lifts the ban."""

    group_id: int
    user_id: int
    user: UserOut
    banned_at: Moment


class LinkOut(Out):
    """The invitation link of a group: users with this token see the group, and join as its policy allows."""

    group_id: int
    token: str


class GroupJoinRequests(Out):
    """The first page of a group's pending requests, of its invitations and of its bans, for its owner and admins.

    Empty for all other users.
    """

    group_id: int
    items: list[JoinRequestOut] = []
    next_cursor: str | None = None
    invited: list[JoinRequestOut] = []
    invited_cursor: str | None = None
    bans: list[BanOut] = []
    bans_cursor: str | None = None


class JoinAnswer(Out):
    """The result of joining: the caller is a member, or the request waits for owner and admins."""

    status: Literal["member", "pending"]
    group: GroupOut | None = None
    request: JoinRequestOut | None = None


class GroupIn(In):
    """A new group; without `member_limit` it can have as many members as the server allows."""

    name: GroupName
    member_ids: Annotated[list[Id], Field(max_length=MEMBERS_MAX)] = []
    join_policy: JoinPolicy = "invitation"
    avatar_url: AvatarUrl | None = None
    description: Description = ""
    announcement: Announcement = ""
    member_limit: MemberLimit | None = None


class GroupPatch(In):
    """The settings to change; omitted ones stay as they are."""

    name: GroupName = ""
    avatar_url: AvatarUrl | None = None
    description: Description = ""
    announcement: Announcement = ""
    join_policy: JoinPolicy = "approval"
    member_limit: MemberLimit = MEMBERS_MAX
    is_muted_all: bool = False


class InviteIn(In):
    """The users to add."""

    user_ids: Annotated[list[Id], Field(min_length=1, max_length=INVITED_MAX)]


LinkToken = Annotated[str, Field(max_length=64)]


class JoinIn(In):
    """A few words to owner and admins, and the token of the invitation link if the group is not open."""

    message: Annotated[OptionalText, Field(max_length=200)] = ""
    token: LinkToken | None = None


class GroupQuery(In):
    """The token of the group's invitation link, for users outside the group."""

    token: LinkToken | None = None


class BansQuery(In):
    """A page of bans, in the order of user ids."""

    limit: Limit = 50
    cursor: IdCursor | None = None


class RoleIn(In):
    """The new role of a member; the owner's role can only be transferred."""

    role: Literal["admin", "member"]


class MuteIn(In):
    """The time until which a member may only read."""

    until: MomentIn


class TransferIn(In):
    """The new owner of the group."""

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
