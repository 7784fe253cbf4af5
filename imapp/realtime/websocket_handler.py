"""The connections of IM_TRANSPORT=stock: gevent-websocket's handler and WebSocket, with the limits that they lack.

gevent-websocket 0.10.1 (2017, the last release) trusts its clients, and so does gevent's pywsgi, which serves HTTP
below it. The classes override methods of both (docs/decisions/0022-stock-transport.md).
"""

import logging
import re
import socket
import time
from contextlib import suppress
from http.client import HTTPException
from io import BytesIO
from typing import Any

from gevent import GreenletExit, Timeout, sleep, spawn_later
from gevent.lock import RLock
from geventwebsocket.exceptions import ProtocolError, WebSocketError
from geventwebsocket.handler import WebSocketHandler
from geventwebsocket.websocket import Header, Stream, WebSocket
from gunicorn.workers.ggevent import PyWSGIServer

from imapp.engine.frames import NORMAL, POLICY, TOO_BIG
from imapp.engine.parser import unmask
from imapp.logs import get_logger
from imapp.node import node_of
from imapp.settings import Settings

log = get_logger(__name__)

#: Maximum bytes of all header lines of a request; pywsgi accepts 100 lines of 64 KiB.
_HEADERS_BYTES = 65_536

#: A header line that all servers read alike: not folded, no space before the colon, no CR or NUL in the value.
_HEADER_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r?\n")

#: The packets that an Engine.IO client may send over a WebSocket: Socket.IO packets, close, ping, pong and upgrade.
_PACKET = re.compile(r"4[0-6]|[1235]")

#: Maximum number of pings and pongs that a client may send within a second; more close the connection (1008).
_CONTROLS_A_SECOND = 50

#: Milliseconds that sent data may stay unacknowledged before the kernel drops the connection.
_USER_TIMEOUT_MS = 20_000

#: Seconds that a peer has to answer a close frame. A suspended app never does, though its kernel acknowledges the data.
_CLOSE_SECONDS = 2.0


class BoundedWebSocket(WebSocket):  # type: ignore[misc]  # the library has no types
    """A WebSocket that bounds messages and pings, and that ends when its peer does not answer a close frame.

    It is closed until the app accepts the handshake: a WebSocket that is not closed sends a close frame when it is
    collected.
    """

    handler: "Handler"

    def __init__(self, handler: "Handler", max_bytes: int) -> None:
        super().__init__(handler.environ, Stream(handler), handler)
        self.closed = True
        self._max_bytes = max_bytes
        #: Bytes of the current message so far, as its frames announce them.
        self._size = 0
        #: The current second (monotonic) and the number of control frames in it.
        self._second = self._controls = 0
        #: Held while a greenlet writes: a pong must not get into the middle of a packet that waits for a slow peer.
        self._turn = RLock()

    def settimeout(self, seconds: float) -> None:
        """Accept the handshake, and limit each read and write to the time after which a silent client is gone.

        python-engineio calls this when it takes the WebSocket. The library accepts before the app sees the request:
        then Nginx would not try the next node while this one drains.
        """
        self.handler.socket.settimeout(seconds)
        self.handler.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
        self.handler.switch_protocols()
        self.closed = False

    def receive(self) -> str | bytearray | None:
        """Return the next packet, None if the connection has ended or the client breaks Engine.IO's protocol."""
        packet: str | bytearray | None = None if self.closed else super().receive()
        return None if isinstance(packet, str) and not _PACKET.match(packet) else packet

    def read_frame(self) -> tuple[Header, bytes]:
        """Return the next frame. A message that is too large is refused before its payload is read."""
        stream = self.stream
        sleep(0)  # a flood, of which some bytes are always there, would keep the node's only thread
        header = Header.decode_header(stream)
        if self.closed:  # by another greenlet: this is the answer to the close frame, or a message that comes too late
            raise WebSocketError("closed")
        self._check(header)
        payload = stream.read(header.length)
        if len(payload) != header.length:
            raise WebSocketError("the connection ended in a frame")
        return header, unmask(header.mask, payload)  # the library's own takes 0.1 s for each MB

    def _check(self, header: Header) -> None:
        if header.flags or not header.mask:
            raise ProtocolError("reserved bits, or a frame without a mask")
        if header.opcode >= self.OPCODE_CLOSE:
            second = int(time.monotonic())
            self._controls = self._controls + 1 if second == self._second else 1
            self._second = second
            if self._controls > _CONTROLS_A_SECOND:
                self._fail(POLICY)
            return
        self._size = header.length + (self._size if header.opcode == self.OPCODE_CONTINUATION else 0)
        if self._size > self._max_bytes:
            self._fail(TOO_BIG)

    def _fail(self, code: int) -> None:
        self.close(code)
        raise WebSocketError(f"closed with {code}")

    def validate_utf8(self, payload: bytes) -> None:
        """Leave the check to the decoding: the library's own takes each byte twice, in Python."""

    def send_frame(self, message: str | bytes, opcode: int) -> None:
        """Send a frame as a whole."""
        with self._turn:
            super().send_frame(message, opcode)

    def _encode_bytes(self, text: str | bytes) -> bytes:
        return text if isinstance(text, bytes) else text.encode()

    def close(self, code: int = NORMAL, message: bytes = b"") -> None:
        """Send a close frame with this code, and shut the socket down if the peer does not close it in _CLOSE_SECONDS.

        The library sends no code and sets no time.
        """
        if not self.closed:
            spawn_later(_CLOSE_SECONDS, _hang_up, self.handler.socket)
            super().close(code, code.to_bytes(2, "big"))


