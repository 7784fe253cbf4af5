"""Features of the page beyond chatting: unread messages, input methods, limits, files, requests."""

from itertools import count
from uuid import uuid4

import pytest
import requests
from playwright.sync_api import expect

from tests.web.people import PASSWORD
from tests.web.test_phone import PHONE

pytestmark = pytest.mark.slow

NUMBERS = count(1)


class Account:
    """A user without a browser window."""

    def __init__(self, url, nickname):
        self.url, self.name = url, f"user{uuid4().hex[:10]}"
        body = {"username": self.name, "nickname": nickname, "password": PASSWORD}
        session = self._call("POST", "/api/auth/register", {}, body)
        self.headers = {"Authorization": f"Bearer {session['access_token']}"}
        self.id = session["user"]["id"]

    def __call__(self, method, path, **body):
        return self._call(method, path, self.headers, body or None)

    def _call(self, method, path, headers, body):
        response = requests.request(method, self.url + path, json=body, headers=headers, timeout=20)
        response.raise_for_status()
        return response.json() if response.content else None

    def say(self, conversation_id, *texts):
        path = f"/api/conversations/{conversation_id}/messages"
        return [
            self("POST", path, client_id=f"v{next(NUMBERS)}", type="text", content={"text": text}) for text in texts
        ]

    def chat_with(self, user_id):
        return self("POST", "/api/conversations", user_id=user_id)["id"]


@pytest.fixture
def ada(somebody):
    return somebody().register("Ada")


@pytest.fixture
def bob(server):
    return Account(server.url, "Bob")


def box(person):
    return person.page.get_by_label("Write a message")


def own_requests(person, ending):
    """Record the requests to URLs with this ending that the page makes from now on; return the list."""
    found = []
    person.page.on("request", lambda request: found.append(request) if request.url.endswith(ending) else None)
    return found


def test_keys_of_an_input_method_neither_send_nor_cancel(ada, bob):
    ada.chat_with(bob)
    box(ada).fill("ni hao")

    box(ada).evaluate("""box => box.dispatchEvent(new KeyboardEvent(
        'keydown', {key: 'Enter', keyCode: 229, bubbles: true, cancelable: true}))""")
    expect(box(ada)).to_have_value("ni hao")
    expect(ada.page.locator(".message")).to_have_count(0)
    box(ada).press("Enter")
    ada.all_sent()  # the message is drawn anew when it is stored, and loses its buttons
    ada.message("ni hao").hover()
    ada.message("ni hao").get_by_role("button", name="Edit").click()
    box(ada).fill("hello")
    box(ada).evaluate("""box => box.dispatchEvent(new KeyboardEvent(
        'keydown', {key: 'Escape', isComposing: true, bubbles: true}))""")
    expect(ada.page.locator(".context")).to_have_text("Editing your message")
    expect(box(ada)).to_have_value("hello")
    box(ada).press("Escape")
    expect(ada.page.locator(".context")).to_have_count(0)


def test_a_text_beyond_the_limit_is_not_sent_and_dropped_files_are_refused(ada, bob):
    ada.chat_with(bob)

    box(ada).fill("😀" * 8003)
    expect(ada.page.get_by_role("alert")).to_have_text("The text is 3 characters too long. Shorten it to send it.")
    box(ada).press("Enter")
    assert len(box(ada).input_value()) == 8003
    box(ada).fill("😀" * 8000)
    expect(ada.page.locator(".left")).to_have_text("0 left")
    box(ada).press("Enter")
    expect(ada.page.locator(".message")).to_have_count(1)
    is_kept = ada.page.evaluate("""() => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File(['x'], 'x.png', {type: 'image/png'}));
        const drop = new DragEvent('drop', {dataTransfer, bubbles: true, cancelable: true});
        document.body.dispatchEvent(drop);
        return drop.defaultPrevented;
    }""")

    assert is_kept
    expect(ada.page.locator(".toast")).to_have_text("Files cannot be sent from this page yet.")


