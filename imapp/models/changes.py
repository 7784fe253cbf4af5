"""The change log of conversations, which `sync` reads."""

from datetime import datetime

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from imapp.database.types import UtcDateTime
from imapp.extensions import Base
from imapp.models.messages import CLUSTERED


class Change(Base):
    """One numbered change of a conversation.

    An event that carries a message stores only the message's `seq`: `sync` returns the message in its current state.
    Other events store their payload.
    """

    __tablename__ = "changes"
    __table_args__ = (CLUSTERED,)

    conversation_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    change: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    #: Name of the pushed event, for example message_created.
    event: Mapped[str] = mapped_column(String(32))
    seq: Mapped[int | None] = mapped_column(BigInteger)
    #: JSON payload of the event; null if the event is described by `seq` alone.
    data: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
