"""Several tabs and users in one browser: each tab's identity, and the fate of unsent messages and drafts."""

import pytest
import requests
from playwright.sync_api import expect

from tests.support.ports import wait_for

pytestmark = pytest.mark.slow

REFRESH = "async () => (await import('/web/js/session.js')).session.refreshNow().then(() => true)"
#: Script that marks this account's access token as expired, so that the next load asks for a new one.
AGE = """async () => {
    const { vault } = await import('/web/js/vault.js');
    const [account] = await vault.list(['account']);
    await vault.put(['account', account.key], { ...account, expires_at: 0 });
}"""


def stored(person, conversation_id):
    """Return the messages that the server has of a conversation, oldest first, as (sender's id, text)."""
    url = f"{person.url}/api/conversations/{conversation_id}/messages"
    answer = requests.get(url, headers={"Authorization": f"Bearer {person.token()}"}, timeout=10).json()
    return [(one["sender_id"], one["content"]["text"]) for one in reversed(answer["items"]) if one["type"] == "text"]


def test_two_users_in_two_tabs_of_one_browser_keep_their_identities(somebody):
    ada = somebody()
    bob = ada.another_tab()
    bob.name = ada.name + "b"
    bob.page.goto(bob.url)
    ada.register("Ada")
    bob.register("Bob", is_there=True)
    ada.create_group("Ada's own")

    for tab in (ada, bob, ada):
        assert tab.page.evaluate(REFRESH)
    ada.say("written by Ada")
    ada.all_sent()
    for tab, name in ((ada, "Ada"), (bob, "Bob")):
        tab.page.reload()
        tab.expect_live()
        expect(tab.page.locator(".sidebar header strong")).to_have_text(name)
    bob.page.get_by_role("button", name="Log out").click()
    expect(bob.page.locator(".welcome")).to_be_visible()
    bob.page.reload()
    ada.page.reload()
    ada.expect_live()

    expect(bob.page.get_by_role("alert")).to_contain_text("In another tab of this browser Ada is logged in.")
    expect(ada.page.locator(".sidebar header strong")).to_have_text("Ada")
    assert stored(ada, ada.conversation_id()) == [(ada.user_id(), "written by Ada")]
    expect(bob.entry("Ada's own")).to_have_count(0)


def test_a_reload_or_a_lost_answer_during_a_refresh_neither_hangs_nor_logs_out(somebody):
    ada = somebody().register("Ada")
    ada.page.evaluate(AGE)
    asked = []

    def swallow(route):
        route.fetch()  # the server has answered, but the page gets no answer
        asked.append(route)

    ada.page.route("**/api/auth/refresh", swallow, times=1)
    ada.page.reload()
    wait_for(lambda: ada.page.wait_for_timeout(50) or asked, what="the request for new tokens")
    ada.page.reload()
    expect(ada.page.locator(".link-state")).to_have_text("Connected", timeout=10_000)  # a stale claim would take 30 s
    ada.page.evaluate(AGE)
    ada.page.route("**/api/auth/refresh", lambda route: route.abort(), times=2)
    ada.page.reload()

    ada.expect_live()


def test_unsent_messages_of_a_closed_tab_are_sent_by_another_once_and_in_order(somebody):
    ada = somebody().register("Ada")
    ada.create_group("Notes")
    other = ada.another_tab()
    other.page.goto(ada.page.url)
    other.expect_live()
    expect(other.page.locator(".composer")).to_be_visible()

    ada.go_offline()
    other.expect_lost()
    ada.say("one")
    other.say("two", "three")
    expect(other.message("three")).to_be_visible()
    other.page.close(run_before_unload=False)
    ada.go_online()
    wait_for(lambda: len(stored(ada, ada.conversation_id())) >= 3, what="the messages of both tabs")
    ada.all_sent()

    assert sorted(text for _, text in stored(ada, ada.conversation_id())) == ["one", "three", "two"]
    texts = [text for _, text in stored(ada, ada.conversation_id())]
    assert texts.index("two") < texts.index("three")
    left = "async (id) => (await import('/web/js/vault.js')).vault.list(['outbox', id])"
    wait_for(lambda: ada.page.evaluate(left, ada.user_id()) == [], what="an empty outbox")


