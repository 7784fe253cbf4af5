"""Every error that a client may receive over REST or Socket.IO.

Each error is a class. Its `code` is part of the protocol: clients branch on it. Its `status` is the HTTP status, its
`message` is for people. `api/http/errors.py` renders it as RFC 9457 problem+json, `realtime/dispatch.py` as an ack
`{"ok": false, "error": {...}}`. No other code turns errors into answers.
"""

from typing import Any


class AppError(Exception):
    """Base class of all errors that a client receives. Its own code, `internal_error`, reports a bug."""

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
        """Create the error. `fields` lists invalid input as [{"field", "message"}]; `retry_after` is in seconds."""
        super().__init__(message or self.message)
        self.message = message or self.message
        self.fields = fields
        self.retry_after = retry_after

    def payload(self) -> dict[str, Any]:
        """Return the error as the JSON object that an ack carries."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.fields:
            body["errors"] = self.fields
        if self.retry_after is not None:
            body["retry_after"] = round(self.retry_after, 3)
        return body


# -- input -----------------------------------------------------------------------------------------------------


class InvalidInputError(AppError):
    """Raised when the input does not fit the schema; `fields` names the invalid fields."""

    code = "invalid_input"
    status = 422
    message = "The input is not valid."


class MalformedError(AppError):
    """Raised when a body is not JSON, or a packet violates the protocol."""

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
    """Raised when a packet is larger than IM_MAX_PAYLOAD_BYTES; the connection stays open."""

    code = "message_too_large"
    message = "The packet is larger than this server accepts."


class RequestTimeoutError(AppError):
    """Raised when the body of a request does not arrive within IM_BODY_TIMEOUT_SECONDS."""

    code = "request_timeout"
    status = 408
    message = "The body of the request did not arrive in time."


class IdempotencyKeyReusedError(AppError):
    """Raised when the Idempotency-Key was used for a different request within the last 24 hours."""

    code = "idempotency_key_reused"
    status = 422
    message = "This Idempotency-Key was used for a different request."


class IdempotencyKeyInUseError(AppError):
    """Raised while the first request with this Idempotency-Key has no answer.

    Its node may also have died before it stored the answer.
    """

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
    message = "This address does not support this method."


class NotFoundError(AppError):
    code = "not_found"
    status = 404
    message = "This does not exist, or you may not see it."


class ForbiddenError(AppError):
    code = "forbidden"
    status = 403
    message = "You may not do this."


class ConflictError(AppError):
    code = "conflict"
    status = 409
    message = "This conflicts with the current state."


# -- load ------------------------------------------------------------------------------------------------------


class RateLimitedError(AppError):
    """Raised when a rate limit is exceeded; `retry_after` says how long to wait."""

    code = "rate_limited"
    status = 429
    message = "Too many requests. Try again later."


class TooManyConnectionsError(RateLimitedError):
    """Raised when the user has IM_MAX_CONNECTIONS_PER_USER connections to this node already, all of them alive."""

    code = "too_many_connections"
    message = "You have too many connections. Close some of them, then try again."


class BusyError(AppError):
    """Raised when the write queue is full. Nothing was stored; the client may send the same client_id again."""

    code = "busy"
    status = 503
    message = "The server is busy. Send the request again with the same client_id."


class UnavailableError(AppError):
    """Raised when the database does not answer.

    Whether the write was stored is unknown until the client retries with the same client_id.
    """

    code = "unavailable"
    status = 503
    message = "The server cannot reach its database. Send the request again with the same client_id."


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
    """Raised for an unknown account and for a wrong password: the answer must not tell which it was."""

    code = "bad_credentials"
    status = 401
    message = "The account or the password is wrong."


class AccountDisabledError(ForbiddenError):
    """Raised only after the correct password was given."""

    code = "account_disabled"
    message = "This account has been disabled."


class AccountPendingError(ForbiddenError):
    """Raised while an account waits for approval: at registration, and at log-in with the correct password."""

    code = "approval_pending"
    message = "This account is waiting for an operator's approval."


class RegistrationClosedError(ForbiddenError):
    code = "registration_closed"
    message = "Only operators can create accounts on this server."


class InvitationRequiredError(ForbiddenError):
    code = "invitation_required"
    message = "You need an invitation to create an account on this server."


class InvalidInvitationError(ForbiddenError):
    """Raised alike for unknown, used-up, expired and revoked invitations."""

    code = "invalid_invitation"
    message = "This invitation is invalid, used up, expired or revoked."


class WrongPasswordError(ForbiddenError):
    """Raised when the current password, asked for again before a change, is wrong."""

    code = "wrong_password"
    message = "The current password is wrong."


class WeakPasswordError(InvalidInputError):
    code = "weak_password"
    message = "This password is too easy to guess."


class InvalidUsernameError(InvalidInputError):
    code = "invalid_username"
    message = "A username has 2 to 32 letters, digits, dots, hyphens or underscores, and no spaces."


class UsernameTakenError(ConflictError):
    code = "username_taken"
    message = "This username is taken."


# -- operators -------------------------------------------------------------------------------------------------


class SecondFactorRequiredError(ForbiddenError):
    """Raised when the operator's session has not proved the second factor, or proved it too long ago."""

    code = "second_factor_required"
    message = "Log in at /admin with a code from your second factor."


class SecondFactorEnrolmentRequiredError(ForbiddenError):
    """Raised when the operator has not set up a second factor yet."""

    code = "second_factor_enrolment_required"
    message = "Set up your second factor at /admin first."


class WrongCodeError(ForbiddenError):
    """Raised alike for a wrong, an expired and an already used code."""

    code = "wrong_code"
    message = "The code is wrong, expired or already used."


class SecondFactorEnrolledError(ConflictError):
    code = "second_factor_enrolled"
    message = "A second factor is already set up; flask im reset-second-factor removes it."


class SecondFactorUnreadableError(ConflictError):
    """Raised when the stored secret was encrypted with neither SECRET_KEY nor SECRET_KEY_PREVIOUS."""

    code = "second_factor_unreadable"
    message = "SECRET_KEY has changed. Use a recovery code, or run flask im reset-second-factor."


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
    message = "You are already in each other's contacts."


class RequestHandledError(ConflictError):
    code = "request_handled"
    message = "This request has already been handled."


class RecipientGoneError(ForbiddenError):
    """Raised when the other account of a private conversation is erased or disabled (`peer.is_closed`)."""

    code = "recipient_gone"
    message = "This account has been closed. You cannot send messages to it."


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
    """Raised when the user was removed from the group and the owner or an admin has not lifted the ban."""

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
    message = "This message has reached the limit of edits."


class NotAnEmojiError(InvalidInputError):
    code = "not_an_emoji"
    message = "A reaction is exactly one emoji."


class TooManyReactionsError(ConflictError):
    """Raised when the message has the maximum number of different emoji; users can still set one of these."""

    code = "too_many_reactions"
    message = "This message has the maximum number of different emoji."


class TooManyOwnReactionsError(ConflictError):
    """Raised when the user has set the maximum number of different emoji on the message."""

    code = "too_many_own_reactions"
    message = "You have set the maximum number of different emoji on this message."


# -- the operator's commands -----------------------------------------------------------------------------------


class BackupError(ConflictError):
    code = "backup"
    message = "This cannot be backed up or restored."
