"""The gunicorn worker of IM_TRANSPORT=stock: the one of gevent-websocket, with the limits that its parts lack.

Flask-SocketIO's documentation names this worker. It serves HTTP with gevent's pywsgi instead of gunicorn's parser, and
gevent-websocket 0.10.1 (2017, the last release) trusts its clients. The classes below override methods of both
(docs/decisions/0022-stock-transport.md). gunicorn imports this module only if the settings choose the transport.
"""

import logging
import re
import socket
import time
from contextlib import suppress
from email.errors import MessageDefect
from http.client import HTTPException
from typing import Any

from gevent import GreenletExit, Timeout, sleep, spawn_later
from gevent.lock import RLock
from geventwebsocket.exceptions import ProtocolError, WebSocketError
from geventwebsocket.gunicorn.workers import GeventWebSocketWorker
from geventwebsocket.handler import WebSocketHandler
from geventwebsocket.websocket import Header, WebSocket
from gunicorn.workers.ggevent import PyWSGIServer

from imapp.engine.frames import NORMAL, POLICY, TOO_BIG
from imapp.engine.parser import unmask
from imapp.logs import get_logger
from imapp.node import node_of
from imapp.settings import Settings

log = get_logger(__name__)

#: Maximum bytes of all header lines of a request; pywsgi accepts 100 lines of 64 KiB.
_HEADERS_BYTES = 65_536

#: The packets that an Engine.IO client may send over a WebSocket: Socket.IO packets, close, ping, pong and upgrade.
_PACKET = re.compile(r"4[0-6]|[1235]")

#: Maximum number of pings and pongs that a client may send within a second; more close the connection (1008).
_CONTROLS_A_SECOND = 50

#: Milliseconds that sent data may stay unacknowledged before the kernel drops the connection.
_USER_TIMEOUT_MS = 20_000

#: Seconds that a peer has to answer a close frame. A suspended app never does, though its kernel acknowledges the data.
_CLOSE_SECONDS = 5.0

#: gevent-websocket's logger. It copies headers of strangers into warnings, so warnings are off.
_library_log = logging.getLogger("geventwebsocket")
_library_log.setLevel(logging.ERROR)


class FastHeader(Header):  # type: ignore[misc]  # the library has no types
    """The header of a frame. The library unmasks byte by byte in Python, which stops the node for 0.1 s for each MB."""

    __slots__ = ()

    mask: bytes

    def unmask_payload(self, payload: bytes) -> bytes:
        """Return the payload without its mask."""
        return unmask(self.mask, payload)


class Stream:
    """The bytes of one WebSocket: the answer to the handshake first, then complete writes, one after the other."""

    def __init__(self, handler: "Handler") -> None:
        self._handler = handler
        #: Held while a greenlet writes: a pong must not get into the middle of a packet that waits for a slow peer.
        self._turn = RLock()

    def read(self, size: int) -> bytes:
        """Return `size` bytes, or fewer if the connection has ended."""
        self._open()
        data: bytes = self._handler.rfile.read(size)
        return data

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        self._open()
        with self._turn:
            self._handler.socket.sendall(data)

    def _open(self) -> None:
        if not self._handler.has_switched:
            with self._turn:
                self._handler.switch_protocols()