def test_enter_on_a_phone_inserts_a_line_break(somebody, bob):
    ada = somebody(**PHONE).register("Ada")
    ada.chat_with(bob)

    box(ada).fill("one")
    box(ada).press("Enter")
    box(ada).press_sequentially("two")

    expect(box(ada)).to_have_value("one\ntwo")
    expect(box(ada)).to_have_attribute("enterkeyhint", "enter")
    ada.page.get_by_role("button", name="Send").click()
    ada.sees("one\ntwo")


def test_a_conversation_opens_at_the_first_unread_message_and_only_visible_messages_become_read(ada, bob):
    chat = bob.chat_with(ada.user_id())
    first, *_rest = bob.say(chat, *[f"number {number}" for number in range(119)])
    reply = {"client_id": "reply", "type": "text", "content": {"text": "an answer"}, "reply_to": first["message"]["id"]}
    bob("POST", f"/api/conversations/{chat}/messages", **reply)
    badge = ada.entry("Bob").locator(".badge")
    expect(badge).to_have_text("99+")

    ada.open("Bob")

    expect(ada.page.locator(".timeline .new")).to_be_in_viewport()
    expect(ada.message("number 0")).to_be_in_viewport()
    expect(badge).not_to_have_attribute("aria-label", "120 unread")
    left = int(badge.get_attribute("aria-label").split()[0])
    assert 80 < left < 120
    expect(ada.page).to_have_title(f"({left}) imapp")
    ada.page.get_by_role("button", name="New messages").click()
    expect(ada.message("an answer")).to_be_in_viewport()
    expect(badge).to_have_count(0)
    ada.message("an answer").locator(".quote").click()
    expect(ada.message("number 0")).to_be_in_viewport()


def test_messages_are_not_marked_as_read_without_focus(ada, bob):
    ada.chat_with(bob)
    chat = ada.conversation_id()
    ada.page.evaluate("() => { document.hasFocus = () => false; }")

    bob.say(chat, "are you there?")
    expect(ada.message("are you there?")).to_be_visible()
    ada.page.wait_for_timeout(600)  # longer than the delay of a read mark
    assert bob("GET", f"/api/conversations/{chat}")["peer_read_seq"] == 0
    expect(ada.page).to_have_title("(1) imapp")
    ada.page.evaluate("() => { delete document.hasFocus; dispatchEvent(new Event('focus')); }")

    expect(ada.page).to_have_title("imapp")


def test_muted_conversations_do_not_count_and_a_mention_is_shown(ada, bob):
    group = bob("POST", "/api/groups", name="Crew", member_ids=[])["conversation_id"]
    request = bob("POST", "/api/contact-requests", user_id=ada.user_id(), message="It is me")
    expect(ada.page.locator(".request")).to_contain_text("Bob would like to be your contact")
    ada.page.get_by_role("button", name="Accept").click()
    expect(ada.page.locator(".request")).to_have_count(0)
    assert bob("GET", "/api/contacts")["items"][0]["user"]["id"] == ada.user_id(), request
    bob("POST", f"/api/groups/{group}/members", user_ids=[ada.user_id()])
    path = f"/api/conversations/{group}/messages"
    content = {"text": "@Ada look"}
    bob("POST", path, client_id=uuid4().hex, type="text", content=content, mentions=[ada.user_id()])

    expect(ada.entry("Crew").get_by_role("img", name="You are mentioned")).to_be_visible()
    headers = {"Authorization": f"Bearer {ada.token()}"}
    url = f"{ada.url}/api/conversations/{group}"
    requests.patch(url, json={"is_muted": True}, headers=headers, timeout=10).raise_for_status()

    expect(ada.page).to_have_title("imapp")
    expect(ada.entry("Crew").locator(".badge.quiet")).to_be_visible()