def test_a_draft_survives_a_reload_and_reaches_the_users_other_devices(somebody):
    ada = somebody().register("Ada")
    ada.create_group("Notes")
    laptop = somebody().log_in(ada.name)

    drafts = "async (id) => (await import('/web/js/vault.js')).vault.list(['draft', id])"
    laptop.open("Notes")

    ada.write("half a thought")
    wait_for(lambda: ada.page.evaluate(drafts, ada.user_id()), what="the draft in the browser")
    ada.page.reload()

    expect(ada.page.get_by_label("Write a message")).to_have_value("half a thought")
    wait_for(lambda: laptop.page.evaluate(drafts, ada.user_id()), what="the draft at the other device")
    laptop.page.evaluate("location.hash = '#/'")  # leaving an empty composer does not delete the draft
    expect(laptop.entry("Notes")).to_contain_text("Draft: half a thought")
    laptop.open("Notes")
    expect(laptop.page.get_by_label("Write a message")).to_have_value("half a thought")
    ada.page.get_by_label("Write a message").press("Enter")
    ada.all_sent()
    ada.page.reload()
    expect(ada.page.get_by_label("Write a message")).to_have_value("")


def test_a_draft_stays_a_reply_after_an_edit_and_a_reload(somebody):
    ada = somebody().register("Ada")
    ada.create_group("Notes")
    ada.say("first", "second")
    ada.all_sent()
    ada.message("first").hover()
    ada.message("first").get_by_role("button", name="Reply").click()
    ada.write("an answer")

    ada.message("second").hover()
    ada.message("second").get_by_role("button", name="Edit").click()
    ada.page.get_by_label("Write a message").press("Escape")
    context = ada.page.locator(".composer .context")
    expect(context).to_contain_text("Replying to Ada")
    ada.page.reload()
    expect(context).to_contain_text("first")
    ada.page.get_by_label("Write a message").press("Enter")

    expect(ada.message("an answer").locator(".quote")).to_contain_text("first")
    expect(context).to_have_count(0)
    ada.all_sent()
    ada.page.reload()
    expect(ada.message("an answer")).to_be_visible()
    expect(context).to_have_count(0)


def test_logging_out_offline_asks_first_ends_the_session_later_and_deletes_local_data(somebody):
    ada = somebody().register("Ada")
    ada.create_group("Notes")
    token, user_id = ada.token(), ada.user_id()
    ada.go_offline()
    ada.say("never sent")

    ada.page.get_by_role("button", name="Log out").click()
    expect(ada.page.get_by_role("dialog")).to_contain_text("Messages and drafts that were not sent: 1.")
    ada.page.get_by_role("dialog").get_by_role("button", name="Log out").click()
    expect(ada.page.locator(".welcome")).to_be_visible()
    ada.context.set_offline(False)

    headers = {"Authorization": f"Bearer {token}"}
    wait_for(
        lambda: requests.get(f"{ada.url}/api/users/me", headers=headers, timeout=10).status_code == 401,
        what="the end of the session on the server",
    )
    left = """async (id) => {
        const { vault } = await import('/web/js/vault.js');
        const kinds = [['outbox', id], ['draft', id], ['account']];
        return (await Promise.all(kinds.map((kind) => vault.list(kind)))).flat();
    }"""
    assert ada.page.evaluate(left, user_id) == []
    assert ada.page.evaluate("location.hash") == "#/"


def test_an_unknown_conversation_in_the_address_is_reported_and_corrected(somebody):
    ada = somebody().register("Ada")
    ada.create_group("Notes")
    ada.page.goto(f"{ada.url}/#/")
    ada.open("Notes")

    ada.page.set_viewport_size({"width": 360, "height": 640})
    ada.page.get_by_role("button", name="Back to the list").click()
    expect(ada.page.locator(".chat h2")).to_have_count(0)
    ada.page.evaluate("location.hash = '#/99999'")

    expect(ada.page.get_by_role("alert")).to_contain_text("There is no such conversation")
    assert ada.page.evaluate("location.hash") == "#/"
