"""The raw client of the conformance server, which greets with an event in each namespace."""

from tests.support.clients.raw import RawSocket

#: Seconds after which an expected packet or close is overdue.
PATIENCE = 5.0


class Talker(RawSocket):
    """A raw socket at host:port/path."""

    def __init__(self, address: str, headers: dict[str, str] | None = None, **query: str) -> None:
        super().__init__(f"http://{address}", timeout=PATIENCE, headers=headers, **query)

    def connect(self, packet: str = "40") -> str:
        """Send CONNECT and skip the `auth` event; return the answer."""
        self.send(packet)
        answer = self.receive()
        assert '"auth"' in self.receive()
        return answer
