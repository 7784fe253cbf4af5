"""A WebSocket that sends exactly what a test chooses: packets that official clients never send."""

import json
import re

import websocket


class RawSocket:
    """Engine.IO over one WebSocket, packet by packet; answers pings."""

    def __init__(self, server, *, origin: str | None = None, timeout: float = 10) -> None:
        url = server.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
        options = {"origin": origin} if origin else {"suppress_origin": True}
        self.ws = websocket.create_connection(url, timeout=timeout, **options)
        self.open = json.loads(self.ws.recv()[1:])
        self._acks: dict[int, dict] = {}

    def connect(self, auth: dict | None) -> str:
        """Send CONNECT; return the raw answer ("40{...}" or "44{...}")."""
        self.send("40" + (json.dumps(auth) if auth is not None else ""))
        return self.receive()

    def send(self, text: str) -> None:
        """Send a packet."""
        self.ws.send(text)

    def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        self.ws.send_binary(data)

    def receive(self) -> str:
        """Return the next packet that is no ping, or "" if the connection is closed."""
        while True:
            try:
                packet = self.ws.recv()
            except websocket.WebSocketTimeoutException:
                raise AssertionError("nothing came in time") from None
            except (websocket.WebSocketException, ConnectionError):
                return ""
            if packet != "2":
                return packet
            self.ws.send("3")

    def ack(self, packet_id: int) -> dict:
        """Wait for the ack with this id; keep acks that arrive before it (a refusal needs no commit)."""
        while packet_id not in self._acks:
            packet = self.receive()
            assert packet, "closed before the ack came"
            if found := re.match(r"43(\d+)(?=\[)", packet):
                self._acks[int(found[1])] = json.loads(packet[found.end() :])[0]
        return self._acks.pop(packet_id)

    def is_closed(self) -> bool:
        """Skip packets until the connection is closed; fail if no packet comes in time."""
        while packet := self.receive():
            if packet in {"1", "41"}:
                continue
        return True

    def close(self) -> None:
        """Close the WebSocket."""
        self.ws.close()
