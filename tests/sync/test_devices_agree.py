"""Pushes and `sync` together give the result of a fresh load, whatever is lost, repeated or late in between.

Hypothesis runs several people with several devices against the server in this process; the devices follow the
documented protocol (model.py). At the end every device shows the same as a fresh load; devices that lost no push show
it with pushes alone.
"""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.sync.model import request_shown
from tests.sync.world import World

PEOPLE = 3
DEVICES = 2

person_numbers = st.integers(0, PEOPLE - 1)
device_numbers = st.integers(0, PEOPLE * DEVICES - 1)
picks = st.integers(0, 30)
limits = st.sampled_from([1, 2, 3, 50])


class Chat(RuleBasedStateMachine):
    """See the module. `app` is set by the test."""

    app = None

    def __init__(self):
        super().__init__()
        self.world = World(self.app, PEOPLE, DEVICES)
        self.people = self.world.people
        self.devices = self.world.devices
        self.conversations = []
        self.sent = {}
        #: Devices that have lost a push at any time.
        self.lossy = set()
        self.calls = 0
        first, second, third = self.people
        self.conversations.append(first.rest("/api/conversations", {"user_id": second.id})["id"])
        self.conversations.append(first.rest("/api/groups", {"name": "g", "member_ids": [second.id, third.id]})["id"])
        for device in self.devices:
            device.connect()
            device.catch_up(50)

    def _conversation(self, pick):
        return self.conversations[pick % len(self.conversations)]

    def _message(self, pick):
        ids = [message["id"] for message in self.sent.values()]
        return ids[-1 - pick % len(ids)]

    def _try(self, actor, method, path, body=None):
        """Call the server; it may refuse, and a refusal changes nothing."""
        return self.people[actor].rest.try_(method, path, body)

    # -- the network -------------------------------------------------------------------------------------------

    @rule(number=device_numbers)
    def break_off(self, number):
        self.devices[number].disconnect()

    @rule(number=device_numbers, limit=limits, pages=st.sampled_from([1, 2, 100]), over_rest=st.booleans())
    def come_back(self, number, limit, pages, over_rest):
        """Connect, and maybe not finish `sync` before the next step."""
        device = self.devices[number]
        if not device.is_connected:
            device.connect()
        device.catch_up(limit, pages=pages, over_rest=over_rest)

    @rule(number=device_numbers, count=st.sampled_from([1, 2, 1000]))
    def deliver(self, number, count):
        if self.devices[number].is_connected:
            self.world.settle()
            self.devices[number].deliver(count)

    @rule(number=device_numbers, index=st.integers(0, 3))
    def lose_a_push(self, number, index):
        self.world.settle()
        if self.devices[number].lose(index):
            self.lossy.add(number)

    # -- messages ----------------------------------------------------------------------------------------------

    @rule(number=device_numbers, pick=picks)
    def send(self, number, pick):
        device = self.devices[number]
        if not device.is_connected:
            self._send_by_rest(number // DEVICES, self._draft(pick))
            return
        ack = device.wire.call("send_message", self._draft(pick))
        if ack["ok"]:
            self.sent[ack["message"]["client_id"]] = ack["message"]
            device.take_ack(ack["message"])

    @rule(actor=person_numbers, picks=st.lists(picks, min_size=2, max_size=5))
    def send_several(self, actor, picks):
        for pick in picks:
            self._send_by_rest(actor, self._draft(pick))

    def _send_by_rest(self, actor, draft):
        answer = self._try(actor, "POST", f"/api/conversations/{draft.pop('conversation_id')}/messages", draft)
        if answer.status_code == 201:
            self.sent[draft["client_id"]] = answer.json["message"]

    def _draft(self, pick):
        self.calls += 1
        return {
            "conversation_id": self._conversation(pick),
            "client_id": f"c{self.calls}",
            "type": "text",
            "content": {"text": str(pick)},
        }

    @precondition(lambda self: self.sent)
    @rule(pick=picks)
    def retry(self, pick):
        """Send a stored message again over REST, as after a lost ack."""
        first = self.sent[list(self.sent)[-1 - pick % len(self.sent)]]
        actor = next(n for n, person in enumerate(self.people) if person.id == first["sender_id"])
        draft = {name: first[name] for name in ("client_id", "type", "content")}
        answer = self._try(actor, "POST", f"/api/conversations/{first['conversation_id']}/messages", draft)
        if answer.status_code == 200:
            assert answer.json["duplicate"]
            assert answer.json["message"]["id"] == first["id"]
        assert answer.status_code != 201

    @precondition(lambda self: self.sent)
    @rule(actor=person_numbers, pick=picks)
    def edit(self, actor, pick):
        self._try(actor, "PATCH", f"/api/messages/{self._message(pick)}", {"content": {"text": "edited"}})

    @precondition(lambda self: self.sent)
    @rule(actor=person_numbers, pick=picks)
    def recall(self, actor, pick):
        self._try(actor, "POST", f"/api/messages/{self._message(pick)}/recall")

    @precondition(lambda self: self.sent)
    @rule(actor=person_numbers, pick=picks, remove=st.booleans())
    def react(self, actor, pick, remove):
        path = f"/api/messages/{self._message(pick)}/reactions"
        self._try(actor, "POST" if remove else "PUT", path + "/remove" * remove, {"emoji": "👍"})

    @precondition(lambda self: self.sent)
    @rule(actor=person_numbers, pick=picks, method=st.sampled_from(["PUT", "DELETE"]))
    def pin(self, actor, pick, method):
        self._try(actor, method, f"/api/messages/{self._message(pick)}/pin")

    @precondition(lambda self: self.sent)
    @rule(actor=person_numbers, pick=picks)
    def hide_message(self, actor, pick):
        self._try(actor, "POST", "/api/messages/hide", {"message_ids": [self._message(pick)]})

    # -- own state ---------------------------------------------------------------------------------------------

    @rule(actor=person_numbers, pick=picks, seq=st.integers(0, 10))
    def read(self, actor, pick, seq):
        self._try(actor, "POST", f"/api/conversations/{self._conversation(pick)}/read", {"seq": seq})

    @rule(
        actor=person_numbers,
        pick=picks,
        patch=st.fixed_dictionaries(
            {},
            optional={
                "is_pinned": st.booleans(),
                "is_muted": st.booleans(),
                "is_hidden": st.booleans(),
                "is_marked_unread": st.booleans(),
                "draft": st.sampled_from([None, "", "soon"]),
            },
        ),
    )
    def change_settings(self, actor, pick, patch):
        self._try(actor, "PATCH", f"/api/conversations/{self._conversation(pick)}", patch)

    @rule(actor=person_numbers, other=person_numbers, action=st.sampled_from(["ask", "remove", "block", "unblock"]))
    def meet(self, actor, other, action):
        id_ = self.people[other].id
        call = {
            "ask": ("POST", "/api/contact-requests", {"user_id": id_, "message": "hi"}),
            "remove": ("DELETE", f"/api/contacts/{id_}", None),
            "block": ("PUT", f"/api/blocks/{id_}", None),
            "unblock": ("DELETE", f"/api/blocks/{id_}", None),
        }[action]
        self._try(actor, *call)

    @rule(actor=person_numbers, pick=picks, answer=st.sampled_from(["accept", "reject", "cancel"]))
    def answer_request(self, actor, pick, answer):
        requests = self.people[actor].rest("/api/contact-requests?direction=incoming")["items"]
        requests += self.people[actor].rest("/api/contact-requests?direction=outgoing")["items"]
        if requests:
            self._try(actor, "POST", f"/api/contact-requests/{requests[pick % len(requests)]['id']}/{answer}")

    @rule(
        actor=person_numbers,
        patch=st.fixed_dictionaries(
            {}, optional={"nickname": st.sampled_from(["Dee", "Eve"]), "email": st.sampled_from([None, "a@b.cd"])}
        ),
    )
    def change_profile(self, actor, patch):
        self._try(actor, "PATCH", "/api/users/me", patch)

    # -- groups ------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.conversations) < 4)
    @rule(actor=person_numbers, other=person_numbers)
    def create_group(self, actor, other):
        answer = self._try(actor, "POST", "/api/groups", {"name": "new", "member_ids": [self.people[other].id]})
        if answer.status_code == 201:
            self.conversations.append(answer.json["id"])

    @precondition(lambda self: len(self.conversations) < 4)
    @rule(actor=person_numbers, other=person_numbers)
    def open_private(self, actor, other):
        answer = self._try(actor, "POST", "/api/conversations", {"user_id": self.people[other].id})
        if answer.status_code == 201:
            self.conversations.append(answer.json["id"])

    @rule(actor=person_numbers, other=person_numbers, pick=picks, action=st.sampled_from(["add", "remove", "admin"]))
    def change_members(self, actor, other, pick, action):
        path = f"/api/groups/{self._conversation(pick)}/members"
        id_ = self.people[other].id
        call = {
            "add": ("POST", path, {"user_ids": [id_]}),
            "remove": ("DELETE", f"{path}/{id_}", None),
            "admin": ("PUT", f"{path}/{id_}/role", {"role": "admin"}),
        }[action]
        self._try(actor, *call)

    @rule(actor=person_numbers, pick=picks, answer=st.sampled_from(["accept", "decline"]))
    def answer_invitation(self, actor, pick, answer):
        self._try(actor, "POST", f"/api/groups/{self._conversation(pick)}/invitation/{answer}")

    @rule(actor=person_numbers, other=person_numbers, pick=picks)
    def lift_ban(self, actor, other, pick):
        self._try(actor, "DELETE", f"/api/groups/{self._conversation(pick)}/bans/{self.people[other].id}")

    @rule(actor=person_numbers, pick=picks, name=st.sampled_from(["one", "two"]))
    def rename_group(self, actor, pick, name):
        self._try(actor, "PATCH", f"/api/groups/{self._conversation(pick)}", {"name": name})

    # -- conditions at the end ---------------------------------------------------------------------------------

    def teardown(self):
        try:
            self._read_all_while_some_are_away()
            self.world.settle()
            self.world.check_versions_told()
            fresh = {person.id: person.fresh() for person in self.people}
            coming = {person.id: person.coming() for person in self.people}
            self._check_numbers(fresh)
            for number, device in enumerate(self.devices):
                if device.is_level and number not in self.lossy:
                    device.deliver(10_000)
                    assert not device.is_level or device.view() == fresh[device.user_id], "pushes alone"
                if not device.is_connected:
                    device.connect()
                device.is_level = False
                device.catch_up(2)
                assert device.view() == fresh[device.user_id]
                assert self._coming(device) == coming[device.user_id]
        finally:
            self.world.close()

    def _read_all_while_some_are_away(self):
        """Set read marks while some devices are offline: marks are no changes, only own state carries them."""
        for person in self.people:
            person.devices[0].disconnect()
        for person in self.people:
            for conversation_id in self.conversations:
                person.rest.try_("POST", f"/api/conversations/{conversation_id}/read", {"seq": 1_000})

    def _coming(self, device):
        parts = ("items", "invited", "bans")
        told = {id_: [list(map(request_shown, item[part])) for part in parts] for id_, item in device.coming.items()}
        return {id_: lists for id_, lists in told.items() if any(lists)}

    def _check_numbers(self, fresh):
        """Check that no seq is missing or doubled, and that no acknowledged message is missing."""
        for person in self.people:
            for id_, shown in fresh[person.id]["conversations"].items():
                seqs = [message["seq"] for message in shown["messages"]]
                assert seqs == sorted(set(seqs))
                hidden = {message["id"] for message in self.sent.values()} - {m["id"] for m in shown["messages"]}
                assert len(seqs) + len([one for one in hidden if one.startswith(f"{id_}-")]) >= shown["last_seq"]


def play(app, examples, steps):
    machine = type("Play", (Chat,), {"app": app})
    # No shrinking: it takes minutes. The failing steps are printed unshrunk.
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    options = {"deadline": None, "suppress_health_check": list(HealthCheck), "phases": phases}
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=steps, **options))


@pytest.mark.timeout(300)
def test_every_device_shows_the_same_as_a_fresh_load(app, database):
    play(app, examples=30 if database == "sqlite" else 6, steps=50)
