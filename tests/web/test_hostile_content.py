"""Content of other users can neither break the page nor make it send requests."""

from itertools import count
from json import dumps
from pathlib import Path

import pytest
import requests
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

DRAWING = Path(__file__).with_name("hostile.js")

#: Names of fields that the page reads, and some that every JavaScript object has.
KEYS = ["name", "text", "url", "user_id", "user_ids", "event", "changes", "latitude", "longitude", "address", "size"]
KEYS += ["duration_ms", "thumbnail_url", "toString", "constructor", "__proto__", "length", "id", "emoji", "count"]
WORDS = ["members_added", "group_created", "constructor", "all", "javascript:alert(1)", "../../api/sessions", "//evil"]
WORDS += ["\u202egnp.exe", "Z" + "\u0301" * 200, "\u2066\u2067\u0000", "w" * 5000, "https://[", "https://a@b:c/ d"]
FRACTIONS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9)
    | st.sampled_from(WORDS),
    lambda child: (
        st.lists(child, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), child, max_size=4)
    ),
    max_leaves=12,
)
TYPES = ["text", "image", "file", "voice", "video", "location", "custom", "system", "constructor", "new one"]
MESSAGE = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES), "content": JSON},
    optional=dict.fromkeys(("reactions", "mentions", "created_at", "edited_at", "reply_to", "sender_id"), JSON),
)
USER = st.fixed_dictionaries({}, optional=dict.fromkeys(("nickname", "username", "avatar_url"), JSON))
GROUP = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("name", "member_count", "type", "peer_id", "last_message", "active_at"), JSON)
)


@pytest.fixture
def page_that_draws(browser, server):
    page = browser.new_page()
    page.route("**/web/js/hostile.js", lambda route: route.fulfill(path=DRAWING, content_type="text/javascript"))
    page.goto(server.url)
    yield page
    page.close()


# No shrinking: it would take minutes in a browser.
@settings(
    max_examples=50, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)
@given(st.fixed_dictionaries({"messages": st.lists(MESSAGE, min_size=3, max_size=8), "user": USER, "group": GROUP}))
@example({"messages": [{"type": "custom", "content": {"name": {"toString": 1}}}] * 3, "user": {}, "group": {}})
@example({"messages": [{"type": "system", "content": None}] * 3, "user": {"nickname": {"trim": 1}}, "group": {}})
def test_the_page_is_drawn_and_fetches_nothing_whatever_was_sent(page_that_draws, sent):
    drawn = page_that_draws.evaluate("async (sent) => (await import('/web/js/hostile.js')).draw(sent)", dumps(sent))

    assert drawn["failures"] == []
    assert drawn["last"] == "kind"
    assert drawn["rows"] == len(sent["messages"]) + 1
    assert drawn["fetching"] == []
    assert all(isinstance(user_id, int) and user_id > 0 for user_id in drawn["named"])
    assert all(link.startswith(("http:", "https:", "mailto:")) for link in drawn["links"])


def test_content_of_a_stranger_neither_breaks_the_page_nor_causes_requests(somebody):
    victim, eve = somebody().register("Victim"), somebody().register("Eve")
    eve.chat_with(victim)
    url = f"{eve.url}/api/conversations/{eve.conversation_id()}/messages"
    headers = {"Authorization": f"Bearer {eve.token()}"}
    asked = []
    numbers = count(1)

    def send(content):
        body = {"client_id": f"h{next(numbers)}", "type": "custom", "content": content}
        requests.post(url, json=body, headers=headers, timeout=10).raise_for_status()

    victim.page.on("request", lambda request: asked.append(request.url.removeprefix(victim.url)))
    for content in (
        {"user_ids": 5},
        {"user_id": {"toString": 1}},
        {"user_ids": {"a": 1}},
        {"user_ids": list(range(1000, 1900))},
        {"user_id": "../../api/sessions"},
    ):
        send(content)
        expect(victim.entry("Eve").locator(".badge")).to_be_visible()
    victim.open("Eve")
    expect(victim.page.locator(".message")).to_have_count(5)
    victim.page.reload()
    victim.expect_live()
    victim.say("still here")

    expect(eve.message("still here")).to_be_visible()
    asked_for_people = {path for path in asked if "/api/users/" in path or "/api/sessions" in path}
    assert asked_for_people <= {f"/api/users/{eve.user_id()}"}  # for the sender's name
