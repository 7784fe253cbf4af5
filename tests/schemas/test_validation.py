"""Validation of input over REST and the socket: times, depth, and the reported faults."""

from datetime import UTC, datetime

import pytest

from imapp.errors import InvalidInputError, MalformedError
from imapp.schemas.base import In
from imapp.schemas.messages import EditMessage
from imapp.schemas.sync import SyncIn
from imapp.schemas.validation import MAX_DEPTH, MomentIn, parse, parse_strings, require_plain


class Example(In):
    until: MomentIn
    count: int = 0


def nested(depth, empty):
    value = empty
    for _ in range(depth):
        value = [value] if isinstance(empty, list) else {"a": value}
    return value


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T19:30:00Z", "2026-11-23T20:30:00+01:00", "2026-11-23T19:30:00.000Z", "2026-11-23T19:30+00:00",
        "2026-11-23t19:30:00z", "2026-11-24T01:00:00+05:30",
    ],
)  # fmt: skip
def test_a_time_with_a_zone_becomes_utc(text):
    assert parse(Example, {"until": text}).until == datetime(2026, 11, 23, 19, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-23T19:30:00",
        "2026-11-23",
        "tomorrow",
        "",
        1_795_000_000,
        None,
        ["x"],
        "2026-W48-1T19:30:00Z",
        "0001-01-01T00:00:00+23:00",
    ],
)
def test_a_time_without_a_zone_or_in_another_format_is_refused(value):
    with pytest.raises(InvalidInputError) as refusal:
        parse(Example, {"until": value})

    assert [error["field"] for error in refusal.value.fields] == ["until"]
    assert "RFC 3339" in refusal.value.fields[0]["message"]


def test_numbers_in_a_query_string_are_parsed_from_text():
    assert parse_strings(Example, {"until": "2026-11-23T19:30:00Z", "count": "5"}).count == 5
    with pytest.raises(InvalidInputError):
        parse_strings(Example, {"until": "2026-11-23T19:30:00Z", "count": "five"})


def test_the_number_and_length_of_reported_faults_are_limited():
    with pytest.raises(InvalidInputError) as refusal:
        parse(Example, {f"{'x' * 500}{number}": number for number in range(500)})

    assert len(refusal.value.fields) == 20
    assert max(len(error["field"]) for error in refusal.value.fields) == 100


def test_an_invalid_entry_is_named_without_the_names_of_validators():
    """Expect `mentions.0` instead of `mentions.0.function-before[_digits_to_int(), constrained-int]`."""
    body = {"message_id": "1-1", "content": {"text": "hi"}}
    for model, value, field in (
        (EditMessage, {**body, "mentions": [1.5]}, "mentions.0"),
        (SyncIn, {"conversations": {"x": 1}}, "conversations.x"),
        (EditMessage, {**body, "ids[]": 1}, "ids[]"),
    ):
        with pytest.raises(InvalidInputError) as refusal:
            parse(model, value)
        assert {error["field"] for error in refusal.value.fields} == {field}


@pytest.mark.parametrize("empty", [[], {}])
def test_nesting_is_accepted_up_to_its_limit(empty):
    require_plain(nested(MAX_DEPTH, empty))

    with pytest.raises(MalformedError):
        require_plain(nested(MAX_DEPTH + 1, empty))


@pytest.mark.parametrize("value", ["a\x00", {"a\x00": 1}, {"a": ["b", {"c": "\x00"}]}])
def test_nul_is_found_at_every_position(value):
    with pytest.raises(MalformedError):
        require_plain(value)


def test_a_wide_value_is_walked_once():
    require_plain({"items": [{"id": number} for number in range(20_000)]})
