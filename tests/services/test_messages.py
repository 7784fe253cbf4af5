"""The rules for messages, on both databases."""

from datetime import timedelta
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import insert, select, update

from imapp.clock import now
from imapp.database.transactions import atomic
from imapp.errors import (
    AppError,
    BlockedError,
    ClientIdConflictError,
    ForbiddenError,
    InvalidInputError,
    MalformedError,
    MessageRecalledError,
    NotAContactError,
    NotAMemberError,
    NotFoundError,
    OneselfError,
    RateLimitedError,
    RecipientGoneError,
    RoleRequiredError,
    TextTooLongError,
    TooLargeError,
    TooManyEditsError,
    WindowClosedError,
)
from imapp.extensions import db
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.messages import Mention, Message, MessageEdit, Pin, Reaction
from imapp.schemas.groups import GroupIn
from imapp.schemas.messages import (
    EditMessage,
    ForwardMessage,
    HistoryQuery,
    ListQuery,
    MessageDraft,
    SendMessage,
    message_id,
)
from imapp.schemas.sessions import ClientInfo
from imapp.services.accounts.authentication import Actor
from imapp.services.contacts import blocks
from imapp.services.groups import group_members, groups
from imapp.services.messaging import conversations, messages, reactions, read_marks
from imapp.services.messaging.private_conversations import find_private, known_private, open_private
from imapp.services.operations import administration
from tests.support.people import create_users


@pytest.fixture
def people(app):
    """Return the ids of Ada, Bob and Eve."""
    return create_users("ada", "bob", "eve")


@pytest.fixture
def private(people):
    """Return the conversation of Ada and Bob."""
    ada, bob, _ = people
    return open_private(ada, bob)[0]


def draft(text="hello", client_id="c1", **fields):
    return MessageDraft.model_validate({"client_id": client_id, "type": "text", "content": {"text": text}, **fields})


def say(user_id, conversation_id, text="hello", client_id=None, **fields):
    return messages.send(user_id, conversation_id, draft(text, client_id or uuid4().hex, **fields))["message"]


def edit_of(message, text="better", **fields):
    return EditMessage(message_id=message["id"], content={"text": text}, **fields)


def age(message, seconds):
    """Move the time at which the message was sent some seconds into the past."""
    key = (message["conversation_id"], message["seq"])

    def change(session):
        session.execute(
            update(Message)
            .where(Message.conversation_id == key[0], Message.seq == key[1])
            .values(created_at=now() - timedelta(seconds=seconds))
        )

    atomic(change)


# -- sending ---------------------------------------------------------------------------------------------------


def test_messages_are_numbered_without_a_gap_and_advance_the_authors_read_mark(people, private):
    ada, bob, _ = people

    sent = [say(ada, private, "1"), say(bob, private, "2"), say(ada, private, "3")]

    assert [(message["seq"], message["change"]) for message in sent] == [(1, 1), (2, 2), (3, 3)]
    marks = dict(db.session.execute(select(ConversationMember.user_id, ConversationMember.read_seq)).all())
    assert marks[ada] == 3
    assert marks[bob] == 2


def test_a_retry_returns_the_first_result(people, private):
    ada, _, _ = people
    first = messages.send(ada, private, draft())

    again = messages.send(ada, private, draft())

    assert first["duplicate"] is False
    assert again == {"message": first["message"], "duplicate": True}
    assert db.session.get(Conversation, private).last_seq == 1


@pytest.mark.parametrize("other", [{"text": "other"}, {"mentions": [1]}])
def test_a_client_id_with_other_content_is_refused(people, private, other):
    ada, _, _ = people
    messages.send(ada, private, draft())

    with pytest.raises(ClientIdConflictError):
        messages.send(ada, private, draft(**other))


def test_a_client_id_is_unique_per_sender_only(people, private):
    ada, bob, _ = people
    messages.send(ada, private, draft("from ada"))

    assert messages.send(bob, private, draft("from bob"))["duplicate"] is False


def test_a_retry_after_an_edit_still_finds_the_message(people, private):
    ada, _, _ = people
    sent = messages.send(ada, private, draft())["message"]
    messages.edit(ada, edit_of(sent))

    again = messages.send(ada, private, draft())

    assert again["duplicate"] is True
    assert again["message"]["content"] == {"text": "better"}


