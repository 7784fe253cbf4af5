"""The wire format between nodes of this version and of the previous one."""

import orjson
import pytest

from imapp.cluster.bus import envelope
from imapp.cluster.bus.envelope import Emit, NodeCommand, Stamp

STAMP = Stamp(1_764_030_645_123.456, "12-345", None)
PACKETS = (['2["message_created",{}]'], ['51-["e",{"_placeholder":true,"num":0}]', b"\x00bytes"], ["2[é]"])


def decode_as_before(body: bytes) -> Emit:
    """Decode an emit as the version without stamps did."""
    end = 5 + int.from_bytes(body[1:5], "big")
    rooms, skip, namespace, number, ack, lengths = orjson.loads(body[5:end])
    parts: list[str | bytes] = []
    for length in lengths:
        part = body[end : end + length]
        parts.append(part if parts else part.decode())
        end += length
    return Emit(parts, rooms, skip, namespace, number, ack and tuple(ack))


@pytest.mark.parametrize("packet", PACKETS)
@pytest.mark.parametrize("stamp", [None, STAMP])
@pytest.mark.parametrize("told", [0, 41])
def test_an_emit_arrives_unchanged(packet, stamp, told):
    sent = Emit(packet, ["conv:12"], ["node-1~a"], "/", "node-1~7", ("node-1", 3), stamp, told)

    assert envelope.decode(envelope.encode(sent)) == sent


@pytest.mark.parametrize("packet", PACKETS)
def test_a_node_of_the_previous_version_reads_a_stamped_emit_without_the_stamp(packet):
    sent = Emit(packet, [], ["node-1~a"], stamp=STAMP, told=41)

    read = decode_as_before(envelope.encode(sent))
    assert (read.packet, read.rooms) == (packet, [])
    assert read.skip[0] == "node-1~a"
    number, mark = read.skip[1:]  # they exclude no recipient: neither can be a session's id
    assert number == 41
    assert mark.startswith(envelope.SID_MARK)


def test_an_emit_of_the_previous_version_has_no_stamp():
    packet = '2["message_created",{}]'
    head = orjson.dumps([[], ["node-1~a"], "/", None, None, [len(packet)]])
    body = b"E" + len(head).to_bytes(4, "big") + head + packet.encode()

    assert envelope.decode(body) == Emit([packet], [], ["node-1~a"])


def test_additions_of_a_later_version_to_a_stamp_are_ignored():
    body = envelope.encode(Emit(["2[]"])) + orjson.dumps([*STAMP, "more"])

    assert envelope.decode(body) == Emit(["2[]"], stamp=STAMP)


def test_an_order_arrives_unchanged():
    assert envelope.decode(envelope.encode(NodeCommand("enter", "conv:1", "conv:2"))) == NodeCommand(
        "enter", "conv:1", "conv:2"
    )
