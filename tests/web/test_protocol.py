"""The page's state and its way to catch up, run in the browser against what the network can do."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent

STEP = st.fixed_dictionaries({
    "conversation": st.integers(1, 3),
    "kind": st.sampled_from(["send", "edit"]),
    "fate": st.sampled_from(["arrives", "lost", "twice", "late", "then late"]),
})  # fmt: skip


def serve(route):
    """Answer with the file of that name beside this one."""
    route.fulfill(path=FOLDER / route.request.url.rsplit("/", 1)[1], content_type="text/javascript")


@pytest.fixture
def page_with_model(browser, server):
    page = browser.new_page()
    for name in ("model.js", "window.js"):
        page.route(f"**/web/js/{name}", serve)
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


READING = st.lists(
    st.tuples(
        st.sampled_from(
            ["write", "arrive", "arrive", "scroll", "loadOlder", "loadOlder", "loadNewer", "toNewest", "jump"]
        ),
        st.integers(1, 130),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=READING, first=st.integers(1, 500))
@example(steps=[("write", 130)] * 12, first=1)
@example(steps=[("scroll", 1), *[("write", 130)] * 12, ("loadNewer", 1), ("arrive", 1)], first=1)
@example(steps=[("loadOlder", 1), ("arrive", 1)] * 12, first=500)
def test_the_held_messages_are_few_and_without_a_hole_however_one_reads(page_with_model, steps, first):
    faults = page_with_model.evaluate(
        "async ([steps, first]) => (await import('/web/js/window.js')).read(steps, first)", [steps, first]
    )

    assert faults == []


def test_a_page_of_the_list_is_taken_at_once_and_brings_the_names_along(page_with_model):
    users, milliseconds = page_with_model.evaluate("""async () => {
        const { EMPTY, reduce } = await import('/web/js/state/reducer.js');
        const items = Array.from({ length: 5000 }, (_none, index) => (
            { id: index + 1, peer_id: index + 2, peer: { id: index + 2, revision: 1 }, last_change: 1, last_seq: 1 }));
        const started = performance.now();
        const { users } = reduce(EMPTY, { type: 'conversations_loaded', items });
        return [Object.keys(users).length, performance.now() - started];
    }""")

    assert users == 5000
    assert milliseconds < 1000  # a copy of the whole list for each of its entries takes several seconds


def test_of_two_versions_of_a_message_the_later_change_is_kept(page_with_model):
    merged = page_with_model.evaluate(
        "async ([known, incoming]) => (await import('/web/js/state/messages.js')).merge(known, incoming)",
        [[{"seq": 2, "change": 9}], [{"seq": 3, "change": 4}, {"seq": 2, "change": 5}, {"seq": 1, "change": 1}]],
    )

    assert merged == [{"seq": 1, "change": 1}, {"seq": 2, "change": 9}, {"seq": 3, "change": 4}]


def test_own_reactions_are_known_through_pushes_that_do_not_tell_whose_they_are(page_with_model):
    told = page_with_model.evaluate("""async () => {
        const { EMPTY, reduce } = await import('/web/js/state/reducer.js');
        const message = (change, reactions) => (
            { id: '1-1', conversation_id: 1, seq: 1, change, sender_id: 8, content: { text: 'hello' }, reactions });
        const others = { emoji: 'A', count: 30, user_ids: [8, 9], mine: null };
        const own = { emoji: 'B', count: 1, user_ids: [7], mine: null };
        let state = { ...EMPTY, me: { id: 7 }, conversations: { 1: { id: 1, last_change: 1, last_seq: 1 } } };
        const mine = () => Object.fromEntries(
            state.timelines[1].messages[0].reactions.map(({ emoji, mine }) => [emoji, mine]));
        const first = message(1, [{ ...others, mine: true }]);
        state = reduce(state, { type: 'history_loaded', id: 1, items: [first], has_more: false });
        const push = (user_id, emoji, removed, after) => {
            const payload = { user_id, emoji, removed, message: after };
            state = reduce(state, { type: 'pushed', event: 'message_reacted', payload });
            return mine();
        };
        return [
            push(9, 'C', false, message(2, [others, { ...own, emoji: 'C', user_ids: [9] }])),
            push(7, 'B', false, message(3, [others, own])),
            push(7, 'A', true, message(4, [others, own])),
        ];
    }""")

    assert told == [{"A": True, "C": False}, {"A": True, "B": True}, {"A": False, "B": True}]


def test_one_reads_that_an_account_is_closed_instead_of_writing_to_it(page_with_model):
    words = page_with_model.evaluate("""async () => {
        const { silenceOf } = await import('/web/js/state/selectors.js');
        const users = { 8: { id: 8, is_closed: true }, 9: { id: 9, is_closed: false } };
        return [8, 9].map((peer_id) => silenceOf({ users }, { type: 'private', peer_id }));
    }""")

    assert words == ["This account has been closed. It cannot be written to.", ""]


def test_both_languages_say_everything(page_with_model):
    keys = page_with_model.evaluate(
        "async () => Object.values((await import('/web/js/strings.js')).DICTIONARIES).map(Object.keys)"
    )

    assert keys[0] == keys[1]
