"""Clients that are ahead of the backup reconnect to the restored server."""

import pytest

from tests.support.server import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Memory:
    """A client's state, by the rules of the protocol: a new epoch means "forget everything and apply this"."""

    def __init__(self) -> None:
        self.epoch = None
        self.cursor = None
        self.known: dict[int, int] = {}
        self.messages: dict[str, dict] = {}

    def sync(self, device) -> dict:
        """Call `sync` until `more` is false; return the first answer."""
        answers = []
        while not answers or answers[-1]["more"]:
            request = {"conversations": {str(id_): change for id_, change in self.known.items()}}
            request |= {"cursor": self.cursor} if self.cursor else {}
            answers.append(device.call("sync", request))
            assert answers[-1]["ok"], answers[-1]
            self._take(answers[-1])
        return answers[0]

    def _take(self, answer: dict) -> None:
        if self.epoch not in {None, answer["epoch"]}:
            self.known, self.messages = {}, {}
        self.epoch, self.cursor = answer["epoch"], answer["cursor"]
        for item in answer["conversations"]:
            if item["removed"] or item["reset"]:
                self.known.pop(item["id"], None)
                self.messages = {k: m for k, m in self.messages.items() if m["conversation_id"] != item["id"]}
            if not item["removed"]:
                self.known[item["id"]] = item["next_change"]
                self.messages |= {one["message"]["id"]: one["message"] for one in item["changes"] if "message" in one}


@pytest.mark.parametrize("keeps", [True, False], ids=["sessions kept", "sessions ended"])
def test_a_client_that_is_ahead_gets_the_restored_state_and_can_send(start_server, device, tmp_path, keeps):
    server: Server = start_server()
    ada, bob = device(server, "ada").connect(), device(server, "bob").connect()
    private = ada.post("/api/conversations", {"user_id": bob.id})["id"]
    for number in range(5):
        ada.send(f"kept {number}", conversation_id=private)
    server.flask("im", "backup", str(tmp_path / "im.zip"))
    for number in range(7):
        ada.send(f"lost {number}", conversation_id=private)
    ghost = ada.post("/api/groups", {"name": "ghost", "member_ids": [bob.id]})["conversation_id"]
    ada.send("in a group that will not have been", conversation_id=ghost)
    memory = Memory()
    memory.sync(bob)
    assert memory.known.keys() == {private, ghost}
    ahead = memory.epoch

    server.stop()
    options = ["--keep-sessions"] if keeps else []
    server.flask("im", "restore", str(tmp_path / "im.zip"), "--replace", "--yes", *options)
    server.start()
    if not keeps:
        assert bob.rest("GET", "/api/users/me").status_code == 401
        bob, ada = bob.other_device(), ada.other_device()
    bob.connect()
    ada.connect()
    answer = memory.sync(bob)

    assert answer["epoch"] != ahead
    assert memory.known.keys() == {private}
    truth = bob.history(private)
    assert [message["content"]["text"] for message in truth] == [f"kept {number}" for number in range(5)]
    assert memory.messages == {message["id"]: message for message in truth}

    sent = bob.send("after the restore", conversation_id=private)["message"]
    heard = ada.wait_for("message_created", lambda payload: payload["message"]["id"] == sent["id"])
    assert sent["seq"] == 6
    assert heard["message"]["content"] == {"text": "after the restore"}
    memory.sync(bob)
    assert [message["seq"] for message in memory.messages.values()] == [1, 2, 3, 4, 5, 6]
    for one in (ada, bob):
        one.close()
