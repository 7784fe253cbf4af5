"""A reconciliation that fails halfway: the next one reports what the failed one had found."""

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from imapp.database.transactions import atomic
from imapp.extensions import db, socketio
from imapp.realtime import reconciliation
from imapp.services import own_versions
from tests.support.ports import wait_for
from tests.sync.world import World


@pytest.fixture
def world(app):
    made = World(app, people=1, devices=1)
    yield made
    made.close()


def test_findings_of_a_failed_reconciliation_are_reported_by_the_next(world, monkeypatch):
    monkeypatch.setattr(reconciliation, "GRACE_SECONDS", 0)
    (ann,) = world.people
    (device,) = ann.devices
    device.connect()
    device.catch_up(50)
    reconciler = reconciliation.Reconciler(socketio.server, socketio.server.manager.told)
    reconciler._told.new_users.add(ann.id)
    reconciler.record_baselines()
    atomic(own_versions.next_version, ann.id)

    with _Failing("conversation_members"), pytest.raises(OperationalError):
        reconciler.compare()
    assert "sync_required" not in [name for name, _ in device.wire.inbox]
    reconciler.compare()

    wait_for(lambda: ("sync_required", {"reason": "untold"}) in device.wire.inbox, what="the hint")


class _Failing:
    """Reads of this table fail as on a broken connection."""

    def __init__(self, table: str) -> None:
        self._table = table

    def __enter__(self) -> None:
        event.listen(db.engine, "before_cursor_execute", self._fail)

    def __exit__(self, *_: object) -> None:
        event.remove(db.engine, "before_cursor_execute", self._fail)

    def _fail(self, _connection, _cursor, statement: str, *_: object) -> None:
        if self._table in statement:
            raise OperationalError(statement, {}, ConnectionResetError())
