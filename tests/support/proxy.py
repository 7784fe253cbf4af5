"""A faulty network: a TCP proxy that can swallow, delay and cut its traffic."""

import socket
import threading
import time
from contextlib import suppress


class Proxy:
    """A proxy in front of `port` of this machine; its faults are switched on and off while it runs."""

    def __init__(self, port: int, host: str = "127.0.0.1", receive_buffer: int | None = None) -> None:
        self._target = port
        self._listener = socket.create_server((host, 0))
        if receive_buffer:  # how much a client may send before the server must read
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://{host}:{self.port}"
        #: The server's bytes are read and discarded.
        self.swallows = False
        #: Nothing passes, not even the close of one side: both connections are half-open.
        self.is_silent = False
        #: Seconds by which each piece is delayed, in both directions.
        self.delay = 0.0
        #: A client's piece that contains this is passed on and its answer is lost: the connection breaks, or no further
        #: answer arrives if `breaks_then` is false.
        self.loses_answer_to = b""
        self.breaks_then = True
        #: Number of discarded bytes: 0 means that the fault did not happen.
        self.swallowed = 0
        self._open: list[socket.socket] = []
        self._passable = threading.Event()
        self._passable.set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:  # no server listens there now
                client.close()
                continue
            self._open += [client, server]
            doomed = threading.Event()
            for source, sink, is_answer in ((client, server, False), (server, client, True)):
                arguments = source, sink, is_answer, doomed
                thread = threading.Thread(target=self._carry, args=arguments, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _carry(self, source: socket.socket, sink: socket.socket, is_answer: bool, doomed: threading.Event) -> None:
        with suppress(OSError):
            while piece := source.recv(65_536):
                time.sleep(self.delay)
                self.look_at(source, piece)
                self._passable.wait()
                if not is_answer and self.loses_answer_to and self.loses_answer_to in piece:
                    doomed.set()
                if not self.is_silent and not (is_answer and (self.swallows or doomed.is_set())):
                    sink.sendall(piece)
                    continue
                self.swallowed += len(piece)
                if is_answer and doomed.is_set() and self.breaks_then:
                    break
        if not self.is_silent:
            with suppress(OSError):
                sink.shutdown(socket.SHUT_WR)

    def hold(self) -> None:
        """Hold back all traffic, in both directions, until `release`."""
        self._passable.clear()

    def release(self) -> None:
        """Pass on the traffic that was held back, and go on."""
        self._passable.set()

    def turn_to(self, port: int) -> int:
        """Connect to another port from now on, and cut all connections; return the port before."""
        before, self._target = self._target, port
        self.cut()
        return before

    def look_at(self, source: socket.socket, piece: bytes) -> None:
        """Inspect a piece from `source` before it is passed on; subclasses inject faults here."""

    def cut(self) -> None:
        """Break every open connection."""
        while self._open:
            one = self._open.pop()
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        """Stop the proxy."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.release()
        self.cut()
        for thread in self._threads:
            thread.join(10)