def test_outsiders_can_neither_read_nor_write(people, private):
    _, _, eve = people
    sent = say(people[0], private)

    for attempt in (
        lambda: messages.send(eve, private, draft()),
        lambda: messages.history(eve, private, HistoryQuery()),
        lambda: messages.get(eve, sent["id"]),
        lambda: messages.edits(eve, sent["id"], ListQuery()),
        lambda: messages.pins(eve, private, ListQuery()),
        lambda: messages.edit(eve, edit_of(sent)),
        lambda: messages.recall(eve, sent["id"]),
        lambda: reactions.react(eve, sent["id"], "👍", remove=False),
        lambda: messages.set_pin(eve, sent["id"], pin=True),
        lambda: read_marks.mark_read(eve, private, 1),
        lambda: messages.forward(eve, ForwardMessage(client_id="f", message_id=sent["id"], conversation_id=private)),
    ):
        with pytest.raises(NotAMemberError):
            attempt()


def test_a_removed_member_can_neither_read_nor_write(people):
    ada, bob, _ = people
    group = groups.create(ada, GroupIn(name="g", member_ids=[bob]))
    sent = say(bob, group.id)
    group_members.remove(ada, group.id, bob)

    for attempt in (
        lambda: say(bob, group.id, "again"),
        lambda: messages.edit(bob, edit_of(sent)),
        lambda: messages.recall(bob, sent["id"]),
        lambda: reactions.react(bob, sent["id"], "👍", remove=False),
        lambda: read_marks.mark_read(bob, group.id, 1),
        lambda: messages.history(bob, group.id, HistoryQuery()),
    ):
        with pytest.raises(NotAMemberError):
            attempt()


def test_an_unknown_conversation_is_answered_like_one_of_other_users(people):
    with pytest.raises(NotAMemberError):
        messages.send(people[0], 10**12, draft())


def test_a_block_stops_private_messages_in_both_directions_until_it_is_removed(people, private):
    ada, bob, _ = people
    blocks.block(bob, ada)

    with pytest.raises(BlockedError):
        say(ada, private)
    with pytest.raises(BlockedError):
        say(bob, private)

    blocks.unblock(bob, ada)
    assert say(ada, private)["seq"] == 1


def test_sending_to_a_closed_account_fails(people, private):
    ada, bob, eve = people
    operator = Actor(ada, 0, expires_at=now(), is_operator=True, second_factor_at=now())
    client = ClientInfo(ip="192.0.2.1", user_agent="")
    sent = say(ada, private)
    revision = conversations.get(ada, private).peer.revision
    for user_id in (bob, eve):
        administration.disable_user(operator, client, user_id)

    for write in (
        lambda: say(ada, private),
        lambda: messages.edit(ada, edit_of(sent)),
        lambda: open_private(ada, eve),
    ):
        with pytest.raises(RecipientGoneError):
            write()
    peer = conversations.get(ada, private).peer
    assert (peer.is_closed, peer.revision > revision) == (True, True)

    administration.enable_user(operator, client, bob)
    assert say(ada, private)["seq"] == 2
    assert conversations.get(ada, private).peer.is_closed is False


def test_a_setting_limits_private_messages_to_contacts(make_app):
    app = make_app(private_messages="contacts")
    with app.app_context():
        ada, bob = create_users("ada", "bob")

        with pytest.raises(NotAContactError):
            open_private(ada, bob)


def test_text_is_limited_in_length_and_other_content_in_size(people, private):
    ada, _, _ = people

    assert say(ada, private, "x" * 8000)["seq"] == 1
    with pytest.raises(TextTooLongError):
        say(ada, private, "x" * 8001)
    custom = {"client_id": "big", "type": "custom", "content": {"x": "y" * 20_000}}
    with pytest.raises(TooLargeError):
        messages.send(ada, private, MessageDraft.model_validate(custom))


def test_a_text_beyond_its_column_is_refused_whatever_the_settings_allow(make_app):
    with make_app(message_text_max_chars=60_000).app_context():
        ada, bob = create_users("ada", "bob")
        private, _ = open_private(ada, bob)

        assert say(ada, private, "x" * 60_000)["seq"] == 1
        with pytest.raises(TextTooLongError):
            say(ada, private, "字" * 30_000)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("image", {"url": "https://x.example/a.png", "width": 10, "height": 10}),
        ("file", {"url": "/files/1", "name": "a.pdf", "size": 1}),
        ("voice", {"url": "/files/2", "duration_ms": 1500}),
        ("video", {"url": "/files/3", "duration_ms": 1500}),
        ("location", {"latitude": 52, "longitude": 13.4, "name": "Berlin"}),
        ("custom", {"anything": [1, None, {"a": "b"}]}),
    ],
)
def test_each_type_keeps_its_content(people, private, kind, content):
    ada, bob, _ = people
    body = MessageDraft.model_validate({"client_id": "c", "type": kind, "content": content})

    sent = messages.send(ada, private, body)["message"]

    assert sent["content"] == content
    assert messages.get(bob, sent["id"]) == sent


