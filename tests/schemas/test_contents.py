"""The content of a message by type, and the names of its faults."""

import pytest

from imapp.errors import InvalidInputError, MalformedError
from imapp.schemas.contents import check_content
from imapp.schemas.messages import MessageDraft, SendMessage
from imapp.schemas.validation import MAX_DEPTH, parse


def draft(kind, content):
    return {"client_id": "c", "type": kind, "content": content}


def faults_of(kind, content):
    with pytest.raises(InvalidInputError) as refusal:
        parse(MessageDraft, draft(kind, content))
    return {fault["field"]: fault["message"] for fault in refusal.value.fields}


@pytest.mark.parametrize(
    "url", ["https://x.example/a.png", "HTTP://x.example", "/files/1", "/文件/图.png?size=2#top", "/a/../b"]
)
def test_a_file_url_may_be_on_the_web_or_on_this_server(url):
    assert check_content("image", {"url": url})["url"] == url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "ftp://x.example/a",
        "//x.example/a",
        "/\\x.example/a",
        "\\\\x.example/a",
        "/\t/x.example/a",
        "/\n/x.example/a",
        "/a\\b",
        "/a b",
        "/",
        "a.png",
        "https://",
        "http:evil",
        "https:/evil",
        "https:///evil",
        "https:\\\\evil",
        "https://x.example/\n",
        "https://x.example/a b",
        "/files/1\n",
    ],
)
def test_other_file_urls_are_refused(url):
    assert faults_of("image", {"url": url}) == {"content.url": "must be an http(s) URL or a path on this server"}


def test_faults_are_named_by_their_path_in_the_whole_input():
    assert faults_of("file", {"name": "", "size": "5"}).keys() == {"content.url", "content.name", "content.size"}
    assert faults_of("text", {"text": "a", "more": 1}).keys() == {"content.more"}
    assert faults_of("location", {"latitude": "52", "longitude": 181}).keys() == {
        "content.latitude",
        "content.longitude",
    }


def test_faults_describe_the_input_and_not_the_library():
    with pytest.raises(InvalidInputError) as refusal:
        parse(SendMessage, draft("text", {"text": "a"}))

    assert faults_of("image", {"url": ""}) == {"content.url": "String should have a length of at least 1"}
    assert refusal.value.fields[0]["message"].startswith("give exactly one of")


@pytest.mark.parametrize("text", [" ", "\n\n", "\u200b", "\u2800", "\u3164", "\u00ad\t"])
def test_a_text_must_contain_a_visible_character(text):
    assert faults_of("text", {"text": text}) == {"content.text": "must contain a visible character"}
    assert "content.name" in faults_of("file", {"url": "/a", "name": text})


def test_integers_are_accepted_as_degrees():
    assert check_content("location", {"latitude": 52, "longitude": -13}) == {"latitude": 52.0, "longitude": -13.0}


@pytest.mark.parametrize("name", ["name", "text"])
@pytest.mark.parametrize("value", [5, ["a"], {"toString": 1}, True])
def test_displayed_fields_of_custom_content_must_be_text(name, value):
    assert faults_of("custom", {name: value}).keys() == {f"content.{name}"}
    assert check_content("custom", {name: "a", "other": value}) == {name: "a", "other": value}


def test_custom_content_is_any_object_that_every_client_can_parse():
    deep = {"a": 1}
    for _ in range(MAX_DEPTH):
        deep = {"a": deep}

    assert check_content("custom", {"a": [1, None, {"b": "c"}]}) == {"a": [1, None, {"b": "c"}]}
    for unreadable in (deep, {"a": "\x00"}, {"\x00": 1}):
        with pytest.raises(MalformedError):
            check_content("custom", unreadable)
