"""Simultaneous presence changes are announced together."""

import threading
import time

import pytest

from imapp.cluster.bus import bus
from imapp.cluster.registry import presence as cluster_presence
from imapp.realtime import presence_fanout
from imapp.realtime.presence_fanout import PresenceFanout


class Background:
    """The part of the server that PresenceChanges needs."""

    sleep = staticmethod(time.sleep)

    def __init__(self, app):
        self.app = app
        self.threads = []

    def start_background_task(self, task):
        self.threads.append(threading.Thread(target=task))
        self.threads[-1].start()


def test_users_that_connect_within_a_moment_are_announced_together(app, monkeypatch):
    told = []
    monkeypatch.setattr(presence_fanout.presence, "changed", told.append)
    server = Background(app)
    changes = PresenceFanout(server)

    for user_id in range(100):
        changes.note(user_id, True)
    for thread in server.threads:
        thread.join(10)

    assert told == [dict.fromkeys(range(100), True)]


@pytest.mark.parametrize(
    ("said", "looks", "told"),
    [
        (True, [{1}, {1}], [True]),
        (True, [set(), set()], [False]),
        (False, [set(), set()], [False]),
        (False, [set(), {1}, {1}], [False, True]),
        (False, [set(), {1}, set(), {1}, set()], [False, True, False]),
    ],
    ids=["came", "went meanwhile", "went", "announced by another node meanwhile", "comes and goes"],
)
def test_the_last_announcement_is_the_present_state(app, monkeypatch, said, looks, told):
    pushed = []
    monkeypatch.setattr(presence_fanout.presence, "_watches", lambda _users: {(1, 2)})
    monkeypatch.setattr(cluster_presence.local(), "online_among", lambda _users: looks.pop(0))
    monkeypatch.setattr(bus, "publish", lambda event, room: pushed.append((room, event.online)))

    presence_fanout.presence.changed({1: said})

    assert pushed == [(bus.user_room(2), online) for online in told]
