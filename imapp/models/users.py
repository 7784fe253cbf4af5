"""Accounts."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from imapp.columns import TABLE_OPTIONS, BigId, UtcDateTime
from imapp.extensions import Base


class User(Base):
    """One account. Everything from `email` down is for the user and the operator, never for another user."""

    __tablename__ = "users"
    # Search reads a prefix of the nickname straight off the index, paged by (key, id).
    __table_args__ = (
        Index("ix_users_nickname_key_id", "nickname_key", "id"),
        # Of two names that look alike only one is registered.
        Index("uq_users_name_digest", "name_digest", unique=True),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: As entered at registration; shown, never compared.
    username: Mapped[str] = mapped_column(String(32))
    #: The username by PRECIS UsernameCaseMapped: what login and search compare.
    username_key: Mapped[str] = mapped_column(String(96), unique=True)
    #: What the username has in common with all that look like it (services/usernames.py); it outlives an erasure, so
    #: that nobody takes the name over. None: registered before the rule, beside a name that looks like it.
    name_digest: Mapped[str | None] = mapped_column(String(64))
    nickname: Mapped[str] = mapped_column(String(50))
    #: The nickname folded for search (NFKC, case-folded, cut).
    nickname_key: Mapped[str] = mapped_column(String(64))
    avatar_url: Mapped[str | None] = mapped_column(String(500))
    bio: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: How often what everybody sees has changed: of two copies the greater is the newer one.
    revision: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    email: Mapped[str | None] = mapped_column(String(254))
    phone: Mapped[str | None] = mapped_column(String(32))
    #: argon2id in its own text format; "!" (no hash at all) means that nobody can log in by password.
    password_hash: Mapped[str] = mapped_column(String(255))
    is_operator: Mapped[bool] = mapped_column(Boolean, default=False)
    #: Set: no login, and the tokens that are out are refused.
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Since when the account waits for an operator's approval; then it is disabled too.
    pending_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Of the user's own counter (UserState) when the account changed last: `sync` tells the user's other devices.
    version: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")

    @property
    def is_closed(self) -> bool:
        """Whether the account is disabled or erased."""
        return self.disabled_at is not None
