"""A crowd that comes at one moment is announced together."""

import threading
import time

from imapp.realtime import presence_changes
from imapp.realtime.presence_changes import PresenceChanges


class Background:
    """As much of the server as it needs."""

    sleep = staticmethod(time.sleep)

    def __init__(self, app):
        self.app = app
        self.threads = []

    def start_background_task(self, task):
        self.threads.append(threading.Thread(target=task))
        self.threads[-1].start()


def test_those_who_come_within_a_moment_are_told_of_together(app, monkeypatch):
    told = []
    monkeypatch.setattr(presence_changes.presence, "changed", told.append)
    server = Background(app)
    changes = PresenceChanges(server)

    for user_id in range(100):
        changes.note(user_id, True)
    for thread in server.threads:
        thread.join(10)

    assert told == [dict.fromkeys(range(100), True)]
