"""The load test's ledger: messages that are lost, doubled, out of order, late, or of another run."""

import time

import pytest

from imapp.load.ledger import Ledger
from imapp.load.meter import Meter
from imapp.load.plan import PlannedMessage


@pytest.fixture
def ledger():
    return Ledger("run", Meter())


def send(ledger, number, receivers, *, acked=True, sender=0):
    ledger.sent(PlannedMessage(number, sender, set(receivers), "7", b""), time.monotonic())
    if acked:
        ledger.acked(number, None)


def deliver(ledger, number, receiver, *, seq=None, run="run"):
    ledger.delivered(receiver, {"client_id": f"{run}-{number}", "conversation_id": 7, "seq": seq or number})


def faults(ledger):
    return {name: count for name, count in ledger.counts.as_dict().items() if count}


def test_a_message_is_settled_when_acked_and_delivered_to_all_in_either_order(ledger):
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


def test_each_receiver_without_a_message_is_a_loss(ledger):
    send(ledger, 1, [1, 2, 3])
    deliver(ledger, 1, 2)

    ledger.settle()

    assert faults(ledger) == {"sent": 1, "acked": 1, "delivered": 1, "lost": 2}


def test_a_second_delivery_is_doubled_even_after_settling(ledger):
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


def test_messages_of_different_senders_may_overtake_each_other(ledger):
    send(ledger, 1, [1], sender=5)
    send(ledger, 2, [1], sender=6)
    send(ledger, 3, [1], sender=5)
    for number in (3, 2, 1):
        deliver(ledger, number, 1)

    ledger.settle()

    assert faults(ledger) == {"sent": 3, "acked": 3, "delivered": 3, "reordered": 1, "overtaken": 1}


def test_a_delivery_after_the_patience_counts_as_lost_and_late(ledger):
    send(ledger, 1, [1])
    ledger.settle()
    deliver(ledger, 1, 1)

    assert faults(ledger) == {"sent": 1, "acked": 1, "delivered": 1, "lost": 1, "late": 1}


def test_a_refused_message_need_not_be_delivered(ledger):
    send(ledger, 1, [1], acked=False)
    ledger.acked(1, "busy")

    ledger.settle()

    assert faults(ledger) == {"sent": 1, "refused": 1}
    assert ledger._meter.errors == {"busy": 1}


def test_an_unanswered_message_is_counted(ledger):
    send(ledger, 1, [1], acked=False)

    ledger.settle()

    assert faults(ledger) == {"sent": 1, "unanswered": 1}


def test_a_delivery_owed_to_a_broken_connection_is_no_loss(ledger):
    send(ledger, 1, [1, 2])
    deliver(ledger, 1, 2)
    ledger.broken(1, "closed_by_server")

    assert ledger.is_settled()
    ledger.settle()
    assert faults(ledger) == {"sent": 1, "acked": 1, "delivered": 1, "owed_to_broken": 1}


def test_a_delivery_left_to_a_requested_sync_is_no_loss(ledger):
    ledger.event(2, b'42["sync_required",{"reason":"too early"}]')
    send(ledger, 1, [1, 2])
    ledger.event(1, b'42["sync_required",{"reason":"bus"}]')

    ledger.settle()

    assert faults(ledger) == {"sent": 1, "acked": 1, "lost": 1, "left_to_sync": 1}
    assert ledger.events == {"sync_required": 2}


def test_messages_of_other_runs_do_not_count(ledger):
    deliver(ledger, 1, 1, run="another")
    ledger.delivered(1, {"client_id": "3f1b", "conversation_id": 7, "seq": 3})

    assert faults(ledger) == {}
