"""Accounts."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from imapp.database.types import TABLE_OPTIONS, BigId, UtcDateTime
from imapp.extensions import Base


class User(Base):
    """One account. The columns from `email` on are visible to the user and to operators, never to other users."""

    __tablename__ = "users"
    # Search reads nicknames by prefix directly from the index, paged by (key, id).
    __table_args__ = (
        Index("ix_users_nickname_key_id", "nickname_key", "id"),
        # Only one of several usernames that look alike can be registered.
        Index("uq_users_name_digest", "name_digest", unique=True),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: As entered at registration; displayed, never compared.
    username: Mapped[str] = mapped_column(String(32))
    #: The username in PRECIS UsernameCaseMapped form; login and search compare it.
    username_key: Mapped[str] = mapped_column(String(96), unique=True)
    #: Digest shared by all usernames that look alike (services/accounts/usernames.py). It stays when the
    #: account is erased, so that nobody can take the name over. Null: registered before this rule,
    #: and a similar name existed already.
    name_digest: Mapped[str | None] = mapped_column(String(64))
    nickname: Mapped[str] = mapped_column(String(50))
    #: The nickname folded for search (NFKC, case-folded, cut).
    nickname_key: Mapped[str] = mapped_column(String(64))
    avatar_url: Mapped[str | None] = mapped_column(String(500))
    bio: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Number of changes of the public profile: of two copies, the one with the greater revision is newer.
    revision: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    email: Mapped[str | None] = mapped_column(String(254))
    phone: Mapped[str | None] = mapped_column(String(32))
    #: argon2id in its own text format; "!" (not a hash) means that nobody can log in with a password.
    password_hash: Mapped[str] = mapped_column(String(255))
    is_operator: Mapped[bool] = mapped_column(Boolean, default=False)
    #: If set, login and all issued tokens are refused.
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Time since which the account waits for an operator's approval; it is disabled meanwhile.
    pending_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Value of the user's own counter (UserState) at the latest change of the account, so that `sync` sends the change
    #: to the user's devices.
    version: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")

    @property
    def is_closed(self) -> bool:
        """Return whether the account is disabled or erased."""
        return self.disabled_at is not None