def test_an_invitation_to_a_group_is_shown_and_accepted_or_declined(ada, bob):
    group, other = (bob("POST", "/api/groups", name=name, member_ids=[ada.user_id()]) for name in ("Crew", "Choir"))
    headers = {"Authorization": f"Bearer {ada.token()}"}
    for each in (group, other):
        requests.post(f"{ada.url}/api/groups/{each['id']}/leave", headers=headers, timeout=10).raise_for_status()
        bob("POST", f"/api/groups/{each['id']}/members", user_ids=[ada.user_id()])  # invites her, because she has left
    invitation = ada.page.locator(".request")
    expect(invitation.filter(has_text="Crew")).to_contain_text("Bob invites you to the group “Crew”")
    expect(ada.entry("Crew")).to_have_count(0)

    ada.page.reload()
    invitation.filter(has_text="Crew").get_by_role("button", name="Accept").dblclick()
    invitation.filter(has_text="Choir").get_by_role("button", name="Decline").click()

    ada.open("Crew")
    expect(invitation).to_have_count(0)
    expect(ada.entry("Choir")).to_have_count(0)
    assert bob("GET", f"/api/groups/{group['id']}")["member_count"] == 2
    assert bob("GET", f"/api/groups/{other['id']}/join-requests?status=invited")["items"] == []


def test_an_edit_keeps_the_mentions_of_the_message(ada, bob):
    ada.chat_with(bob)
    chat = ada.conversation_id()
    headers = {"Authorization": f"Bearer {ada.token()}"}
    url = f"{ada.url}/api/conversations/{chat}/messages"
    draft = {"client_id": "m1", "type": "text", "content": {"text": "@Bob look"}, "mentions": [bob.id]}
    requests.post(url, json=draft, headers=headers, timeout=10).raise_for_status()

    ada.message("@Bob look").hover()
    ada.message("@Bob look").get_by_role("button", name="Edit").click()
    box(ada).fill("@Bob look here")
    box(ada).press("Enter")

    expect(ada.message("@Bob look here")).to_contain_text("edited")
    assert bob("GET", f"/api/conversations/{chat}/messages")["items"][0]["mentions"] == [bob.id]


def test_a_double_click_creates_one_group(ada):
    made = own_requests(ada, "/api/groups")
    ada.page.get_by_role("button", name="New conversation").click()
    dialog = ada.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Group", exact=True).click()
    dialog.get_by_label("Name of the group").fill("Crew")

    dialog.get_by_role("button", name="Create group").dblclick()

    expect(ada.page.locator(".chat h2")).to_have_text("Crew")
    expect(ada.page.locator(".entry")).to_have_count(1)
    assert [len(request.headers["idempotency-key"]) > 20 for request in made] == [True]


def test_files_and_places_are_links_and_a_reaction_is_removed_by_the_same_button(ada, bob):
    chat = bob.chat_with(ada.user_id())
    path = f"/api/conversations/{chat}/messages"
    fetched = own_requests(ada, "picture.png")
    picture = {"url": "https://example.org/picture.png", "name": "picture.png"}
    bob("POST", path, client_id=uuid4().hex, type="image", content=picture)
    place = {"latitude": 52.5, "longitude": 13.4}
    bob("POST", path, client_id=uuid4().hex, type="location", content=place)
    bob.say(chat, "שלום! hello")
    ada.open("Bob")

    link = ada.page.get_by_role("link", name="picture.png")
    expect(link).to_have_attribute("href", "https://example.org/picture.png")
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    expect(ada.page.get_by_role("link", name="52.50000, 13.40000")).to_be_visible()
    message = ada.message("שלום! hello")
    expect(message.locator(".text")).to_have_css("direction", "rtl")
    message.hover()
    button = message.get_by_role("button", name="React with 👍")
    button.click()
    expect(message.locator(".chip")).to_have_text("👍 1")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    expect(message.locator(".chip")).to_have_count(0)
    assert not fetched


