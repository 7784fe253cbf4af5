"""The fuzzer's targets: each takes bytes, and raises or fails an assertion if the code under test is wrong."""

from imapp.engine import socketio_packets
from imapp.engine.engineio_packets import PacketError, decode_payload
from imapp.engine.frames import CLOSE
from imapp.engine.parser import Control, Message, Parser, ProtocolError
from imapp.engine.socketio_packets import EnginePacket

LIMIT = 300

#: Length of the longest frame header, in bytes.
_HEADER_MAX = 14


def _read(pieces: list[bytes]) -> tuple[list[Message], int]:
    """Return the messages up to a close, and the code of the violation that ended them, or 0."""
    parser, out = Parser(LIMIT), []
    try:
        for piece in pieces:
            parser.feed(piece, out)
            assert len(parser._rest or b"") + len(parser._parts or b"") <= 2 * LIMIT + _HEADER_MAX
            if out and isinstance(out[-1], Control) and out[-1].opcode == CLOSE:
                break
    except ProtocolError as exc:
        return out, exc.code
    return out, 0


def frames(data: bytes) -> None:
    """Check that a stream gives the same however the network cuts it; `_read` checks the size of the buffers."""
    cut, stream = data[:1], data[1:]
    step = (cut[0] if cut else 0) % 31 + 1
    whole = _read([stream])
    assert whole == _read([stream[start : start + step] for start in range(0, len(stream), step)])


def packets(data: bytes) -> None:
    """Check that text is a Socket.IO packet or raises ValueError, and that the fast and the complete parser agree."""
    text = data.decode(errors="replace")
    plain, is_plain_refused = None, False
    try:
        plain = socketio_packets.decode_plain_event(text)
    except ValueError:
        is_plain_refused = True
    try:
        packet = EnginePacket(encoded_packet=text or "-")
    except ValueError:
        assert plain is None
        return
    assert not is_plain_refused
    if plain is not None:
        assert (packet.packet_type, packet.namespace, packet.id, packet.data) == (socketio_packets.EVENT, None, *plain)
    _attach(packet)


def _attach(packet: EnginePacket) -> None:
    """Add the attachments that the packet expects, as a client would."""
    if packet.attachment_count == 0:
        assert EnginePacket(encoded_packet=packet.encode()).data == packet.data
        return
    assert packet.attachment_count <= EnginePacket.attachments_max
    try:
        while not packet.add_attachment(b"\x01"):
            pass
    except ValueError:
        return
    assert isinstance(packet.data, list)


def payloads(data: bytes) -> None:
    """Check that the body of a polling request is decoded to packets or raises PacketError."""
    try:
        parts = decode_payload(data)
    except PacketError:
        return
    assert parts
    assert all(isinstance(part, str | bytes) for part in parts)


#: Target -> the fuzzer's first inputs, one of each kind.
SEEDS = {
    frames: [
        b"\x03\x81\x85\0\0\0\x004hello",
        b"\x01\x01\x82\0\0\0\x004a\x80\x81\0\0\0\0b\x82\x81\0\0\0\0\xff",
        b"\x05\x89\x81\0\0\0\0p\x88\x82\0\0\0\0\x03\xe8",
        b"\x1e\x81\xfe\0\x80\0\0\0\0" + b"4" * 128,
    ],
    packets: [
        b'2["e",1]',
        b'212["e"]',
        b'2/a,3["e",{"b":null}]',
        b'51-["e",{"_placeholder":true,"num":0}]',
        b"61-/a,7[1]",
        b"3/a,7[1]",
        b'0/a?b,{"token":"t"}',
        b"1/a,",
    ],
    payloads: [b"4a\x1e4b", b"bAQID\x1e3", b"1"],
}
