"""Accounts over REST."""

from flask import Blueprint

from imapp.api.http.endpoint import endpoint
from imapp.errors import (
    OwnerMustTransferError,
    SecondFactorEnrolmentRequiredError,
    SecondFactorRequiredError,
    WrongCodeError,
    WrongPasswordError,
)
from imapp.schemas.base import Page
from imapp.schemas.users import EraseIn, MeOut, ProfileIn, UserOut, UsersQuery
from imapp.services.accounts import erasure, profiles, users
from imapp.services.accounts.authentication import Actor

bp = Blueprint("users", __name__, url_prefix="/api/users")


@bp.get("")
@endpoint()
def search_users(actor: Actor, query: UsersQuery) -> Page[UserOut]:
    """Find users by the beginning of their username or nickname."""
    return users.search(actor.user_id, query)


@bp.get("/me")
@endpoint()
def get_me(actor: Actor) -> MeOut:
    """Read the caller's account."""
    return users.get_me(actor.user_id)


@bp.patch("/me")
@endpoint()
def update_me(actor: Actor, body: ProfileIn) -> MeOut:
    """Change the given fields of the caller's profile."""
    return profiles.update_me(actor.user_id, body)


@bp.delete("/me")
@endpoint(
    errors=[
        WrongPasswordError,
        OwnerMustTransferError,
        SecondFactorRequiredError,
        SecondFactorEnrolmentRequiredError,
        WrongCodeError,
    ]
)
def erase_me(actor: Actor, body: EraseIn) -> None:
    """Erase the caller's account permanently. Groups that the caller owns are transferred before, or by this call."""
    erasure.erase_own(actor, body)


@bp.get("/<id:user_id>")
@endpoint()
def get_user(actor: Actor, user_id: int) -> UserOut:
    """Read a user's public profile."""
    return users.get_user(user_id)
