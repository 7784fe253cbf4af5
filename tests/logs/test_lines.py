"""The format of a line, as text and as JSON, and that quoted text can't forge a line."""

import json
import logging
import re
import sys

import pytest

from imapp.logs import cleaning, get_logger
from imapp.logs.rendering import formatter

#: Texts that end lines, control terminals, change the direction of text, or cannot be encoded.
HOSTILE = [
    "a\nb",
    "a\r\nb",
    "a\u2028b",
    "a\x85b",
    "a\x1b[31mb",
    "a\x9b31mb",
    "a\x00b",
    "a\x0bb",
    "a\u202eb",
    "a\ud800b",
]

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"


@pytest.fixture
def write():
    """Provide `write(format, method, event, **fields)`, which logs an event and returns its line."""
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger = logging.getLogger("imapp.test")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)

    def write(log_format, method, event, *args, **fields):
        getattr(get_logger("imapp.test"), method)(event, *args, **fields)
        return formatter(log_format, "node-1").format(records[-1])

    yield write
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def test_a_text_line_has_time_level_logger_event_and_fields(write):
    line = write("text", "info", "user_came", user_id=7, reason="ping timeout", message="用户 [7] 已连接到节点 node-1")

    expected = 'INFO imapp.test: user_came 用户 [7] 已连接到节点 node-1 node=node-1 user_id=7 reason="ping timeout"'
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z " + re.escape(expected), line)


def test_a_json_line_is_one_object_with_the_same_parts(write):
    line = write("json", "warning", "user_came", user_id=7, reason="ping timeout", message="用户 [7]")

    assert "用户 [7]" in line
    found = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.pop("timestamp"))
    assert found == {
        "level": "WARNING", "logger": "imapp.test", "event": "user_came", "message": "用户 [7]", "node": "node-1",
        "user_id": 7, "reason": "ping timeout",
    }  # fmt: skip


def test_no_field_replaces_the_first_parts_of_a_line(write):
    many = {f"field_{number}": number for number in range(500)}

    line = json.loads(write("json", "info", "event", **many, node="another", level="ERROR", timestamp="never"))

    assert list(line)[:5] == ["timestamp", "level", "logger", "event", "node"]
    assert (line["node"], line["level"], line["field_0"]) == ("node-1", "INFO", 0)
    assert line["timestamp"] != "never"


def test_calls_in_the_style_of_the_standard_library_are_formatted_alike(write):
    assert write("text", "info", "came: user=%s", 7).endswith("came: user=7 node=node-1")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_lines_of_libraries_are_cleaned_too(log_format):
    record = logging.LogRecord("redis", logging.ERROR, __file__, 1, "lost %s\x1b[2J", ("it\nINFO forged",), None)

    line = formatter(log_format, "node-1").format(record)

    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert "lost it" in line
    assert "node-1" in line


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("quoted", HOSTILE)
def test_control_characters_are_escaped_in_every_part_of_a_line(write, log_format, quoted):
    line = write(log_format, "info", f"event {quoted}", name=quoted, message=quoted, many=[quoted, {quoted: quoted}])

    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert line.encode()


def test_a_value_cannot_imitate_another_field(write):
    line = write("text", "info", "named", name='x user_id=1 "y', empty="")

    assert line.endswith(r'node=node-1 name="x user_id=1 \"y" empty=""')


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_field_makes_a_line_long(write, log_format):
    big = "x" * 1_000_000

    line = write(
        log_format, "info", big, name=big, many=[big] * 1000, deep={big: {big: {big: {big: big}}}}, number=10**5000
    )

    assert len(line) < 60 * cleaning.VALUE_CHARS


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_cannot_imitate_a_record_and_is_bounded(write, log_format):
    def deep(depth):
        if depth:
            deep(depth - 1)
        raise ValueError("x\n2026-01-01T00:00:00.000Z INFO imapp: forged\x1b[2J" + "y" * 1_000_000)

    try:
        deep(200)
    except ValueError:
        line = write(log_format, "exception", "failed")

    lines = line.split("\n")
    assert "ValueError: x" in line
    assert len(line) < 40_000
    assert "\x1b" not in line
    assert len(lines) == 1 if log_format == "json" else all(one.startswith("    ") for one in lines[1:])


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("password", "hunter2", "hunter2"),
        ("new_password", "hunter2", "hunter2"),
        ("access_token", "opaque-thing", "opaque"),
        ("secret_key", "kkkk", "kkkk"),
        ("Authorization", "hunter2", "hunter2"),
        ("otp_code", 123456, "123456"),
        ("content", {"text": "I love you"}, "love"),
        ("options", {"token": "hunter2", "list": [{"password": "hunter2"}]}, "hunter2"),
        ("path", f"/api/{TOKEN}", "c2lnbmF0"),
        ("path", f"/api/{TOKEN[:50]}", "eyJzdWI"),
        ("note", f"Bearer {TOKEN[4:]}", "c2lnbmF0"),
        ("note", "authorization: bearer opaque-thing", "opaque"),
        ("note", "mysql://im:hunter2@db/im", "hunter2"),
        ("note", "password=hunter2&x=1", "hunter2"),
        ("note", "SECRET_KEY: 'hunter2'", "hunter2"),
        ("note", "(1064, \"You have an error near 'my secret' at line 1\")", "my secret"),
        ("note", "(1062, \"Duplicate entry 'it's secret' for key 'x'\")", "secret"),
        ("note", "[type=int, input_value='hunter2', input_type=str]", "hunter2"),
    ],
)  # fmt: skip
def test_secrets_are_not_written(write, log_format, name, value, secret):
    line = write(log_format, "info", "event", **{name: value})

    assert secret not in line
    assert cleaning.HIDDEN in line


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_secrets_in_an_error_or_an_event_are_not_written(write, log_format):
    try:
        raise ValueError(f"cannot read {TOKEN} of mysql://im:hunter2@db/im")
    except ValueError:
        line = write(log_format, "error", f"failed with {TOKEN}", exc_info=sys.exception())

    assert "c2lnbmF0" not in line
    assert "hunter2" not in line


def test_only_a_terminal_gets_colours(write):
    assert "\x1b" not in write("text", "error", "event", name="x")
    record = logging.LogRecord("imapp", logging.ERROR, __file__, 1, "event", (), None)
    assert "\x1b[31m" in formatter("text", "node-1", is_coloured=True).format(record)


def test_a_handler_without_our_formatter_gets_a_readable_line(caplog):
    get_logger("imapp.test").warning("event", user_id=7, reason="a b")

    assert caplog.records[-1].getMessage() == 'event user_id=7 reason="a b"'


def test_a_line_below_the_level_does_not_format_its_values():
    class Unreadable:
        def __str__(self):
            raise AssertionError("it was read")

    get_logger("imapp.test").debug("event", value=Unreadable())


def test_a_value_with_a_failing_str_does_not_lose_the_line(write):
    class Broken:
        def __str__(self):
            raise RuntimeError

    assert "[a Broken without text]" in write("json", "info", "event", value=Broken())
