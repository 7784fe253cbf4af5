"""The resources that a connecting client holds while it waits."""

from imapp.cluster.bus import bus
from imapp.extensions import db
from tests.accounts import register
from tests.support.clients.in_process import InProcessClient


def test_a_connecting_client_holds_no_database_connection_while_it_waits_for_redis(app, monkeypatch):
    held = []
    monkeypatch.setattr(bus, "settle", lambda: held.append(db.engine.pool.checkedout()) or True)
    tokens = register(app.test_client(), "ada")
    db.session.remove()

    wire = InProcessClient(tokens["access_token"])

    assert held == [0, 0]
    wire.close()