def test_a_reply_must_name_a_message_of_the_same_conversation(people, private):
    ada, bob, eve = people
    first = say(ada, private)
    elsewhere = say(ada, open_private(ada, eve)[0], "there")

    assert say(bob, private, "re", reply_to=first["id"])["reply_to"] == first["id"]
    for wrong in (elsewhere["id"], message_id(private, 99)):
        with pytest.raises(NotFoundError):
            say(bob, private, f"re {wrong}", reply_to=wrong)


def test_only_admins_of_groups_may_mention_everybody(people, private):
    ada, bob, _ = people
    group = groups.create(ada, GroupIn(name="g", member_ids=[bob]))

    assert say(ada, group.id, "all", mentions=["all"])["mentions"] == ["all"]
    with pytest.raises(RoleRequiredError):
        say(bob, group.id, "all too", mentions=["all"])
    with pytest.raises(RoleRequiredError):
        say(ada, private, "all there", mentions=["all"])
    assert db.session.scalars(select(Mention.user_id)).all() == [0]


def test_the_private_conversation_of_two_users_is_cached(people):
    ada, bob, _ = people

    assert known_private(ada, bob) == known_private(bob, ada) == open_private(ada, bob)[0]


def test_a_private_conversation_needs_another_existing_user(people):
    ada, _, _ = people

    with pytest.raises(OneselfError):
        open_private(ada, ada)
    with pytest.raises(NotFoundError):
        open_private(ada, 10**9)


# -- changing messages -----------------------------------------------------------------------------------------


def test_an_edit_keeps_the_earlier_version(people, private):
    ada, bob, _ = people
    sent = say(ada, private, "good")

    edited = messages.edit(ada, edit_of(sent))["message"]

    assert (edited["content"], edited["seq"], edited["change"]) == ({"text": "better"}, 1, 2)
    assert edited["edited_at"] is not None
    assert [edit.content for edit in messages.edits(bob, sent["id"], ListQuery()).items] == [{"text": "good"}]


def mention_count(user_id, conversation_id):
    return conversations.get(user_id, conversation_id).mention_count


def test_an_edit_replaces_the_mentions_of_the_message(people):
    ada, bob, eve = people
    group = groups.create(ada, GroupIn(name="g", member_ids=[bob, eve]))
    sent = say(ada, group.id, "@bob", mentions=[bob])

    named = messages.edit(ada, edit_of(sent, "@eve", mentions=[eve]))["message"]
    assert named["mentions"] == [eve]
    assert (mention_count(bob, group.id), mention_count(eve, group.id)) == (0, 1)

    everybody = messages.edit(ada, edit_of(sent, "@all", mentions=["all", eve]))["message"]
    assert everybody["mentions"] == ["all", eve]
    assert (mention_count(bob, group.id), mention_count(eve, group.id)) == (1, 1)

    nobody = messages.edit(ada, edit_of(sent, "nothing"))["message"]
    assert nobody["mentions"] == []
    assert (mention_count(bob, group.id), mention_count(eve, group.id)) == (0, 0)


def test_a_recall_removes_the_mentions(people):
    ada, bob, _ = people
    group = groups.create(ada, GroupIn(name="g", member_ids=[bob]))
    sent = say(ada, group.id, "@bob", mentions=[bob])

    messages.recall(ada, sent["id"])

    assert mention_count(bob, group.id) == 0


def test_only_admins_may_mention_everybody_by_an_edit(people):
    ada, bob, _ = people
    group = groups.create(ada, GroupIn(name="g", member_ids=[bob]))
    sent = say(bob, group.id)

    with pytest.raises(RoleRequiredError):
        messages.edit(bob, edit_of(sent, mentions=["all"]))
    assert messages.get(bob, sent["id"])["content"] == sent["content"]


