"""A node notices failures of its carrier and recovers by itself within five seconds, without help from outside."""

import time

import pytest

from imapp.cluster.bus import pubsub_connection
from tests.support.ports import WITHIN, wait_for
from tests.support.proxy import Proxy

pytestmark = pytest.mark.slow


def subscribed(broker, *channels):
    for channel in channels:
        broker.subscribe(channel)
    assert broker.settle(5)


def hears_again(speaker, ear):
    """Wait until a published message arrives."""
    before = len(ear.heard_all)

    def arrives() -> bool:
        speaker.publish("a", b"are you there?")
        time.sleep(0.05)
        return len(ear.heard_all) > before

    wait_for(arrives, WITHIN, "a message to arrive again")


def test_a_node_recovers_after_redis_was_killed_and_restarted(own_redis, join):
    (one, _), (two, ear) = join(own_redis.url), join(own_redis.url)
    subscribed(two, "a")

    own_redis.kill()
    wait_for(lambda: not two.is_up, WITHIN, "the loss to be noticed")
    one.publish("a", b"lost")
    own_redis.start()

    hears_again(one, ear)
    assert ear.gaps == ["bus_restored"]
    assert (b"lost") not in [body for _, body in ear.heard_all]


def test_channels_with_unsent_messages_are_named_when_redis_is_back(own_redis, join):
    one, ear = join(own_redis.url)
    own_redis.kill()
    wait_for(lambda: not one.is_up, WITHIN, "the loss to be noticed")

    one.publish("room:1", b"lost")
    one.publish("room:2", b"lost too")
    own_redis.start()

    wait_for(lambda: ear.missed_channels, WITHIN, "the hint")
    assert ear.missed_channels == [{"room:1", "room:2"}]


def test_a_gap_of_too_many_channels_names_none(own_redis, join):
    one, ear = join(own_redis.url)
    own_redis.kill()
    wait_for(lambda: not one.is_up, WITHIN, "the loss to be noticed")

    for number in range(pubsub_connection.MISSED_MAX + 5):
        one.publish(f"room:{number}", b"lost")
    own_redis.start()

    wait_for(lambda: ear.missed_channels, WITHIN, "the hint")
    assert ear.missed_channels == [None]


def test_a_frozen_redis_is_noticed_and_a_new_connection_is_opened(own_redis, join):
    (one, _), (two, ear) = join(own_redis.url), join(own_redis.url)
    subscribed(two, "a")

    own_redis.freeze()
    wait_for(lambda: not two.is_up, WITHIN, "the loss to be noticed")
    own_redis.thaw()

    hears_again(one, ear)
    assert ear.gaps == ["bus_restored"]


def test_publishing_to_a_frozen_redis_never_waits(own_redis, join):
    one, _ = join(own_redis.url)
    own_redis.freeze()

    began = time.monotonic()
    for _ in range(20_000):
        one.publish("a", b"x" * 1000)
    took = time.monotonic() - began
    own_redis.thaw()

    # Signing and queueing 20 MB takes a fraction of this time; one wait for Redis would take all of it.
    assert took < pubsub_connection.DEAF_SECONDS


def test_a_short_pause_of_redis_is_no_gap(own_redis, join):
    (one, _), (two, ear) = join(own_redis.url), join(own_redis.url)
    subscribed(two, "a")

    own_redis.freeze()
    time.sleep(1)
    one.publish("a", b"late")
    own_redis.thaw()

    ear.wait_for(b"late")
    assert ear.gaps == []


def test_a_half_open_connection_is_noticed_without_a_tcp_error(own_redis, join):
    proxy = Proxy(own_redis.port)
    (one, _), (two, ear) = join(own_redis.url), join(f"redis://127.0.0.1:{proxy.port}")
    subscribed(two, "a")

    proxy.swallows = True
    wait_for(lambda: not two.is_up, WITHIN, "the loss to be noticed")
    proxy.swallows = False

    hears_again(one, ear)
    assert proxy.swallowed
    assert ear.gaps == ["bus_restored"]
    proxy.close()


def test_subscriptions_ended_by_redis_are_renewed(own_redis, join):
    (one, _), (two, ear) = join(own_redis.url), join(own_redis.url)
    subscribed(two, "a")

    own_redis.client().execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    wait_for(lambda: ear.gaps, what="the loss to be noticed")
    hears_again(one, ear)


def test_a_reader_too_slow_for_redis_is_disconnected_and_reports_a_gap(own_redis, join):
    (one, _), (two, ear) = join(own_redis.url), join(own_redis.url)
    subscribed(two, "a")
    own_redis.client().config_set("client-output-buffer-limit", "pubsub 65536 0 0")

    for _ in range(50):
        one.publish("a", b"x" * 1_000_000)

    wait_for(lambda: ear.gaps, what="the announcement")
    hears_again(one, ear)


