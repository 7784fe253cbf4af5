"""Device sessions: the devices on which an account is logged in."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from imapp.database.types import TABLE_OPTIONS, BigId, UtcDateTime
from imapp.extensions import Base


class DeviceSession(Base):
    """One login on one device. Tokens carry its id; once the session has ended they are refused, even if unexpired.

    The refresh token is single-use: `refresh_hash` identifies the only valid one, but does not reveal it. Until its
    first use, or the first use of the access token issued with it, the previous refresh token can be used again.
    """

    __tablename__ = "device_sessions"
    __table_args__ = (
        # For the list of a user's devices, newest first.
        Index("ix_device_sessions_user_id_id", "user_id", "id"),
        # Ids are never reused: a token of a deleted session must not be valid for a new one.
        {**TABLE_OPTIONS, "sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"))
    device_name: Mapped[str] = mapped_column(String(100), default="")
    platform: Mapped[str] = mapped_column(String(32), default="")
    #: Address at the last login or refresh; 45 characters hold any IPv6 address.
    ip: Mapped[str] = mapped_column(String(45), default="")
    user_agent: Mapped[str] = mapped_column(String(255), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: The session expires at this time; every refresh extends it.
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: SHA-256 (hex) of the jti of the current refresh token.
    refresh_hash: Mapped[str] = mapped_column(String(64))
    #: SHA-256 (hex) of the jti of the previous refresh token; null once the client has used a token of the new pair.
    previous_refresh_hash: Mapped[str | None] = mapped_column(String(64))
    #: Time of the previous refresh token's first use; it can be used again for `refresh_retry_seconds` from then on.
    rotated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Time at which an operator proved the second factor in this session; null: never.
    second_factor_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