def test_a_message_keeps_a_hundred_versions_and_their_pages_are_bounded_in_bytes(people, private):
    ada, bob, _ = people
    sent = say(ada, private, "0" * 8000)
    key = {"conversation_id": private, "seq": 1, "edited_at": now()}
    rows = [{**key, "change": n, "content": orjson.dumps({"text": "x" * 8000}).decode()} for n in range(-98, 1)]
    atomic(lambda session: session.execute(insert(MessageEdit), rows) and None)
    messages.edit(ada, edit_of(sent))

    with pytest.raises(TooManyEditsError):
        messages.edit(ada, edit_of(sent, "again"))
    pages = []
    while not pages or pages[-1].next_cursor:
        cursor = int(pages[-1].next_cursor) if pages else None
        pages.append(messages.edits(bob, sent["id"], ListQuery.model_construct(limit=200, cursor=cursor or -1000)))
        assert sum(len(item.content["text"]) for item in pages[-1].items) < 256_000
    assert sum(len(page.items) for page in pages) == 100
    assert len(pages) == 4


def test_edits_reactions_and_pins_count_toward_the_message_rate_limit(make_app):
    with make_app(rate_limits=True, rate_messages_per_user="4/hour").app_context():
        ada, bob = create_users("ada", "bob")
        sent = say(ada, open_private(ada, bob)[0])
        messages.edit(ada, edit_of(sent))
        reactions.react(ada, sent["id"], "👍", remove=False)
        messages.set_pin(ada, sent["id"], pin=True)

        with pytest.raises(RateLimitedError):
            messages.edit(ada, edit_of(sent))


def test_a_retry_gives_an_author_outside_the_group_only_the_position_of_the_message(people):
    ada, bob, _ = people
    group = groups.create(ada, GroupIn(name="g", member_ids=[bob]))
    sent = say(bob, group.id, "secret", "c1")
    group_members.remove(ada, group.id, bob)
    reactions.react(ada, sent["id"], "👍", remove=False)
    messages.set_pin(ada, sent["id"], pin=True)

    again = messages.send(bob, group.id, draft("secret", "c1"))

    assert again["duplicate"] is True
    told = {name: again["message"][name] for name in ("id", "seq", "content", "reactions", "pinned_at", "change")}
    assert told == {
        "id": sent["id"],
        "seq": sent["seq"],
        "content": {},
        "reactions": [],
        "pinned_at": None,
        "change": 0,
    }


def test_only_the_author_edits_and_only_within_the_window_and_without_changing_the_type(people, private):
    ada, bob, _ = people
    sent = say(ada, private)

    with pytest.raises(ForbiddenError):
        messages.edit(bob, edit_of(sent))
    with pytest.raises(InvalidInputError):
        messages.edit(ada, EditMessage(message_id=sent["id"], content={"url": "/x", "name": "x"}))
    age(sent, 25 * 3600)
    with pytest.raises(WindowClosedError):
        messages.edit(ada, edit_of(sent))


def test_an_edit_is_validated_like_a_new_message(people, private):
    ada, bob, _ = people
    deep = {"a": 1}
    for _ in range(250):
        deep = {"a": deep}
    sent = messages.send(ada, private, MessageDraft(client_id="c", type="custom", content={"a": 1}))["message"]

    for unreadable in (deep, {"a": "\x00"}):
        with pytest.raises(MalformedError):
            messages.edit(ada, EditMessage(message_id=sent["id"], content=unreadable))

    assert messages.get(bob, sent["id"]) == sent


def test_a_recall_removes_the_content_and_everything_attached_to_it(people):
    ada, bob, _ = people
    group = groups.create(ada, GroupIn(name="g", member_ids=[bob]))
    sent = say(bob, group.id, "secret", mentions=[ada])
    messages.edit(bob, edit_of(sent))
    reactions.react(ada, sent["id"], "👍", remove=False)
    messages.set_pin(ada, sent["id"], pin=True)

    recalled = messages.recall(bob, sent["id"])["message"]

    assert recalled["content"] == {}
    assert (recalled["mentions"], recalled["reactions"], recalled["pinned_at"]) == ([], [], None)
    assert recalled["recalled_at"] is not None
    for table in (MessageEdit, Mention, Reaction, Pin):
        assert db.session.scalars(select(table)).all() == []


def test_the_author_recalls_within_the_window_and_group_admins_at_any_time(people, private):
    ada, bob, _ = people
    group = groups.create(ada, GroupIn(name="g", member_ids=[bob]))
    in_private, in_group = say(ada, private), say(bob, group.id, "g")

    with pytest.raises(ForbiddenError):
        messages.recall(bob, in_private["id"])
    for message in (in_private, in_group):
        age(message, 121)
    with pytest.raises(WindowClosedError):
        messages.recall(ada, in_private["id"])
    with pytest.raises(WindowClosedError):
        messages.recall(bob, in_group["id"])
    assert messages.recall(ada, in_group["id"])["message"]["content"] == {}


