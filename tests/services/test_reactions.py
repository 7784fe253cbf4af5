"""Reactions on both databases: valid emoji, their number, and which of them are the user's own."""

from uuid import uuid4

import pytest
from sqlalchemy import insert

from imapp.clock import now
from imapp.database.transactions import atomic
from imapp.errors import NotAnEmojiError, TooManyOwnReactionsError, TooManyReactionsError
from imapp.models.messages import Reaction
from imapp.schemas.groups import GroupIn
from imapp.schemas.messages import EditMessage, HistoryQuery, ListQuery, MessageDraft
from imapp.schemas.sync import SyncIn
from imapp.services.groups import groups
from imapp.services.messaging import conversations, messages, reactions
from imapp.services.messaging.private_conversations import open_private
from imapp.services.sync import sync
from tests.support.people import create_users

EMOJI = [chr(0x1F600 + number) for number in range(25)]


@pytest.fixture
def people(app):
    """Return the ids of Ada and Bob."""
    return create_users("ada", "bob")


@pytest.fixture
def sent(people):
    """Send a message from Ada to Bob and return it."""
    return say(people[0], open_private(*people)[0])


def draft(client_id):
    return MessageDraft.model_validate({"client_id": client_id, "type": "text", "content": {"text": "hello"}})


def say(user_id, conversation_id, client_id=None):
    return messages.send(user_id, conversation_id, draft(client_id or uuid4().hex))["message"]


def react(user_id, message, emoji="👍", *, remove=False):
    return reactions.react(user_id, message["id"], emoji, remove=remove)["message"]


def test_reactions_are_counted_and_a_repeated_one_changes_nothing(people, sent):
    ada, bob = people

    react(ada, sent)
    twice = react(bob, sent)
    again = react(bob, sent)
    once = react(ada, sent, remove=True)
    none = react(bob, sent, remove=True)

    assert twice["reactions"] == [{"emoji": "👍", "count": 2, "user_ids": [ada, bob], "mine": True}]
    assert again == twice
    assert once["reactions"] == [{"emoji": "👍", "count": 1, "user_ids": [bob], "mine": False}]
    assert none["reactions"] == []
    assert none["change"] == 5


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "+1",
        "\u202e",
        "\u200b",
        "\ufe0f",
        "e" + "\u0301" * 20,
        "👍👍",
        "👍 ",
        "1",
        "\u3164",
        "\U0001f1e9",
        "🏽",
    ],
)
def test_a_reaction_must_be_one_emoji_but_removing_any_text_is_allowed(people, sent, text):
    with pytest.raises(NotAnEmojiError):
        react(people[0], sent, text)

    assert react(people[0], sent, text, remove=True)["reactions"] == []


@pytest.mark.parametrize("emoji", ["👍", "👍🏽", "❤️", "👩‍👩‍👧‍👦", "🇩🇪", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", "©️"])
def test_every_unicode_emoji_is_a_valid_reaction(people, sent, emoji):
    assert [one["emoji"] for one in react(people[0], sent, emoji)["reactions"]] == [emoji]


def test_an_emoji_with_or_without_its_variation_selector_is_one_reaction(people, sent):
    ada, bob = people

    react(ada, sent, "❤")
    both = react(bob, sent, "❤\ufe0f")
    one = react(ada, sent, "❤\ufe0e", remove=True)

    assert [(one["emoji"], one["count"]) for one in both["reactions"]] == [("❤️", 2)]
    assert one["reactions"][0]["user_ids"] == [bob]


def test_an_emoji_stored_without_selector_by_an_earlier_version_counts_as_the_same(people, sent):
    ada, bob = people
    key = {"conversation_id": sent["conversation_id"], "seq": sent["seq"]}
    row = {**key, "emoji": "❤", "user_id": bob, "created_at": now()}
    atomic(lambda session: session.execute(insert(Reaction), [row]) and None)

    assert react(ada, sent, "❤️")["reactions"][0]["user_ids"] == [bob, ada]
    assert react(bob, sent, "❤️", remove=True)["reactions"][0]["user_ids"] == [ada]


def test_one_user_cannot_use_up_the_emoji_limit_of_a_message(people):
    members = create_users("u1", "u2", "u3", "u4")
    ada, bob = people
    group = groups.create(ada, GroupIn(name="g", member_ids=[bob, *members]))
    sent = say(ada, group.id)
    for number, user_id in enumerate(members):
        for emoji in EMOJI[5 * number : 5 * number + 5]:
            react(user_id, sent, emoji)
        with pytest.raises(TooManyOwnReactionsError):
            react(user_id, sent, "👍")

    with pytest.raises(TooManyReactionsError):
        react(bob, sent, "👍")
    react(bob, sent, EMOJI[0])


def test_a_user_missing_from_the_named_users_still_sees_their_own_reaction_everywhere(people):
    crowd = create_users(*(f"u{number}" for number in range(20)))
    ada, bob = people
    group = groups.create(ada, GroupIn(name="g", member_ids=[bob, *crowd]))
    sent = say(ada, group.id, "first")
    for user_id in [*crowd, bob, ada]:
        acked = react(user_id, sent)
    edited = messages.edit(ada, EditMessage(message_id=sent["id"], content={"text": "better"}))["message"]
    messages.set_pin(ada, sent["id"], pin=True)

    def shown_to(user_id):
        """Return `mine` of each place that shows the message to the user."""
        page = messages.history(user_id, group.id, HistoryQuery()).items[0]
        pinned = messages.pins(user_id, group.id, ListQuery()).items[0]
        listed = conversations.get(user_id, group.id).last_message
        read = messages.get(user_id, sent["id"])["reactions"][0]["mine"]
        synced = sync.sync(user_id, SyncIn())["conversations"][0]["changes"][-1]["message"]["reactions"][0]["mine"]
        return [page.reactions[0].mine, pinned.reactions[0].mine, listed.reactions[0].mine, read, synced]

    assert acked["reactions"][0]["mine"] is True
    assert edited["reactions"][0]["mine"] is True
    assert say(ada, group.id, "first")["reactions"][0]["mine"] is True
    assert shown_to(bob) == [True] * 5
    react(bob, sent, remove=True)
    assert shown_to(bob) == [False] * 5
