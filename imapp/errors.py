"""Every error that a client may receive, on either door.

An error is a class: its `code` is protocol (clients branch on it), its `status` is the HTTP answer, its
`message` is for people. `api/errors.py` renders it as RFC 9457 problem+json, `realtime/dispatch.py` as an ack
`{"ok": false, "error": {...}}`. Nothing else in the code base turns failures into answers.
"""

from typing import Any


class AppError(Exception):
    """Base of all errors that are answers rather than bugs."""

    code = "internal_error"
    status = 500
    message = "Something went wrong on the server."

    def __init__(
        self,
        message: str | None = None,
        *,
        fields: list[dict[str, str]] | None = None,
        retry_after: float | None = None,
    ) -> None:
        """`fields`: [{"field", "message"}] of a bad input; `retry_after`: seconds."""
        super().__init__(message or self.message)
        self.message = message or self.message
        self.fields = fields
        self.retry_after = retry_after

    def payload(self) -> dict[str, Any]:
        """The error as it stands in an ack."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.fields:
            body["errors"] = self.fields
        if self.retry_after is not None:
            body["retry_after"] = round(self.retry_after, 3)
        return body


# -- input -----------------------------------------------------------------------------------------------------


class InvalidInputError(AppError):
    """The input does not fit the schema; `fields` says where."""

    code = "invalid_input"
    status = 422
    message = "The input is not valid."


class MalformedError(AppError):
    """The body is not JSON, or the packet is not what the protocol allows."""

    code = "malformed"
    status = 400
    message = "The request could not be read."


class UnknownCommandError(AppError):
    code = "unknown_command"
    status = 404
    message = "There is no such command."


class BinaryNotAllowedError(AppError):
    code = "binary_not_allowed"
    status = 400
    message = "Commands carry JSON, not binary data."


class TooLargeError(AppError):
    code = "too_large"
    status = 413
    message = "The content is larger than this server accepts."


class MessageTooLargeError(TooLargeError):
    """A packet is larger than IM_MAX_PAYLOAD_BYTES; the connection goes on."""

    code = "message_too_large"
    message = "The packet is larger than this server accepts."


class RequestTimeoutError(AppError):
    """The body did not arrive in time (IM_BODY_TIMEOUT_SECONDS)."""

    code = "request_timeout"
    status = 408
    message = "The body of the request did not arrive in time."


class IdempotencyKeyReusedError(AppError):
    """The Idempotency-Key came with another request within the last 24 hours."""

    code = "idempotency_key_reused"
    status = 422
    message = "This Idempotency-Key belongs to another request."


class IdempotencyKeyInUseError(AppError):
    """The first request with this Idempotency-Key has no answer yet, or its node died before the answer was kept."""

    code = "idempotency_key_in_use"
    status = 409
    message = "The first request with this Idempotency-Key has no answer yet."


class UnsupportedMediaTypeError(AppError):
    code = "unsupported_media_type"
    status = 415
    message = "The body must be JSON, sent as application/json."


class MethodNotAllowedError(AppError):
    code = "method_not_allowed"
    status = 405
    message = "This address does not take that method."


class NotFoundError(AppError):
    code = "not_found"
    status = 404
    message = "There is no such thing, or you may not see it."


class ForbiddenError(AppError):
    code = "forbidden"
    status = 403
    message = "You may not do this."


class ConflictError(AppError):
    code = "conflict"
    status = 409
    message = "This does not fit the present state."


# -- load ------------------------------------------------------------------------------------------------------


class RateLimitedError(AppError):
    """Too many of one kind; `retry_after` says when to come back."""

    code = "rate_limited"
    status = 429
    message = "Too many requests. Try again later."


class TooManyConnectionsError(RateLimitedError):
    """The user has as many connections to this node as IM_MAX_CONNECTIONS_PER_USER allows, all of them alive."""

    code = "too_many_connections"
    message = "You have too many connections. Close some of them, then try again."


class BusyError(AppError):
    """The write queue is full: nothing was stored, the same client_id may be sent again."""

    code = "busy"
    status = 503
    message = "The server is busy. Send it again with the same client_id."


class UnavailableError(AppError):
    """The database did not answer: whether the write was stored is unknown, a retry with the same client_id tells."""

    code = "unavailable"
    status = 503
    message = "The server cannot reach its database. Send it again with the same client_id."


# -- identity --------------------------------------------------------------------------------------------------


class InvalidTokenError(AppError):
    code = "invalid_token"
    status = 401
    message = "The token is not valid."


class TokenExpiredError(AppError):
    code = "token_expired"
    status = 401
    message = "The token has expired. Refresh it."


class SessionRevokedError(AppError):
    code = "session_revoked"
    status = 401
    message = "This session has ended. Log in again."


class BadCredentialsError(AppError):
    """One answer for an unknown account and a wrong password."""

    code = "bad_credentials"
    status = 401
    message = "The account or the password is wrong."


class AccountDisabledError(ForbiddenError):
    """Told only to who knows the password."""

    code = "account_disabled"
    message = "This account has been disabled."


class AccountPendingError(ForbiddenError):
    """The account exists and waits for an operator; told at registration, and to who knows the password."""

    code = "approval_pending"
    message = "This account waits for the approval of an operator."


class RegistrationClosedError(ForbiddenError):
    code = "registration_closed"
    message = "On this server only operators create accounts."


class InvitationRequiredError(ForbiddenError):
    code = "invitation_required"
    message = "This server needs an invitation to create an account."


class InvalidInvitationError(ForbiddenError):
    """Unknown, used up, expired or revoked: one answer for all."""

    code = "invalid_invitation"
    message = "This invitation is not valid, or not any more."


class WrongPasswordError(ForbiddenError):
    """The present password, asked for again before a change, is another one."""

    code = "wrong_password"
    message = "The present password is wrong."


class WeakPasswordError(InvalidInputError):
    code = "weak_password"
    message = "This password is too easy to guess."


class InvalidUsernameError(InvalidInputError):
    code = "invalid_username"
    message = "A username has 2 to 32 letters, digits, dots, hyphens or underscores, and no blanks."


class UsernameTakenError(ConflictError):
    code = "username_taken"
    message = "This username is taken."


# -- operators -------------------------------------------------------------------------------------------------


class SecondFactorRequiredError(ForbiddenError):
    """The operator is enrolled, but this session has not proved the second factor, or too long ago."""

    code = "second_factor_required"
    message = "Log in at /admin with a code of your second factor."


class SecondFactorEnrolmentRequiredError(ForbiddenError):
    """The operator has no second factor yet."""

    code = "second_factor_enrolment_required"
    message = "Set up your second factor at /admin first."


class WrongCodeError(ForbiddenError):
    """Wrong, too old, or used before: one answer for all."""

    code = "wrong_code"
    message = "The code is wrong, too old, or was used before."


class SecondFactorEnrolledError(ConflictError):
    code = "second_factor_enrolled"
    message = "There is a second factor already; flask im reset-second-factor removes it."


class SecondFactorUnreadableError(ConflictError):
    """Neither SECRET_KEY nor SECRET_KEY_PREVIOUS is the key that the secret was encrypted with."""

    code = "second_factor_unreadable"
    message = "SECRET_KEY has changed: use a recovery code, or flask im reset-second-factor."


class OwnAccountError(ConflictError):
    code = "own_account"
    message = "You cannot do this to your own account."


# -- contacts --------------------------------------------------------------------------------------------------


class BlockedError(ForbiddenError):
    code = "blocked"
    message = "One of you has blocked the other."


class NotAContactError(ForbiddenError):
    code = "not_a_contact"
    message = "You are not in each other's contacts."


class AlreadyContactsError(ConflictError):
    code = "already_contacts"
    message = "You are in each other's contacts already."


class RequestHandledError(ConflictError):
    code = "request_handled"
    message = "This request has been handled already."


class RecipientGoneError(ForbiddenError):
    """The other account of a private conversation is erased or disabled; `peer.is_closed` says so too."""

    code = "recipient_gone"
    message = "This account has been closed. It cannot be written to."


class OneselfError(ForbiddenError):
    code = "oneself"
    message = "A private conversation needs another user."


# -- groups ----------------------------------------------------------------------------------------------------


class NotAMemberError(ForbiddenError):
    code = "not_a_member"
    message = "You are not a member of this conversation."


class RoleRequiredError(ForbiddenError):
    code = "role_required"
    message = "Your role in this group does not allow it."


class MutedError(ForbiddenError):
    code = "muted"
    message = "You are muted in this group."


class GroupFullError(ConflictError):
    code = "group_full"
    message = "The group has reached its member limit."


class GroupDissolvedError(ConflictError):
    code = "group_dissolved"
    message = "The group has been dissolved."


class JoinNotAllowedError(ForbiddenError):
    code = "join_not_allowed"
    message = "This group can be joined by invitation only."


class JoinBannedError(ForbiddenError):
    """The user was removed from the group; owner and admins may lift the ban."""

    code = "banned"
    message = "This user was removed from the group. Its owner or an admin may lift the ban."


class TooManyGroupsError(ConflictError):
    code = "too_many_groups"
    message = "You own as many groups as this server allows."


class TooManyConversationsError(ConflictError):
    code = "too_many_conversations"
    message = "You have as many conversations as this server allows."


class OwnerMustTransferError(ConflictError):
    code = "owner_must_transfer"
    message = "Transfer the ownership or dissolve the group first."


# -- messages --------------------------------------------------------------------------------------------------


class ClientIdConflictError(ConflictError):
    code = "client_id_conflict"
    message = "This client_id was used for another message."


class WindowClosedError(ConflictError):
    code = "window_closed"
    message = "It is too late to change this message."


class MessageRecalledError(ConflictError):
    code = "message_recalled"
    message = "This message has been recalled."


class TextTooLongError(TooLargeError):
    code = "text_too_long"
    message = "The text is too long."


class TooManyEditsError(ConflictError):
    code = "too_many_edits"
    message = "This message has been edited as often as it may be."


class NotAnEmojiError(InvalidInputError):
    code = "not_an_emoji"
    message = "A reaction is exactly one emoji."


class TooManyReactionsError(ConflictError):
    """The message has as many different emoji as it takes; one of these can still be set."""

    code = "too_many_reactions"
    message = "This message takes no more different emoji."


class TooManyOwnReactionsError(ConflictError):
    """The user has set as many different emoji on the message as one user may."""

    code = "too_many_own_reactions"
    message = "You have set as many different emoji on this message as one user may."


# -- the operator's commands -----------------------------------------------------------------------------------


class BackupError(ConflictError):
    code = "backup"
    message = "This cannot be backed up or restored."