class BoundedWebSocket(WebSocket):  # type: ignore[misc]  # the library has no types
    """A WebSocket that bounds messages and pings, and that ends when its peer does not answer a close frame."""

    handler: "Handler"
    stream: Stream | None

    def __init__(self, environ: dict[str, Any], handler: "Handler", max_bytes: int) -> None:
        super().__init__(environ, Stream(handler), handler)
        self._max_bytes = max_bytes
        #: Bytes that the frames of the current message may still have.
        self._left = max_bytes
        self._controls = self._second = 0
        self._is_closing = False

    def settimeout(self, seconds: float) -> None:
        """Limit each read and write; python-engineio calls this with the time after which a silent client is gone."""
        self.handler.socket.settimeout(seconds)

    # -- in ----------------------------------------------------------------------------------------------------------

    def receive(self) -> str | bytearray | None:
        """Return the next packet, None if the connection has ended or the client breaks Engine.IO's protocol."""
        packet: str | bytearray | None = None if self._is_closing else super().receive()
        return None if isinstance(packet, str) and not _PACKET.match(packet) else packet

    def read_message(self) -> str | bytearray | None:
        """Return the next message; None after a close frame."""
        self._left = self._max_bytes
        message: str | bytearray | None = super().read_message()
        return message

    def read_frame(self) -> tuple[FastHeader, bytes]:
        """Return the next frame. A message that is too large is refused before its payload is read."""
        sleep(0)  # a flood, of which some bytes are always there, would keep the node's only thread
        stream = self.stream
        if stream is None:
            raise WebSocketError("closed")
        header = FastHeader.decode_header(stream)
        if self._is_closing:
            raise WebSocketError("closed")  # the peer's answer to the close frame, or a message that comes too late
        self._check(header)
        payload = stream.read(header.length) if header.length else b""
        if len(payload) != header.length:
            raise WebSocketError("the connection ended in a frame")
        return header, header.unmask_payload(payload)

    def _check(self, header: FastHeader) -> None:
        if header.flags or not header.mask:
            raise ProtocolError("reserved bits, or a frame without a mask")
        if header.opcode >= self.OPCODE_CLOSE:
            self._count_control()
            return
        self._left -= header.length
        if self._left < 0:
            self._fail(TOO_BIG)

    def _count_control(self) -> None:
        second = int(time.monotonic())
        self._controls = self._controls + 1 if second == self._second else 1
        self._second = second
        if self._controls > _CONTROLS_A_SECOND:
            self._fail(POLICY)

    def _fail(self, code: int) -> None:
        self.close(code)
        raise WebSocketError(f"closed with {code}")

    def validate_utf8(self, payload: bytes) -> None:
        """Leave the check to the decoding: the library's own takes each byte twice, in Python."""

    # -- out ---------------------------------------------------------------------------------------------------------

    def _encode_bytes(self, text: str | bytes) -> bytes:
        return text if isinstance(text, bytes) else text.encode()

    def close(self, code: int = NORMAL, message: bytes = b"") -> None:
        """Send a close frame with this code, and shut the socket down if the peer does not close it in _CLOSE_SECONDS.

        The library sends no code and sets no time. Without an answered handshake, send nothing.
        """
        if self._is_closing:
            return
        self._is_closing = True
        if not self.handler.has_switched:
            self.closed = True
            return
        spawn_later(_CLOSE_SECONDS, _hang_up, self.handler.socket)
        super().close(code, code.to_bytes(2, "big"))


