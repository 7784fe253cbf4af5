"""What is lost, doubled, out of order, late, or nobody's."""

import time

import pytest

from imapp.load.ledger import Ledger
from imapp.load.meter import Meter
from imapp.load.plan import Letter


@pytest.fixture
def ledger():
    return Ledger("run", Meter())


def send(ledger, number, receivers, *, acked=True, sender=0):
    ledger.sent(Letter(number, sender, set(receivers), "7", b""), time.monotonic())
    if acked:
        ledger.acked(number, None)


def deliver(ledger, number, receiver, *, seq=None, run="run"):
    ledger.delivered(receiver, {"client_id": f"{run}-{number}", "conversation_id": 7, "seq": seq or number})


def faults(ledger):
    return {name: count for name, count in ledger.counts.as_dict().items() if count}


def test_what_all_receivers_have_is_settled_whichever_comes_first(ledger):
    send(ledger, 1, [1, 2])
    deliver(ledger, 1, 1)
    assert not ledger.is_settled()
    deliver(ledger, 1, 2)
    send(ledger, 2, [1], acked=False)
    deliver(ledger, 2, 1)
    assert not ledger.is_settled()
    ledger.acked(2, None)

    assert ledger.is_settled()
    ledger.settle()
    assert faults(ledger) == {"sent": 2, "acked": 2, "delivered": 3}


def test_each_receiver_that_misses_a_message_is_a_loss(ledger):
    send(ledger, 1, [1, 2, 3])
    deliver(ledger, 1, 2)

    ledger.settle()

    assert faults(ledger) == {"sent": 1, "acked": 1, "delivered": 1, "lost": 2}


def test_what_comes_twice_is_doubled_even_when_it_was_settled(ledger):
    send(ledger, 1, [1, 2])
    deliver(ledger, 1, 1)
    deliver(ledger, 1, 1)
    deliver(ledger, 1, 2)
    deliver(ledger, 1, 2)

    assert ledger.counts.doubled == 2


def test_an_earlier_message_after_a_later_one_is_out_of_order(ledger):
    for number in (1, 2, 3):
        send(ledger, number, [1])
    for number in (1, 3, 2):
        deliver(ledger, number, 1)

    ledger.settle()

    assert faults(ledger) == {"sent": 3, "acked": 3, "delivered": 3, "reordered": 1}


def test_other_senders_may_be_overtaken(ledger):
    send(ledger, 1, [1], sender=5)
    send(ledger, 2, [1], sender=6)
    send(ledger, 3, [1], sender=5)
    for number in (3, 2, 1):
        deliver(ledger, number, 1)

    ledger.settle()

    assert faults(ledger) == {"sent": 3, "acked": 3, "delivered": 3, "reordered": 1, "overtaken": 1}


def test_what_comes_after_patience_was_lost_and_is_late(ledger):
    send(ledger, 1, [1])
    ledger.settle()
    deliver(ledger, 1, 1)

    assert faults(ledger) == {"sent": 1, "acked": 1, "delivered": 1, "lost": 1, "late": 1}


def test_a_refused_message_is_not_promised(ledger):
    send(ledger, 1, [1], acked=False)
    ledger.acked(1, "busy")

    ledger.settle()

    assert faults(ledger) == {"sent": 1, "refused": 1}
    assert ledger._meter.errors == {"busy": 1}


def test_what_is_not_answered_is_counted(ledger):
    send(ledger, 1, [1], acked=False)

    ledger.settle()

    assert faults(ledger) == {"sent": 1, "unanswered": 1}


def test_what_is_owed_to_a_broken_connection_is_no_loss(ledger):
    send(ledger, 1, [1, 2])
    deliver(ledger, 1, 2)
    ledger.broken(1, "closed_by_server")

    assert ledger.is_settled()
    ledger.settle()
    assert faults(ledger) == {"sent": 1, "acked": 1, "delivered": 1, "owed_to_broken": 1}


def test_what_is_left_to_a_sync_that_the_server_asked_for_is_no_loss(ledger):
    ledger.event(2, b'42["sync_required",{"reason":"too early"}]')
    send(ledger, 1, [1, 2])
    ledger.event(1, b'42["sync_required",{"reason":"bus"}]')

    ledger.settle()

    assert faults(ledger) == {"sent": 1, "acked": 1, "lost": 1, "left_to_sync": 1}
    assert ledger.events == {"sync_required": 2}


def test_messages_of_others_do_not_count(ledger):
    deliver(ledger, 1, 1, run="another")
    ledger.delivered(1, {"client_id": "3f1b", "conversation_id": 7, "seq": 3})

    assert faults(ledger) == {}
