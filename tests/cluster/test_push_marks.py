"""A node's record of what it has pushed."""

from imapp.cluster.bus import bus
from imapp.cluster.bus.push_marks import PushMarks, number_of

ROOM = bus.conversation_room(7)


def opened():
    told = PushMarks()
    told.open(ROOM)
    return told


def test_a_conversation_without_changes_is_known_after_the_first_reconciliation():
    told = opened()
    assert told.known() == []

    told.adopt(7, 0)

    assert told.known() == [7]
    assert told.change_of(7) == 0


def test_a_stored_change_does_not_hide_one_that_was_not_pushed():
    told = opened()
    told.note([ROOM], 3)

    told.adopt(7, 4)

    assert told.change_of(7) == 3


def test_a_conversation_without_connections_is_never_behind():
    told = opened()
    told.adopt(7, 3)

    told.close(ROOM)

    assert told.known() == []
    assert told.change_of(7) > 10**12
    assert not told.new_conversations


def test_pushes_to_a_user_are_counted_until_the_last_connection_closes():
    told = PushMarks()
    told.open(bus.user_room(5))
    told.note([bus.user_room(5), ROOM], 2)

    assert told.new_users == {5}
    assert told.pushes_to(5) == 1

    told.close(bus.user_room(5))

    assert told.pushes_to(5) == 0
    assert not told.new_users


def test_users_moved_by_an_order_are_remembered():
    told = PushMarks()

    told.note_move(bus.user_room(5))
    told.note_move(ROOM)
    told.note_move(None)

    assert told.moved == {5}


def test_a_read_mark_of_a_group_does_not_count_as_a_change():
    told = opened()
    told.adopt(7, 3)
    receipt = {"conversation_id": 7, "user_id": 5, "read_seq": 3, "version": 900}

    told.note([ROOM], number_of("conversation_read", receipt, [ROOM]))

    assert told.change_of(7) == 3


def test_an_event_counts_the_versions_that_its_receivers_got():
    told = PushMarks()
    told.open(bus.user_room(5))
    rooms = [bus.user_room(5), bus.user_room(6)]

    told.note(rooms, number_of("ban_created", {"ban": {"group_id": 7}}, rooms))
    told.note(rooms, number_of("presence_changed", {"user_id": 6, "online": True}, rooms))
    told.note(rooms, 5)

    assert told.pushes_to(5) == 6
    assert not told.pushes_to(6)
