"""The application for comparison on several nodes: stock Flask-SocketIO with its Redis queue, as documented.

Nothing is stored. Environment: STOCK_REDIS_URL, STOCK_SECRET (to read the same tokens). Run by bench/cluster.py with
`gunicorn -k geventwebsocket.gunicorn.workers.GeventWebSocketWorker -w 1`, one process for each node.
"""

import os
from datetime import UTC, datetime

import jwt
from flask import Flask, request
from flask_socketio import SocketIO, emit, join_room

app = Flask(__name__)
socketio = SocketIO(app, async_mode="gevent", message_queue=os.environ["STOCK_REDIS_URL"])
user_of: dict[str, int] = {}


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
    """Push the message to the receiver on any node, and acknowledge it."""
    payload = {
        "sender_id": user_of[request.sid],
        "client_id": data["client_id"],
        "type": "text",
        "content": data["content"],
        "created_at": datetime.now(UTC).isoformat(),
    }
    emit("message_created", {"message": payload}, to=f"user:{data['to_user_id']}")
    return {"ok": True, "message": payload}
