"""Log-in and logged-in devices."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from imapp.schemas.base import In, Moment, Out
from imapp.schemas.text import CleanedLine
from imapp.schemas.users import Code, MeOut, Nickname, Password, Username

#: Longer tokens are refused without being decoded; ours have about 400 characters.
Token = Annotated[str, Field(min_length=1, max_length=2048)]


class DeviceIn(In):
    """The client's description of its device, shown in the user's list of devices."""

    name: Annotated[CleanedLine, Field(max_length=100)] = ""
    platform: Annotated[CleanedLine, Field(max_length=32)] = ""


class RegisterIn(In):
    """A new account; without `nickname`, the nickname is the username."""

    username: Username
    password: Password
    nickname: Nickname | None = None
    invitation: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    device: DeviceIn = DeviceIn()


class LoginIn(In):
    """Username, in upper or lower case, and password."""

    account: Annotated[str, Field(min_length=1, max_length=320)]
    password: Password
    device: DeviceIn = DeviceIn()


class RefreshIn(In):
    """The refresh token of the latest answer. If the answer is lost, send the same token again within a minute."""

    refresh_token: Token


class PasswordIn(In):
    """A change of password, which ends all other sessions."""

    old_password: Password
    new_password: Password
    code: Code | None = None


class TokensOut(Out):
    """A logged-in session; `expires_in` is the lifetime of the access token in seconds."""

    user: MeOut
    access_token: str
    refresh_token: str
    expires_in: int


class SessionOut(Out):
    """One logged-in device; `current` marks the one that sent the request."""

    id: int
    device_name: str
    platform: str
    ip: str
    user_agent: str
    created_at: Moment
    last_used_at: Moment
    expires_at: Moment
    current: bool


@dataclass(frozen=True)
class ClientInfo:
    """Address and user agent of a request; values too long for the session's row are cut."""

    ip: str
    user_agent: str
