"""A Socket.IO connection without a network: packets go directly to the server in the test's process.

All of the product runs, from the handshake on; two queues replace the engine below Socket.IO.
"""

import threading
from collections import deque
from typing import Any
from uuid import uuid4

import orjson
from socketio.packet import ACK, CONNECT_ERROR, EVENT, Packet

from imapp.extensions import socketio


class InProcessClient:
    """A connection; pushes wait in `inbox` as (event, payload)."""

    def __init__(self, token: str) -> None:
        self.closed = False
        self.inbox: deque[tuple[str, dict[str, Any]]] = deque()
        self._acks: dict[int, dict[str, Any]] = {}
        self._came = threading.Condition()
        self._calls = 0
        self._server = socketio.server
        self._eio_sid = uuid4().hex
        self._server.eio.sockets[self._eio_sid] = self
        self._server._handle_eio_connect(self._eio_sid, {})
        self._server._handle_eio_message(self._eio_sid, "0" + orjson.dumps({"token": token}).decode())

    def send(self, packet: Any) -> None:
        """Receive an Engine.IO packet; called by the server."""
        decoded = Packet(encoded_packet=packet.data)
        assert decoded.packet_type != CONNECT_ERROR, decoded.data
        with self._came:
            if decoded.packet_type == EVENT:
                self.inbox.append((decoded.data[0], decoded.data[1]))
            elif decoded.packet_type == ACK:
                self._acks[decoded.id] = decoded.data[0]
            self._came.notify_all()

    def call(self, command: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send a command and return its ack."""
        self._calls += 1
        call_id = self._calls
        packet = f"2{call_id}" + orjson.dumps([command, payload]).decode()
        self._server._handle_eio_message(self._eio_sid, packet)
        with self._came:
            assert self._came.wait_for(lambda: call_id in self._acks, 30), f"no ack of {command}"
        return self._acks.pop(call_id)

    def close(self, **_options: Any) -> None:
        """Break the connection; also called by the server to close it."""
        if not self.closed:
            self.closed = True
            self._server.eio.sockets.pop(self._eio_sid, None)
            self._server._handle_eio_disconnect(self._eio_sid, "transport close")
