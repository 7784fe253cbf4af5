"""The page's state and its way to catch up, run in the browser against what the network can do."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

MODEL = Path(__file__).with_name("model.js")

STEP = st.fixed_dictionaries({
    "conversation": st.integers(1, 3),
    "kind": st.sampled_from(["send", "edit"]),
    "fate": st.sampled_from(["arrives", "lost", "twice", "late", "then late"]),
})  # fmt: skip


@pytest.fixture
def page_with_model(browser, server):
    page = browser.new_page()
    page.route("**/web/js/model.js", lambda route: route.fulfill(path=MODEL, content_type="text/javascript"))
    page.goto(server.url)
    yield page
    page.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=25), limit=st.integers(1, 5))
def test_lost_doubled_and_swapped_pushes_end_in_what_a_fresh_load_shows(page_with_model, steps, limit):
    seen = page_with_model.evaluate(
        "async ([steps, limit]) => (await import('/web/js/model.js')).live(steps, limit)", [steps, limit]
    )

    assert seen["device"] == seen["fresh"] == seen["server"]


def test_of_two_versions_of_a_message_the_later_change_is_kept(page_with_model):
    merged = page_with_model.evaluate(
        "async ([known, incoming]) => (await import('/web/js/state/messages.js')).merge(known, incoming)",
        [[{"seq": 2, "change": 9}], [{"seq": 3, "change": 4}, {"seq": 2, "change": 5}, {"seq": 1, "change": 1}]],
    )

    assert merged == [{"seq": 1, "change": 1}, {"seq": 2, "change": 9}, {"seq": 3, "change": 4}]


def test_both_languages_say_everything(page_with_model):
    keys = page_with_model.evaluate(
        "async () => Object.values((await import('/web/js/strings.js')).DICTIONARIES).map(Object.keys)"
    )

    assert keys[0] == keys[1]