def test_an_emptied_redis_that_refuses_writes_still_carries_messages(own_redis, join):
    (one, _), (two, ear) = join(own_redis.url), join(own_redis.url)
    subscribed(two, "a")

    own_redis.client().flushall()
    own_redis.client().config_set("maxmemory", "1mb")
    one.publish("a", b"hello")

    ear.wait_for(b"hello")


def test_messages_beyond_the_queue_limit_are_dropped_and_their_channels_named(own_redis, join):
    (one, first), (two, ear) = join(own_redis.url, bus_queue_max_bytes=65_536), join(own_redis.url)
    subscribed(two, "a")

    own_redis.freeze()
    for _ in range(2000):
        one.publish("a", b"x" * 10_000)
    own_redis.thaw()

    wait_for(lambda: first.missed_channels, WITHIN, "the hint")
    assert first.missed_channels[0] == {"a"}
    hears_again(one, ear)


def test_a_node_started_without_redis_is_ready_when_redis_is(own_redis, join):
    own_redis.kill()
    broker, ear = join(own_redis.url, wait=False)
    broker.subscribe("a")
    is_up_without = broker.is_up

    own_redis.start()

    assert not is_up_without
    assert ear.is_ready.wait(60)
    other, _ = join(own_redis.url)
    hears_again(other, ear)


def test_a_node_recovers_after_a_failover_by_the_sentinels(own_sentinel, join):
    (one, _), (two, ear) = join(own_sentinel.url), join(own_sentinel.url)
    subscribed(two, "a")

    own_sentinel.master.kill()
    wait_for(lambda: own_sentinel.current() is own_sentinel.replica, what="the failover")

    hears_again(one, ear)
    assert ear.gaps


def test_a_node_leaves_a_deposed_master_that_is_still_running(own_sentinel, join):
    (one, _), (two, ear) = join(own_sentinel.url), join(own_sentinel.url)
    subscribed(two, "a")

    own_sentinel.master.freeze()
    wait_for(lambda: own_sentinel.current() is own_sentinel.replica, what="the failover")
    own_sentinel.master.thaw()

    hears_again(one, ear)
    wait_for(lambda: {"imapp-n1", "imapp-n2"} <= _clients_of(own_sentinel.replica), WITHIN, "the move to the master")


def _clients_of(server):
    return {client["name"] for client in server.client().client_list()}


def test_a_node_recovers_after_the_death_of_a_redis_cluster_master(own_redis_cluster, join):
    (one, _), (two, ear) = join(own_redis_cluster.url), join(own_redis_cluster.url)
    channels = [f"room:{number}" for number in range(60)]
    subscribed(two, *channels)

    own_redis_cluster.servers[0].kill()
    wait_for(lambda: not (one.is_up and two.is_up), what="the loss to be noticed")
    wait_for(lambda: one.is_up and two.is_up, what="the replica's promotion")
    for channel in channels:
        one.publish(channel, channel.encode())

    wait_for(lambda: {body for _, body in ear.heard_all} >= {c.encode() for c in channels}, what="all channels")
    assert ear.gaps


def test_channels_follow_a_moved_slot(own_redis_cluster, join):
    (one, _), (two, ear) = join(own_redis_cluster.url), join(own_redis_cluster.url)
    subscribed(two, "a")
    masters = own_redis_cluster.servers[:3]
    slot = masters[0].client().execute_command("CLUSTER", "KEYSLOT", "a")
    source = next(server for server in masters if _owns(server, slot))
    target = next(server for server in masters if server is not source)

    own_redis_cluster.move_slot(slot, source, target)

    hears_again(one, ear)
    wait_for(lambda: ear.gaps, what="the hint")


def _owns(server, slot):
    ranges = server.client().execute_command("CLUSTER", "SLOTS")
    return any(first <= slot <= last and master[1] == server.port for first, last, master, *_ in ranges)


def test_a_forged_frame_is_not_passed_on(own_redis, join):
    broker, ear = join(own_redis.url)
    subscribed(broker, "a")

    own_redis.client().publish("a", "x" * 64)
    stranger, _ = join(own_redis.url, secret_key="another secret key of thirty-two bytes")
    stranger.publish("a", b"let me in")
    friend, _ = join(own_redis.url)
    friend.publish("a", b"hello")

    ear.wait_for(b"hello")


def test_a_key_rotation_disconnects_no_node(own_redis, join):
    old, old_ear = join(own_redis.url)
    new, new_ear = join(own_redis.url, secret_key="n" * 32, secret_key_previous="k" * 32)
    subscribed(old, "a")
    subscribed(new, "a")

    old.publish("a", b"from the old")

    new_ear.wait_for(b"from the old")
    assert old_ear.heard_all == []