def test_an_incoming_message_and_a_key_redraw_no_other_message(ada, bob):
    chat = bob.chat_with(ada.user_id())
    bob.say(chat, *[f"number {number}" for number in range(40)])
    ada.open("Bob")
    expect(ada.message("number 39")).to_be_visible()
    ada.page.evaluate("""async () => {
        const { Message } = await import('/web/js/views/message.js');
        const { render } = Message.prototype;
        globalThis.drawn = [];
        Message.prototype.render = function (props, state) {
            globalThis.drawn.push(props.message.content.text);
            return render.call(this, props, state);
        };
    }""")

    bob.say(chat, "one more")
    expect(ada.message("one more")).to_be_visible()
    box(ada).press_sequentially("keys")
    ada.page.wait_for_timeout(500)  # until the read mark has been sent and answered

    assert set(ada.page.evaluate("drawn")) <= {
        "one more",
        "number 39",
    }  # number 39 is no longer the last one of its group


#: Script that does what a browser's translation does: it replaces the translatable texts permanently.
TRANSLATE = """() => {
    const mayBe = ({ data, parentElement }) => data.trim() && parentElement.closest('[translate]')?.translate !== false;
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) if (mayBe(texts.currentNode)) found.push(texts.currentNode);
    for (const text of found) {
        const replaced = document.createElement('font');
        replaced.textContent = `[${text.data}]`;
        text.replaceWith(replaced);
    }
}"""


def test_a_page_translated_by_the_browser_still_shows_changes(ada):
    ada.create_group("Notes")
    ada.say("first", "second")
    ada.all_sent()

    ada.page.evaluate(TRANSLATE)
    ada.message("[first]").hover()
    ada.message("[first]").get_by_role("button", name="Edit").click()
    box(ada).fill("altered")
    box(ada).press("Enter")

    ada.sees("altered", "[second]")
    ada.all_sent()
    ada.go_offline()
    ada.context.set_offline(False)
    ada.page.get_by_role("button", name="Log out").click()
    expect(ada.page.locator(".welcome")).to_be_visible()
    ada.page.evaluate(TRANSLATE)
    ada.page.get_by_label("[Username]").fill("nobody")
    ada.page.get_by_label("[Password]").fill(PASSWORD)
    ada.page.locator(".welcome .primary").click()
    expect(ada.page.get_by_role("alert")).to_have_text("The username or the password is wrong.")


def test_a_draft_survives_a_reload_and_a_removal_and_control_characters_are_dropped(ada, bob):
    group = bob("POST", "/api/groups", name="Crew", member_ids=[ada.user_id()])["conversation_id"]
    ada.open("Crew")

    box(ada).fill("just written")
    ada.page.reload()

    expect(box(ada)).to_have_value("just written")
    ada.page.evaluate("sessionStorage['imapp.drafts'] = '{broken'")
    ada.page.reload()
    expect(box(ada)).to_have_value("just written")
    box(ada).fill("a\0b\x1bc\td")
    box(ada).press("Enter")
    ada.all_sent()
    assert bob("GET", f"/api/conversations/{group}/messages")["items"][0]["content"]["text"] == "abc\td"
    box(ada).fill("my last words")  # Ada is removed before the draft is stored
    bob("DELETE", f"/api/groups/{group}/members/{ada.user_id()}")
    expect(ada.page.get_by_role("alert")).to_contain_text("You had written: my last words")


def test_an_unsent_message_before_a_removal_is_shown_until_it_is_closed(ada, bob):
    group = bob("POST", "/api/groups", name="Crew", member_ids=[ada.user_id()])["conversation_id"]
    ada.open("Crew")
    ada.go_offline()
    ada.say("not sent in time")
    bob("DELETE", f"/api/groups/{group}/members/{ada.user_id()}")

    ada.page.clock.install()
    ada.go_online()

    notice = ada.page.get_by_role("alert")
    expect(notice).to_contain_text("You had written: not sent in time")
    ada.page.clock.fast_forward(20_000)
    expect(notice).to_be_visible()
    notice.get_by_role("button", name="Close").click()
    expect(notice).to_have_count(0)


def test_the_dialog_for_new_conversations_stays_open_when_the_screen_is_rotated(ada):
    ada.create_group("Notes")
    ada.page.get_by_role("button", name="New conversation").click()

    ada.page.set_viewport_size({"width": 375, "height": 812})

    expect(ada.page.get_by_role("dialog")).to_be_visible()
