"""Accounts: input and output."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from imapp.schemas.base import In, Moment, Out, Text
from imapp.schemas.text import OptionalText, VisibleName, stripped
from imapp.schemas.validation import Cursor, Limit

#: Upper bound only: services/accounts/usernames.py has the rules.
Username = Annotated[str, Field(min_length=1, max_length=64, examples=["alice"])]

#: Upper bound only: services/accounts/passwords.py has the rules. 1,024 characters limit the work of hashing.
Password = Annotated[str, Field(min_length=1, max_length=1024, examples=["correct horse battery"])]

#: A code of the second factor: six digits, or a recovery code. Blanks and hyphens are allowed.
Code = Annotated[str, Field(min_length=1, max_length=40, examples=["123456"])]

Nickname = Annotated[VisibleName, Field(min_length=1, max_length=50)]

_AVATAR = r"^(https?://[^\s/]|/[^\s/\\])\S*$"

#: Clients show it as an image: a web address or a path of this server, nothing that a browser would run.
AvatarUrl = Annotated[Text, Field(max_length=500, pattern=_AVATAR, json_schema_extra={"pattern": _AVATAR})]

#: Only the form is checked: no mail is sent to find out whether the address works.
Email = Annotated[Text, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s.]+$")]

Phone = Annotated[str, Field(max_length=32, pattern=r"^\+?[0-9][0-9 ()-]{3,30}$")]


#: What happens to the messages of an erased account: they stay without their author's name, or are recalled.
OwnMessages = Literal["anonymise", "delete"]


class UserOut(Out):
    """An account as everybody sees it."""

    id: int
    username: str
    nickname: str
    avatar_url: str | None
    bio: str
    created_at: Moment
    #: Number of changes of the profile: of two copies, the greater revision is the newer one.
    revision: int
    is_closed: bool


class MeOut(UserOut):
    """An account as its owner sees it; `version` is the owner's own counter at the latest change of the account."""

    email: str | None
    phone: str | None
    is_operator: bool
    version: int


class ProfileIn(In):
    """The fields to change; omitted fields stay as they are, null clears a field that may be empty."""

    nickname: Nickname = ""
    avatar_url: AvatarUrl | None = None
    bio: Annotated[OptionalText, Field(max_length=500)] = ""
    email: Email | None = None
    phone: Phone | None = None


class EraseIn(In):
    """Erasure of the caller's account: the password, and whether the messages stay without their author's name."""

    password: Password
    messages: OwnMessages = "anonymise"
    transfer_groups: bool = False
    code: Code | None = None


class UsersQuery(In):
    """The beginning of a username or a nickname."""

    query: Annotated[Text, BeforeValidator(stripped), Field(min_length=1, max_length=64)]
    limit: Annotated[Limit, Field(le=50)] = 20
    cursor: Cursor | None = None
