"""Measure the cost of metrics and traces: a message and a command in the program, without database and network.

    .venv/bin/python -m bench.path_cost [--messages 200] [--rounds 400]

One process, gevent as in the server. A message: op, rules decided in memory, committer, ack, encoding for the bus,
delivery to one local connection and to one behind the bus. Prints nanoseconds of processor time, the lowest of
all rounds. To measure an older version of the program, copy this file there.
"""

# ruff: noqa: E402 - gevent must patch before any other import
from gevent import monkey

monkey.patch_all()

import argparse
import gc
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import gevent

from imapp.app import create_app
from imapp.clock import now
from imapp.cluster.bus import bus
from imapp.models.conversations import BOTH_WROTE
from imapp.node import node_of
from imapp.realtime.connections import Connection
from imapp.realtime.dispatch import dispatch
from imapp.realtime.server import RealtimeServer
from imapp.services.write_path import committer as committer_module
from imapp.services.write_path.batch import Batch
from imapp.services.write_path.committer import Committer
from imapp.services.write_path.message_rules import Body, Send
from imapp.services.write_path.rows import Head, Rights
from imapp.settings import Settings

RIGHTS = Rights(
    conversation_id=1, user_id=1, role="member", left_at=None, muted_until=None, read_seq=0, is_marked_unread=False,
    is_muted_all=None, dissolved_at=None, member_count=None, is_blocked=False, is_contact=True, is_peer_closed=False,
)  # fmt: skip


class Bus:
    """Collects the encoded messages; another node would receive the same bytes."""

    is_alone, is_up = False, True

    def __init__(self):
        self.frames = []

    def publish(self, channel, body):
        self.frames.append((channel, body))
        return True

    def subscribe(self, channel):
        """Do nothing."""


class Socket:
    """A session that accepts packets and is flushed."""

    def __init__(self, event_loop):
        self.event_loop = event_loop

    def send(self, packet, *, is_room=False):
        packet.frame  # noqa: B018 - builds the frame
        self.event_loop.flusher.add(self, is_room=is_room)

    def flush(self):
        """Do nothing."""


class ProgramPath:
    """The program without database and network."""

    def __init__(self, folder):
        self.app = create_app(Settings(data_dir=folder, secret_key="k" * 32, env="test", rate_limits=False))
        self.server, self.committer = node_of(self.app).part(RealtimeServer), node_of(self.app).part(Committer)
        self.manager = self.server.manager
        self.manager.broker = Bus()
        self.committer._thread = object()  # this program runs its turns
        for sid in ("node-1~ada", "node-1~bob"):
            self.server.eio.sockets[sid] = Socket(self.server.eio.event_loop)
            self.manager.basic_enter_room(sid, "/", None, sid)
            self.manager.basic_enter_room(sid, "/", bus.conversation_room(1), sid)
        committer_module.commit = self._commit
        self.number = 0

    def _commit(self, ops):
        batch = Batch(ops)
        batch.heads[1] = Head(1, "private", self.number, self.number, batch.moment, 1, 2, BOTH_WROTE)
        batch.rights[1, 1] = RIGHTS
        outcomes, publications = [], []
        for op in ops:
            start = len(batch.publications)
            outcomes.append(op.apply(batch))
            publications.append(batch.publications[start:])
        return outcomes, publications

    def messages(self, count):
        """Send some messages in batches of 50."""
        for _ in range(count // 50):
            for _ in range(50):
                self.number += 1
                body = Body(client_id=f"client-{self.number}", kind="text", content=b'{"text":"hello"}')
                self.committer.submit(Send(1, 1, body, "node-1~ada"), lambda _outcome: None)
            self.committer._turn()
            frames, self.manager.broker.frames = self.manager.broker.frames, []
            for channel, body in frames:
                self.manager.heard(channel, body)
            gevent.sleep(0)

    def commands(self, count):
        """Run some commands without effect."""
        connection = Connection("node-1~ada", 1, 1, now() + timedelta(hours=1))
        for _ in range(count):
            dispatch(connection, "ping_server", [{}], lambda _ack: None)


def least(run, count, rounds):
    """Return the nanoseconds of processor time for one, in the best round."""
    run(count)
    taken = []
    for _ in range(rounds):
        began = time.process_time_ns()
        run(count)
        taken.append((time.process_time_ns() - began) / count)
    return min(taken)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=400)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = ProgramPath(Path(folder))
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)  # like gunicorn.conf.py; otherwise collections scan the program's own objects
        with path.app.app_context():
            print(f"message: {least(path.messages, options.messages, options.rounds):.0f} ns")
            print(f"command: {least(path.commands, 10 * options.messages, options.rounds):.0f} ns")


if __name__ == "__main__":
    main()
