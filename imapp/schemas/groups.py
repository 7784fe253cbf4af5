"""Groups, their members, requests to join: what clients send and what they get."""

from typing import Annotated, Literal

from pydantic import Field

from imapp.schemas.base import Id, IdCursor, In, Moment, Out
from imapp.schemas.text import OptionalText, VisibleName
from imapp.schemas.users import AvatarUrl, UserOut
from imapp.schemas.validation import Limit, MomentIn

JoinPolicy = Literal["open", "approval", "invitation"]

Role = Literal["owner", "admin", "member"]

JoinRequestStatus = Literal["pending", "invited", "accepted", "rejected", "declined", "cancelled"]

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


class CreatedGroup(GroupOut):
    """A new group; `invited` are the users who become members only if they agree."""

    invited: list[int]


class MembersAnswer(Out):
    """What became of each user: added, asked (`invited`), or proposed to owner and admins (`requested`).

    Users who are members already, or who declined an invitation in the last 7 days, are in none of the lists.
    """

    added: list[int]
    invited: list[int]
    requested: list[int]
    member_count: int


class JoinRequestOut(Out):
    """A user's request to join a group, or an invitation.

    `inviter_id` is the member who proposed or invited the user, null when the user asked. `status`: pending while
    owner and admins are to decide, invited while the user is. Of two copies the greater `version` is the newer one.
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
    """A user who was removed from a group, and does not come back before owner or admins lift the ban."""

    group_id: int
    user_id: int
    user: UserOut
    banned_at: Moment


class LinkOut(Out):
    """The invitation link of a group: outsiders with this token see the group, and join as its policy allows."""

    group_id: int
    token: str


class GroupJoinRequests(Out):
    """What owner and admins see of a group: pending requests, invitations and bans, the first page of each.

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
    """What became of the wish to join: the caller is a member, or the request waits for owner and admins."""

    status: Literal["member", "pending"]
    group: GroupOut | None = None
    request: JoinRequestOut | None = None


class GroupIn(In):
    """A new group; without `member_limit` it takes as many members as the server allows."""

    name: GroupName
    member_ids: Annotated[list[Id], Field(max_length=MEMBERS_MAX)] = []
    join_policy: JoinPolicy = "invitation"
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


LinkToken = Annotated[str, Field(max_length=64)]


class JoinIn(In):
    """A few words to owner and admins, and the token of the group's invitation link, if it is not open."""

    message: Annotated[OptionalText, Field(max_length=200)] = ""
    token: LinkToken | None = None


class GroupQuery(In):
    """The token of the group's invitation link, for users who are not members."""

    token: LinkToken | None = None


class BansQuery(In):
    """A page of bans, in the order of user ids."""

    limit: Limit = 50
    cursor: IdCursor | None = None


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
