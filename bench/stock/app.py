"""The application for comparison: stock Flask-SocketIO as its documentation shows it, one commit for each message.

Environment: STOCK_DATABASE_URL, STOCK_SECRET (to read the same tokens). Run by bench/durable_sends.py with
`gunicorn -k geventwebsocket.gunicorn.workers.GeventWebSocketWorker -w 1`.
"""

import os
from datetime import UTC, datetime

import jwt
from flask import Flask, request
from flask_socketio import SocketIO, emit, join_room
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, DateTime, Integer, String, Text, UniqueConstraint, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base of the tables."""


db = SQLAlchemy(model_class=Base)
app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["STOCK_DATABASE_URL"]
if not os.environ["STOCK_DATABASE_URL"].startswith("sqlite"):
    # With the default pool (5 + 10) greenlets queue for connections and throughput falls by half.
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"pool_size": 100, "max_overflow": 0, "pool_timeout": 60}
db.init_app(app)
socketio = SocketIO(app, async_mode="gevent")
user_of: dict[str, int] = {}


class Message(db.Model):
    """A message."""

    __tablename__ = "stock_messages"
    __table_args__ = (UniqueConstraint("sender_id", "client_id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    sender_id: Mapped[int] = mapped_column(BigInteger)
    receiver_id: Mapped[int] = mapped_column(BigInteger, index=True)
    client_id: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime)


with app.app_context():
    if db.engine.dialect.name == "sqlite":

        @event.listens_for(db.engine, "connect")
        def _wal(connection, _record) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")

    db.create_all()


@socketio.on("connect")
def connect(auth):
    """Identify the user by the token."""
    claims = jwt.decode(auth["token"], os.environ["STOCK_SECRET"], algorithms=["HS256"], audience="imapp")
    user_of[request.sid] = int(claims["sub"])
    join_room(f"user:{claims['sub']}")


@socketio.on("disconnect")
def disconnect(_reason):
    """Forget the user."""
    user_of.pop(request.sid, None)


@socketio.on("send_message")
def send_message(data):
    """Store the message, push it to the receiver, acknowledge it."""
    message = Message(
        sender_id=user_of[request.sid],
        receiver_id=data["to_user_id"],
        client_id=data["client_id"],
        text=data["content"]["text"],
        created_at=datetime.now(UTC).replace(tzinfo=None),
    )
    db.session.add(message)
    db.session.commit()
    payload = {
        "id": message.id,
        "sender_id": message.sender_id,
        "client_id": message.client_id,
        "type": "text",
        "content": {"text": message.text},
        "created_at": message.created_at.isoformat() + "Z",
    }
    emit("message_created", {"message": payload}, to=f"user:{message.receiver_id}")
    return {"ok": True, "message": payload}
