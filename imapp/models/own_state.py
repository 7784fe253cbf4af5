"""A version counter for each user's own state, and the epoch of the whole database."""

from sqlalchemy import BigInteger, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from imapp.database.types import TABLE_OPTIONS
from imapp.extensions import Base


class UserState(Base):
    """The number of changes of a user's own state (contacts, settings, read marks, ...): the sync cursor.

    The counter has a separate row, so that taking a number does not lock the user's profile.
    """

    __tablename__ = "user_states"
    __table_args__ = (TABLE_OPTIONS,)

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger, default=0)


class ServerState(Base):
    """One row: the epoch, a random name that changes when the database is restored from a backup."""

    __tablename__ = "server_state"
    __table_args__ = (TABLE_OPTIONS,)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    epoch: Mapped[str] = mapped_column(String(32))