def test_a_recalled_message_cannot_be_changed(people, private):
    ada, _, _ = people
    sent = say(ada, private)
    messages.recall(ada, sent["id"])

    for attempt in (
        lambda: messages.edit(ada, edit_of(sent)),
        lambda: reactions.react(ada, sent["id"], "👍", remove=False),
        lambda: messages.set_pin(ada, sent["id"], pin=True),
        lambda: messages.forward(ada, ForwardMessage(client_id="f", message_id=sent["id"], conversation_id=private)),
    ):
        with pytest.raises(MessageRecalledError):
            attempt()


def test_a_recall_can_be_repeated(people, private):
    ada, bob, _ = people
    sent = say(ada, private)
    first = messages.recall(ada, sent["id"])

    again = messages.recall(ada, sent["id"])

    assert again == first
    with pytest.raises(MessageRecalledError):
        messages.recall(bob, sent["id"])


def test_system_messages_cannot_be_changed(people):
    ada, bob, _ = people
    group = groups.create(ada, GroupIn(name="g", member_ids=[bob]))
    [line] = [m for m in messages.history(ada, group.id, HistoryQuery()).items if m.type == "system"][:1]

    for attempt in (
        lambda: messages.recall(ada, line.id),
        lambda: messages.edit(ada, EditMessage(message_id=line.id, content={"text": "x"})),
        lambda: reactions.react(ada, line.id, "👍", remove=False),
        lambda: messages.forward(ada, ForwardMessage(client_id="f", message_id=line.id, conversation_id=group.id)),
    ):
        with pytest.raises(AppError) as refused:
            attempt()
        assert refused.value.status in {403, 422}


def test_both_users_pin_in_private_conversations_and_only_admins_in_groups(people, private):
    ada, bob, _ = people
    group = groups.create(ada, GroupIn(name="g", member_ids=[bob]))
    in_private, in_group = say(ada, private), say(bob, group.id, "g")

    pinned = messages.set_pin(bob, in_private["id"], pin=True)["message"]

    assert pinned["pinned_by"] == bob
    assert messages.set_pin(ada, in_private["id"], pin=True)["message"] == pinned
    assert [message.id for message in messages.pins(ada, private, ListQuery()).items] == [in_private["id"]]
    with pytest.raises(RoleRequiredError):
        messages.set_pin(bob, in_group["id"], pin=True)
    assert messages.set_pin(ada, in_private["id"], pin=False)["message"]["pinned_at"] is None
    assert messages.pins(ada, private, ListQuery()).items == []


def test_pins_and_earlier_versions_are_read_in_pages(people, private):
    ada, bob, _ = people
    said = [say(ada, private, f"t{number}") for number in range(5)]
    for message in said:
        messages.set_pin(bob, message["id"], pin=True)
        messages.edit(ada, edit_of(said[0], f"after {message['seq']}"))

    def pages(read):
        cursor = None
        while True:
            page = read(ListQuery(limit=2, cursor=cursor))
            yield page.items
            if page.next_cursor is None:
                return
            cursor = int(page.next_cursor)

    pinned = list(pages(lambda query: messages.pins(bob, private, query)))
    versions = list(pages(lambda query: messages.edits(bob, said[0]["id"], query)))

    assert [[message.seq for message in page] for page in pinned] == [[5, 4], [3, 2], [1]]
    assert [[version.content["text"] for version in page] for page in versions] == [
        ["t0", "after 1"],
        ["after 2", "after 3"],
        ["after 4"],
    ]


def test_a_forward_keeps_the_content_and_names_the_origin(people, private):
    ada, bob, eve = people
    there, further = open_private(bob, eve)[0], open_private(eve, ada)[0]
    sent = say(ada, private, "pass it on")

    first = messages.forward(bob, ForwardMessage(client_id="f", message_id=sent["id"], conversation_id=there))
    second = messages.forward(
        eve, ForwardMessage(client_id="f", message_id=first["message"]["id"], conversation_id=further)
    )

    assert first["message"]["content"] == {"text": "pass it on"}
    origin = {"sender_id": ada, "created_at": sent["created_at"]}
    assert first["message"]["forwarded_from"] == second["message"]["forwarded_from"] == origin