def _hang_up(sock: Any) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class Handler(WebSocketHandler):  # type: ignore[misc]  # the library has no types
    """One connection: its requests, with gunicorn's limits, and perhaps its WebSocket."""

    websocket: BoundedWebSocket
    status: bytes | None
    #: When the headers of the current request must be complete (monotonic).
    _headers_due = 0.0
    #: The status line with which the app accepts the handshake.
    _switching: bytes | None = None

    @property
    def _settings(self) -> Settings:
        return node_of(self.server.application).settings

    def handle(self) -> None:
        """Serve the connection; a client that goes away early is no error."""
        with suppress(OSError):
            super().handle()

    # -- requests ----------------------------------------------------------------------------------------------------

    def read_requestline(self) -> str:
        """Return the first line; raises TimeoutError if the client sends none in the keep-alive time."""
        self._headers_due = time.monotonic() + self._settings.keepalive_seconds
        with Timeout(self._settings.keepalive_seconds, TimeoutError()):
            line: str = super().read_requestline()
        return line

    def read_request(self, raw_requestline: str) -> bool:
        """Read the headers, in what is left of the keep-alive time; raises ValueError for an invalid request."""
        left = max(0.001, self._headers_due - time.monotonic())
        try:
            with Timeout(left, TimeoutError()):
                super().read_request(raw_requestline)
        except (HTTPException, LookupError, OSError) as exc:  # pywsgi would print a traceback for each
            raise ValueError(type(exc).__name__) from exc
        if self.request_version not in {"HTTP/1.0", "HTTP/1.1"}:
            raise ValueError("version refused")
        return True

    def MessageClass(self, file: Any, *args: Any) -> Any:  # noqa: N802 - the library's name
        """Return the headers; raises ValueError for those of which two servers may read different requests."""
        lines, left = [], _HEADERS_BYTES
        while (line := file.readline(left)) not in {b"\r\n", b"\n"}:
            left -= len(line)
            if not _HEADER_LINE.fullmatch(line):  # also when the limit cuts the line
                raise ValueError("header line refused")
            lines.append(line)
        headers = super().MessageClass(BytesIO(b"".join(lines)), *args)
        lengths, codings = headers.get_all("content-length", []), headers.get_all("transfer-encoding", [])
        if len(lengths) + len(codings) > 1 or codings not in ([], ["chunked"]):
            raise ValueError("the body has more than one length")
        if lengths and not re.fullmatch("[0-9]+", lengths[0]):
            raise ValueError("length of the body refused")
        return headers

    def get_environ(self) -> dict[str, Any]:
        """Return the environ with the socket, for its deadlines, and with an input that ends with the body.

        For any request that mentions an upgrade, pywsgi gives the app the bare connection as its body.
        """
        environ: dict[str, Any] = super().get_environ()
        environ["gunicorn.socket"] = self.socket
        environ["wsgi.input"] = self.wsgi_input
        environ["wsgi.input_terminated"] = True
        if self.wsgi_input.chunked_input:
            self.close_connection = True  # pywsgi does not tell whether the framing was valid to its end
        return environ

    def run_application(self) -> None:
        """Answer the request, then skip what the app has left of the body."""
        try:
            super().run_application()
        finally:
            self._skip_body()

    def _skip_body(self) -> None:
        """Read the rest of the body for the keep-alive time; close the connection if there is more. pywsgi reads on."""
        with suppress(OSError), Timeout(self._settings.keepalive_seconds, TimeoutError()):
            self.wsgi_input._discard()
            return
        self.close_connection = True
        self.wsgi_input.content_length, self.wsgi_input.chunked_input = None, False

    def finalize_headers(self) -> None:
        """Complete the headers: the server's name, as with gunicorn, and whether the connection ends."""
        super().finalize_headers()
        self.response_headers.append((b"Server", b"imapp"))
        if self.close_connection and b"connection" not in {name.lower() for name, _ in self.response_headers}:
            self.response_headers.append((b"Connection", b"close"))

    # -- WebSocket ---------------------------------------------------------------------------------------------------

    def upgrade_websocket(self) -> list[bytes] | None:
        """Prepare a WebSocket if the request is a handshake; return the body of the refusal of an invalid one."""
        try:
            refusal = super().upgrade_websocket()
        except ValueError:  # a key that is not base64
            self.start_response("400 Bad Request", [])
            refusal = ["Invalid key"]
        if refusal is not None:
            self.close_connection = True
            return [text.encode() for text in refusal]  # pywsgi cannot send the library's str
        if hasattr(self, "websocket"):
            self.websocket.closed = True  # the library's WebSocket
            self.websocket = self.environ["wsgi.websocket"] = BoundedWebSocket(self, self._settings.max_payload_bytes)
            self._switching, self.status = self.status, None  # without a status, the library sends nothing yet
        return None

    def switch_protocols(self) -> None:
        """Send the answer that accepts the handshake."""
        self.status = self._switching
        self.write(b"")

    def run_websocket(self) -> None:
        """Call the app. It takes the WebSocket, or refuses the handshake with an answer."""
        try:
            self.result = self.application(self.environ, self._refuse)
            if not self.headers_sent:
                self.process_result()
        finally:
            self.websocket.close()
            del self.websocket  # each refers to the other
            if hasattr(self.result, "close"):
                self.result.close()

    def _refuse(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Begin an answer instead of the WebSocket; python-engineio also begins one after the WebSocket's end."""
        if self.headers_sent:
            return None
        self.environ["wsgi.websocket"] = None
        return self.start_response(status, headers, exc_info)

    # -- the log -----------------------------------------------------------------------------------------------------

    def log_request(self) -> None:
        """Write nothing: imapp.api has its own access log, without queries."""

    def log_error(self, msg: str, *args: Any) -> None:
        """Log an invalid request; pywsgi writes its text, with the query, to the standard error."""
        log.info("request_malformed", remote=str(self.client_address[0]))

    def handle_error(self, kind: type[BaseException], value: BaseException, traceback: Any) -> None:
        """Log an error as gunicorn does; answer 500 unless some of the answer is sent, which pywsgi does not check."""
        self.close_connection = True
        if issubclass(kind, GreenletExit):
            return
        logging.getLogger("gunicorn.error").error("Error handling request", exc_info=(kind, value, traceback))
        if not self.headers_sent and not isinstance(value, OSError):
            self._send_error_response_if_possible(500)


class Server(PyWSGIServer):  # type: ignore[misc]  # the library has no types
    """The server of one listening socket."""

    #: gevent-websocket's logger. It copies headers of strangers into warnings, so warnings are off.
    logger = logging.getLogger("geventwebsocket")
    logger.setLevel(logging.ERROR)

    def update_environ(self) -> None:
        """Name the server by its address: pywsgi asks the DNS at start, which takes long when the DNS is away."""
        self.environ.setdefault("SERVER_NAME", str(self.address[0]))
        super().update_environ()