def _hang_up(sock: Any) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class HeaderLines:
    """The header lines of a request, bounded, without the forms by which two servers read different requests."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = _HEADERS_BYTES

    def readline(self, size: int) -> bytes:
        """Return the next line; raises ValueError if it is folded, has a stray CR or NUL, or exceeds the limit."""
        line: bytes = self._file.readline(min(size, self._left + 1))
        self._left -= len(line)
        text = line.removesuffix(b"\n").removesuffix(b"\r")
        if self._left < 0 or text[:1] in {b" ", b"\t"} or b"\r" in text or b"\0" in text:
            raise ValueError("header line refused")
        return line


class Handler(WebSocketHandler):  # type: ignore[misc]  # the library has no types
    """One connection: its requests, with gunicorn's limits, and perhaps its WebSocket."""

    websocket: BoundedWebSocket
    #: Whether the handshake has been accepted.
    has_switched = False
    _head_ends = 0.0
    _switch: tuple[str, list[tuple[str, str]]]

    @property
    def _settings(self) -> Settings:
        return node_of(self.server.application).settings

    @property
    def logger(self) -> logging.Logger:
        """Return the logger of gevent-websocket."""
        return _library_log

    def handle(self) -> None:
        """Serve the connection; a client that goes away early is no error."""
        with suppress(OSError):
            super().handle()

    # -- requests ----------------------------------------------------------------------------------------------------

    def read_requestline(self) -> str:
        """Return the first line; raises TimeoutError if the client sends none in the keep-alive time."""
        self._head_ends = time.monotonic() + self._settings.keepalive_seconds
        with Timeout(self._settings.keepalive_seconds, TimeoutError()):
            line: str = super().read_requestline()
        return line

    def read_request(self, raw_requestline: str) -> bool:
        """Read the headers, in what is left of the keep-alive time; raises ValueError for an invalid request."""
        left = max(0.001, self._head_ends - time.monotonic())
        try:
            with Timeout(left, TimeoutError()):
                super().read_request(raw_requestline)
        except (HTTPException, LookupError, OSError) as exc:  # pywsgi would print a traceback for each
            raise ValueError(type(exc).__name__) from exc
        if self.request_version == "HTTP/0.9":
            raise ValueError("HTTP/0.9")
        return True

    def MessageClass(self, file: Any, *args: Any) -> Any:  # noqa: N802 - the library's name
        """Return the headers; raises ValueError if the end of the body is not stated exactly once."""
        headers = super().MessageClass(HeaderLines(file), *args)
        lengths, codings = headers.get_all("content-length", []), headers.get_all("transfer-encoding", [])
        defects: list[MessageDefect] = headers.defects
        if defects or headers.get_payload() or len(lengths) + len(codings) > 1:
            raise ValueError("headers refused")
        if not all(re.fullmatch("[0-9]+", length) for length in lengths) or codings not in ([], ["chunked"]):
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
        names = {name.lower() for name, _ in self.response_headers}
        if self.close_connection and b"connection" not in names:
            self.response_headers.append((b"Connection", b"close"))

    # -- WebSocket ---------------------------------------------------------------------------------------------------

    def upgrade_websocket(self) -> list[bytes] | None:
        """Prepare a WebSocket if the request is a handshake; return the body of the refusal of an invalid one."""
        refusal = super().upgrade_websocket()
        return refusal and [text.encode() for text in refusal]  # pywsgi cannot send the library's str

    def upgrade_connection(self) -> list[str] | None:
        """Put our WebSocket in the place of the library's."""
        try:
            refusal: list[str] | None = super().upgrade_connection()
        except ValueError:  # a key that is not base64
            self.start_response("400 Bad Request", [])
            return ["Invalid key"]
        if refusal is None:
            self.websocket.closed = True  # the library's sends a close frame when it is collected
            self.websocket = BoundedWebSocket(self.environ, self, self._settings.max_payload_bytes)
            self.environ["wsgi.websocket"] = self.websocket
        return refusal

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Begin the answer; the one to a handshake waits for `switch_protocols`."""
        if status.startswith("101 "):
            self._switch = (status, headers)
            return None
        return super().start_response(status, headers, exc_info)

    def switch_protocols(self) -> None:
        """Accept the handshake when the app first uses the WebSocket.

        The library accepts it before the app sees it. Then Nginx would not try the next node while this one drains.
        """
        if not self.has_switched:
            self.has_switched = True
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
            super().start_response(*self._switch)
            self.write(b"")

    def run_websocket(self) -> None:
        """Call the app; it uses the WebSocket, or refuses the handshake with an answer."""
        try:
            self.result = self.application(self.environ, self._refuse)
            if not self.has_switched:
                self.process_result()
        finally:
            self.websocket.close()
            del self.websocket  # the library takes the next request for a WebSocket, too, if this is left
            close, self.result = getattr(self.result, "close", None), None
            if close is not None:
                close()

    def _refuse(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Begin an answer instead of the WebSocket; do nothing if the app has used the WebSocket."""
        if self.has_switched:
            return None
        self.environ["wsgi.websocket"] = None
        self.close_connection = True
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

    def update_environ(self) -> None:
        """Name the server by its address: pywsgi asks the DNS at start, which takes long when the DNS is away."""
        self.environ.setdefault("SERVER_NAME", str(self.address[0]))
        super().update_environ()


class WebSocketWorker(GeventWebSocketWorker):  # type: ignore[misc]  # the library has no types
    """The worker of gevent-websocket with this module's server and handler."""

    server_class = Server
    wsgi_handler = Handler
