"""A name server with a few names, for programs that query one themselves."""

import socket
import struct
import threading


class NameServer:
    """Answers queries for IPv4 addresses from `names`, which may change meanwhile; other names do not exist."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self.names = names
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the server."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            question, asker = self._socket.recvfrom(512)
            if not question:
                return
            self._socket.sendto(self._answer(question), asker)

    def _answer(self, question: bytes) -> bytes:
        name, end = self._name(question)
        addresses = self.names.get(name, [])
        flags = 0x8180 if name in self.names else 0x8183
        header = question[:2] + struct.pack("!5H", flags, 1, len(addresses), 0, 0)
        records = [
            # A pointer to the queried name, type A, class IN, TTL one second.
            struct.pack("!HHHIH", 0xC00C, 1, 1, 1, 4) + socket.inet_aton(address)
            for address in addresses
        ]
        return header + question[12 : end + 4] + b"".join(records)

    @staticmethod
    def _name(question: bytes) -> tuple[str, int]:
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode())
            at += 1 + question[at]
        return ".".join(labels), at + 1
