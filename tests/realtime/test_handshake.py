"""What a client that connects costs while it waits."""

from imapp.cluster import bus
from imapp.extensions import db
from tests.accounts import register
from tests.support.wire import Wire


def test_who_connects_keeps_no_connection_to_the_database_while_redis_takes_its_time(app, monkeypatch):
    held = []
    monkeypatch.setattr(bus, "settle", lambda: held.append(db.engine.pool.checkedout()) or True)
    tokens = register(app.test_client(), "ada")
    db.session.remove()

    wire = Wire(tokens["access_token"])

    assert held == [0, 0]
    wire.close()