@pytest.mark.parametrize("change", ["edited", "recalled"])
def test_a_repeated_forward_returns_the_first_result_after_the_source_has_changed(people, private, change):
    ada, bob, eve = people
    sent = say(ada, private, "pass it on")
    there, _ = open_private(bob, eve)
    order = ForwardMessage(client_id="f", message_id=sent["id"], conversation_id=there)
    first = messages.forward(bob, order)
    if change == "edited":
        messages.edit(ada, EditMessage(message_id=sent["id"], content={"text": "do not"}))
    else:
        messages.recall(ada, sent["id"])

    again = messages.forward(bob, order)

    assert again["duplicate"]
    assert again["message"]["id"] == first["message"]["id"]
    assert again["message"]["content"] == {"text": "pass it on"}


# -- reading ---------------------------------------------------------------------------------------------------


def test_history_pages_in_both_directions(people, private):
    ada, bob, _ = people
    for number in range(1, 8):
        say(ada, private, str(number))

    def texts(**query):
        page = messages.history(bob, private, HistoryQuery(**query))
        return [message.content["text"] for message in page.items], page.has_more

    assert texts(limit=3) == (["7", "6", "5"], True)
    assert texts(before=5, limit=3) == (["4", "3", "2"], True)
    assert texts(before=2, limit=3) == (["1"], False)
    assert texts(after=0, limit=3) == (["1", "2", "3"], True)
    assert texts(after=5, limit=3) == (["6", "7"], False)


def test_read_marks_only_move_forward_and_stop_at_the_last_message(people, private):
    ada, bob, _ = people
    for number in range(3):
        say(ada, private, str(number))

    assert read_marks.mark_read(bob, private, 2) == {"read_seq": 2}
    assert read_marks.mark_read(bob, private, 1) == {"read_seq": 2}
    assert read_marks.mark_read(bob, private, 99) == {"read_seq": 3}


def test_using_an_unknown_message_fails(people, private):
    ada, _, _ = people

    for attempt in (
        lambda: messages.get(ada, message_id(private, 9)),
        lambda: messages.recall(ada, message_id(private, 9)),
        lambda: messages.edit(ada, EditMessage(message_id=message_id(private, 9), content={"text": "x"})),
    ):
        with pytest.raises(NotFoundError):
            attempt()


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (TextTooLongError, {"type": "text", "content": {"text": "x" * 8001}}),
        (TooLargeError, {"type": "custom", "content": {"text": "x" * 40_000}}),
        (NotFoundError, {"type": "text", "content": {"text": "hi"}, "reply_to": "1-1"}),
        (RoleRequiredError, {"type": "text", "content": {"text": "hi"}, "mentions": ["all"]}),
        (ClientIdConflictError, {"type": "text", "content": {"text": "hi"}, "client_id": "used"}),
    ],
)
def test_a_refused_message_opens_no_conversation(people, error, fields):
    ada, bob, eve = people
    say(ada, open_private(ada, bob)[0], client_id="used")
    message = SendMessage(**{"client_id": "refused", "to_user_id": eve, **fields})

    with pytest.raises(error):
        messages.submit_send(ada, message, lambda *_outcome: None)

    assert find_private(ada, eve) is None


@pytest.mark.parametrize("number", ["18446744073709551616", "-9223372036854775809", "1e300", "123456789012345678901"])
def test_an_integer_beyond_64_bits_is_refused(number):
    content = orjson.loads(f'{{"nested": [{{"n": {number}}}]}}')

    with pytest.raises(InvalidInputError) as refused:
        MessageDraft(client_id="1", type="custom", content=content)

    assert refused.value.fields[0]["field"] == "content"


def test_64_bit_integers_and_fractions_are_kept_unchanged():
    content = {"n": [2**64 - 1, -(2**63), 0.5, -1e18]}

    assert MessageDraft(client_id="1", type="custom", content=content).content == content


@pytest.mark.parametrize("forward", [False, True])
def test_a_page_of_long_messages_is_bounded_in_bytes(people, private, forward):
    ada, _ = people[:2]
    for number in range(60):
        say(ada, private, "\u6f22" * 7900 + str(number))  # 24 kB each
    seen: list[int] = []

    for _ in range(3):
        place = {} if not seen else {"after" if forward else "before": seen[-1]}
        page = messages.history(ada, private, HistoryQuery(limit=200, **({"after": 0} | place if forward else place)))
        assert sum(len(message.content["text"].encode()) for message in page.items) <= 1_000_000
        seen += [message.seq for message in page.items]
        if not page.has_more:
            break

    assert seen == (list(range(1, 61)) if forward else list(range(60, 0, -1)))
    assert not page.has_more
