"""The page's state and sync code, run in the browser against lost, repeated and reordered pushes."""

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
    """Answer with the file of the requested name from this folder."""
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
def test_after_lost_repeated_and_reordered_pushes_the_page_equals_a_fresh_load(page_with_model, steps, limit):
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
def test_the_loaded_messages_are_bounded_and_without_a_gap_however_the_user_scrolls(page_with_model, steps, first):
    faults = page_with_model.evaluate(
        "async ([steps, first]) => (await import('/web/js/window.js')).read(steps, first)", [steps, first]
    )

    assert faults == []


def test_a_page_of_the_list_is_applied_quickly_and_includes_the_users(page_with_model):
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


def test_own_reactions_are_tracked_through_pushes_without_that_information(page_with_model):
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


#: Script of a device of user 7 with one conversation, in step with the server, and the known own state in it.
OWN_STATE = """
    const { EMPTY, reduce } = await import('/web/js/state/reducer.js');
    const level = { id: 1, last_change: 1, last_seq: 5, read_seq: 5, is_muted: false, is_marked_unread: false,
        is_hidden: false, pinned_at: null, draft: null };
    const begun = { ...EMPTY, me: { id: 7 }, cursor: '1', conversations: { 1: level } };
    const take = (state, ...actions) => actions.reduce(reduce, state);
    const settings = (version, rest) => ({ conversation_id: 1, read_seq: 5, pinned_at: null, is_muted: false,
        hidden_seq: null, is_marked_unread: false, draft: null, removed: false, version, ...rest });
    const push = (event, payload) => ({ type: 'pushed', event, payload });
    const updated = (version, rest) => push('conversation_updated', { conversation: settings(version, rest) });
    const read = (version) => push('conversation_read', { conversation_id: 1, user_id: 7, read_seq: 5, version });
    const wrote = (seq) => ({ change: seq, event: 'message_created', message: { id: `1-${seq}`, conversation_id: 1, seq,
        change: seq, sender_id: 7, type: 'text', content: { text: 'hello' }, mentions: [], reactions: [] } });
    const sync = (changes, ...rows) => ({ type: 'synced', page: { cursor: '2', epoch: 'e',
        state: rows.map((item) => ({ version: item.version, kind: 'conversation', item })),
        conversations: [{ id: 1, changes, read_seq: 5, peer_read_seq: null,
            next_change: changes.at(-1)?.change ?? 1 }] } });
    const own = (state) => state.conversations[1] && [state.conversations[1].is_muted, state.conversations[1].draft,
        state.conversations[1].is_marked_unread, state.conversations[1].is_hidden];
"""


def own_state(page, script):
    return page.evaluate("async () => {" + OWN_STATE + script + "}")


def test_the_latest_own_settings_are_shown_in_whatever_order_they_arrive(page_with_model):
    seen = own_state(
        page_with_model,
        """
        const orders = (items) => items.length < 2 ? [items] : items.flatMap(
            (item, index) => orders(items.toSpliced(index, 1)).map((rest) => [item, ...rest]));
        const told = [updated(2, { is_muted: true, is_marked_unread: true }), read(3),
            updated(4, { draft: 'words', is_marked_unread: true }), push('message_created', wrote(6)),
            updated(6, { is_muted: true, draft: 'more', is_marked_unread: true }), sync([], settings(5, {}))];
        return [...new Set(orders(told).map((actions) => JSON.stringify(own(take(begun, ...actions)))))];
    """,
    )

    assert seen == ['[true,"more",true,false]']


def test_reading_clears_only_the_mark_as_unread(page_with_model):
    seen = own_state(
        page_with_model,
        """
        const marked = updated(2, { is_muted: true, is_marked_unread: true });
        return [[marked, read(3)], [read(3), marked]].map((actions) => own(take(begun, ...actions)));
    """,
    )

    assert seen == [[True, None, False, False]] * 2


def test_a_later_page_of_sync_does_not_reset_settings_of_an_earlier_one(page_with_model):
    seen = own_state(
        page_with_model,
        """
        const first = sync([wrote(6)], settings(9, { is_marked_unread: true, hidden_seq: 7, is_muted: true }));
        return own(take(begun, first, sync([wrote(7)])));
    """,
    )

    assert seen == [True, None, True, True]


def test_a_message_shows_a_hidden_conversation_again(page_with_model):
    seen = own_state(
        page_with_model,
        """
        const hidden = sync([], settings(9, { hidden_seq: 5 }));
        const listed = { type: 'conversations_loaded', items: [{ ...level, id: 2, is_hidden: true }] };
        const later = wrote(6);
        const other = { ...later, message: { ...later.message, id: '2-6', conversation_id: 2 } };
        const before = take(begun, hidden, listed);
        const after = take(before, push('message_created', later), push('message_created', other));
        return [before, after].map(({ conversations }) => [conversations[1].is_hidden, conversations[2].is_hidden]);
    """,
    )

    assert seen == [[True, True], [False, False]]


def test_a_late_answer_does_not_reset_newer_settings(page_with_model):
    seen = own_state(
        page_with_model,
        """
        const marked = updated(9, { is_marked_unread: true, draft: 'words' });
        const opened = { type: 'conversations_loaded', items: [{ ...level, peer: null }] };
        const ack = { type: 'read', id: 1, seq: 5, mark_version: undefined };
        return [own(take(begun, marked, opened)), own(take(begun, marked, ack)),
            own(take(begun, marked, { ...ack, mark_version: 9 }))];
    """,
    )

    assert seen == [[False, "words", True, False], [False, "words", True, False], [False, "words", False, False]]


def test_an_old_removal_does_not_hide_a_conversation_entered_again(page_with_model):
    seen = own_state(
        page_with_model,
        """
        const left = updated(8, { removed: true });
        return [own(take(begun, left)), own(take(begun, sync([], settings(9, {})), left))];
    """,
    )

    assert seen == [None, [False, None, False, False]]


def test_a_closed_account_shows_a_notice_instead_of_the_composer(page_with_model):
    words = page_with_model.evaluate("""async () => {
        const { silenceOf } = await import('/web/js/state/selectors.js');
        const users = { 8: { id: 8, is_closed: true }, 9: { id: 9, is_closed: false } };
        return [8, 9].map((peer_id) => silenceOf({ users }, { type: 'private', peer_id }));
    }""")

    assert words == ["This account has been closed. You cannot send messages to it.", ""]


def test_both_languages_have_all_texts(page_with_model):
    keys = page_with_model.evaluate(
        "async () => Object.values((await import('/web/js/strings.js')).DICTIONARIES).map(Object.keys)"
    )

    assert keys[0] == keys[1]
