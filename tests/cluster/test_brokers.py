"""The shared test suite that every carrier between nodes passes."""

import pytest

from imapp.cluster.bus import broker_redis_cluster
from imapp.cluster.bus.factory import make_broker
from imapp.settings import Settings
from tests.cluster.conftest import Ear
from tests.support.ports import wait_for

pytestmark = pytest.mark.slow


def subscribed(broker, *channels):
    for channel in channels:
        broker.subscribe(channel)
    assert broker.settle(5)


def test_a_subscriber_on_another_node_receives_what_is_published(carrier, join):
    (one, _), (two, ear) = join(carrier), join(carrier)
    subscribed(two, "a")

    one.publish("a", b"hello")

    ear.wait_for(b"hello")
    assert ear.heard_all == [("a", b"hello")]


def test_a_node_does_not_receive_its_own_messages(carrier, join):
    (one, own), (two, ear) = join(carrier), join(carrier)
    subscribed(one, "a")
    subscribed(two, "a")

    one.publish("a", b"hello")

    ear.wait_for(b"hello")
    assert own.heard_all == []


def test_only_subscribers_receive_a_message(carrier, join):
    (one, _), (two, ear), (three, other) = join(carrier), join(carrier), join(carrier)
    subscribed(two, "a")
    subscribed(three, "b")

    one.publish("a", b"for a")
    one.publish("b", b"for b")

    ear.wait_for(b"for a")
    other.wait_for(b"for b")


def test_an_unsubscribed_node_receives_nothing(carrier, join):
    (one, _), (two, ear) = join(carrier), join(carrier)
    subscribed(two, "a", "b")
    two.unsubscribe("a")
    assert two.settle(5)

    one.publish("a", b"too late")
    one.publish("b", b"in time")

    ear.wait_for(b"in time")


def test_a_channel_can_be_left_and_subscribed_again(carrier, join):
    (one, _), (two, ear) = join(carrier), join(carrier)
    for _ in range(20):
        two.subscribe("a")
        two.unsubscribe("a")
    subscribed(two, "a")

    one.publish("a", b"hello")

    ear.wait_for(b"hello")


def test_messages_of_one_node_to_one_channel_keep_their_order(carrier, join):
    (one, _), (two, ear) = join(carrier), join(carrier)
    subscribed(two, "a")
    bodies = [b"%d" % number for number in range(2000)]

    for body in bodies:
        one.publish("a", body)

    ear.wait_for(*bodies)


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00\xff\r\n$5\r\n", bytes(range(256)) * 4096, "群聊".encode()],
    ids=["empty", "bytes", "1 MiB", "text"],
)
def test_any_bytes_arrive_unchanged(carrier, join, body):
    (one, _), (two, ear) = join(carrier), join(carrier)
    subscribed(two, "a")

    one.publish("a", body)

    ear.wait_for(body)


def test_messages_of_thousands_of_channels_arrive(carrier, join):
    (one, _), (two, ear) = join(carrier), join(carrier)
    channels = [f"room:{number}" for number in range(3000)]
    subscribed(two, *channels)

    for channel in channels[::500]:
        one.publish(channel, channel.encode())

    # Channels of different shards have no common order.
    expected = sorted(channel.encode() for channel in channels[::500])
    wait_for(lambda: sorted(body for _, body in ear.heard_all) == expected, what="hearing all rooms")


def test_a_new_node_is_ready_and_reports_no_gap(carrier, join):
    broker, ear = join(carrier)

    assert broker.is_up
    assert ear.gaps == ear.missed_channels == []


@pytest.mark.parametrize("are_together", [False, True], ids=["one by one", "at one moment"])
def test_a_redis_cluster_is_up_when_all_its_masters_are_and_reports_no_gap(tmp_path, monkeypatch, are_together):
    class Quick(broker_redis_cluster.PubSubConnection):
        """A link that is up as soon as it is started."""

        def start(self) -> None:
            self.ups += 1
            self.is_up = True
            if not are_together:
                broker.link_up(self)

    monkeypatch.setattr(broker_redis_cluster, "PubSubConnection", Quick)
    monkeypatch.setattr(
        broker_redis_cluster,
        "ask_once",
        lambda *_: [[first, first + 4095, [b"h", port]] for port, first in enumerate(range(0, 16_384, 4096), 1)],
    )
    settings = Settings(data_dir=tmp_path, secret_key="k" * 32, redis_url="redis+cluster://h:1", node_id="n")
    broker, ear = make_broker(settings), Ear()
    ear.ready = lambda: ear.is_ready.set() if broker.is_up and len(broker._links) == 4 else ear.gaps.append("too soon")

    broker.start(ear)
    if are_together:
        wait_for(lambda: len(broker._links) == 4 and broker.is_up, what="all links")
        for link in list(broker._links):
            broker.link_up(link)

    assert ear.is_ready.wait(5)
    wait_for(lambda: len(broker._links) == 4, what="all links")
    broker._closing = True
    broker._look.set()
    assert ear.gaps == []
