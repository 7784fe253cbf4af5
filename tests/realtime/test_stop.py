"""A stopping node tells its clients when to reconnect, and they do."""

from tests.support.ports import wait_for


def test_clients_are_told_when_to_reconnect_and_reconnect(start_server, device):
    node = start_server()
    alice = device(node).connect(reconnection=True)
    bob = device(node)

    node.stop()
    told = alice.wait_for("server_draining")
    node.start()
    wait_for(lambda: alice.sio.connected and alice.sio.get_sid(), what="the return")

    assert 500 <= told["reconnect_after_ms"] <= 5000
    assert alice.send("back again", to_user_id=bob.id)["message"]["seq"] == 1
