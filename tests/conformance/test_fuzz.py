"""Arbitrary bytes cause no crash, no hang and no growth, and do not disturb other clients."""

import platform
import random
import socket
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imapp.engine.engineio_packets import PacketError, TooLarge, decode_payload
from imapp.engine.frames import BINARY, TEXT
from imapp.engine.parser import Control, Message, Parser, ProtocolError, unmask
from imapp.engine.socketio_packets import EnginePacket
from tests.fuzz import targets
from tests.support.server import ROOT

LIMIT = 2000

#: Platforms on which requirements-dev.in installs atheris; if it is missing there, the test fails.
HAS_ATHERIS = (sys.platform, platform.machine()) == ("linux", "x86_64") and sys.version_info < (3, 14)

messages = st.lists(st.one_of(st.text(max_size=300), st.binary(max_size=300)), max_size=6)


def masked(head: int, payload: bytes, key: bytes = b"\x11\x22\x33\x44") -> bytes:
    """Return a frame as a client sends it."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([head]) + length + key + unmask(key, payload)


@st.composite
def streams(draw) -> tuple[list[str | bytes], bytes]:
    """Draw messages and the bytes of their frames, cut into fragments at random, with pings between them."""
    said = draw(messages)
    stream = bytearray()
    for message in said:
        opcode, data = (TEXT, message.encode()) if isinstance(message, str) else (BINARY, message)
        cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
        parts = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        for index, part in enumerate(parts):
            final = 0x80 if index == len(parts) - 1 else 0
            stream += masked(final | (opcode if index == 0 else 0), part, draw(st.binary(min_size=4, max_size=4)))
            if draw(st.booleans()):
                stream += masked(0x89, b"between")
    return said, bytes(stream)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """Cut the stream into pieces."""
    places = sorted(place % (len(stream) + 1) for place in places)
    return [stream[start:end] for start, end in zip([0, *places], [*places, len(stream)], strict=True)]


@settings(max_examples=300, deadline=None)
@given(streams(), st.lists(st.integers(0, 10_000), max_size=20))
def test_messages_are_parsed_unchanged_however_they_are_cut(case, places):
    said, stream = case
    parser, out = Parser(LIMIT), []

    for piece in cut(stream, places):
        parser.feed(piece, out)

    assert [message for message in out if not isinstance(message, Control)] == said


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=10))
def test_any_bytes_are_messages_or_a_protocol_error(data, places):
    parser = Parser(LIMIT)
    out: list[Message] = []

    with suppress(ProtocolError):
        for piece in cut(data, places):
            parser.feed(piece, out)

    kept = len(parser._rest or b"") + len(parser._parts or b"")
    assert kept <= LIMIT + 14
    assert all(isinstance(message, str | bytes | Control) for message in out)


@settings(max_examples=200, deadline=None)
@given(streams(), st.lists(st.integers(0, 10_000), max_size=20), st.integers(0, 400))
def test_messages_too_large_are_dropped_and_others_are_parsed(case, places, limit):
    said, stream = case
    parser, out = Parser(limit, 10_000), []

    for piece in cut(stream, places):
        parser.feed(piece, out)

    heard = [message.head if isinstance(message, TooLarge) else message for message in out if not_control(message)]
    assert heard == [head_of(message) if size_of(message) > limit else message for message in said]


def not_control(message: Message) -> bool:
    return not isinstance(message, Control)


def size_of(message: str | bytes) -> int:
    return len(message.encode() if isinstance(message, str) else message)


def head_of(message: str | bytes) -> str:
    data = message.encode() if isinstance(message, str) else message
    return data[: TooLarge.SIZE].decode(errors="replace")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.binary(min_size=4, max_size=4))
def test_unmasking_is_byte_by_byte_xor(data, key):
    assert unmask(key, data) == bytes(byte ^ key[index % 4] for index, byte in enumerate(data))


PIECES = [
    "0",
    "2",
    "3",
    "5",
    "6",
    "1-",
    "10-",
    "/a",
    ",",
    "12",
    '["e"]',
    "[]",
    "{}",
    "null",
    '"',
    "\\ud800",
    "NaN",
    "9" * 20,
]


@settings(max_examples=1000, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES), max_size=6).map("".join)))
def test_any_text_is_a_packet_or_a_value_error(text):
    try:
        packet = EnginePacket(encoded_packet=text or "-")
    except ValueError:
        return

    assert packet.packet_type in range(7)
    if packet.packet_type == 2:
        assert EnginePacket(encoded_packet=packet.encode()).data == packet.data


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=100), st.text("bAQ=\x1e4\n", max_size=30).map(str.encode)))
def test_any_body_is_a_payload_or_a_packet_error(body):
    with suppress(PacketError):
        assert all(isinstance(packet, str | bytes) for packet in decode_payload(body))


@pytest.mark.parametrize(
    ("target", "seed"), [(target, seed) for target, seeds in targets.SEEDS.items() for seed in seeds]
)
def test_the_fuzzers_seeds_pass(target, seed):
    target(seed)


@pytest.mark.skipif(not HAS_ATHERIS, reason="atheris has no wheel for this platform")
@pytest.mark.parametrize("target", [target.__name__ for target in targets.SEEDS])
def test_a_short_run_of_the_fuzzer_finds_no_failure(target, tmp_path):
    command = [sys.executable, "-m", "tests.fuzz", target, str(tmp_path / "corpus")]
    options = ["-runs=20000", "-seed=6455", "-max_len=600", "-timeout=10", f"-artifact_prefix={tmp_path}/"]

    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)

    assert done.returncode == 0, done.stderr[-3000:]
    assert "DONE" in done.stderr


@pytest.mark.timeout(100)
def test_noise_on_many_sockets_does_not_disturb_a_working_client(talk, address):
    chance = random.Random(6455)
    talker = talk()
    host, _, port = address.partition("/")[0].partition(":")
    valid = [masked(0x81, b"4hello"), masked(0x89, b"ping"), masked(0x01, b"4part"), masked(0x88, b"\x03\xe8")]

    for round_number in range(150):
        noise = b"".join(chance.choice([*valid, chance.randbytes(chance.randrange(40))]) for _ in range(8))
        victim = talk()
        with suppress(ConnectionError):
            for piece in cut(noise, [chance.randrange(400) for _ in range(4)]):
                victim.sock.sendall(piece)
        if round_number % 3 == 0:
            with socket.create_connection((host, int(port)), timeout=5) as stranger, suppress(ConnectionError):
                stranger.sendall(chance.randbytes(200))
        victim.close()
        if round_number % 10 == 0:
            assert talker.echo(b"4%d" % round_number) == b"4%d" % round_number
