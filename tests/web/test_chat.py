"""Two users in two browsers."""

import pytest
import requests
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


@pytest.fixture
def ada(somebody):
    return somebody().register("Ada")


@pytest.fixture
def grace(somebody):
    return somebody().register("Grace")


@pytest.fixture
def chatting(ada, grace):
    """Open the private conversation of Ada and Grace in both browsers."""
    ada.chat_with(grace)
    ada.say("hello Grace")
    grace.open("Ada")
    grace.sees("hello Grace")
    return ada, grace


def test_two_users_find_each_other_chat_and_then_see_each_others_presence(ada, grace):
    ada.chat_with(grace)

    ada.say("hello Grace")
    grace.open("Ada")
    grace.say("hello Ada")

    ada.sees("hello Grace", "hello Ada")
    grace.sees("hello Grace", "hello Ada")
    expect(ada.entry("Grace").get_by_role("img", name="online")).to_be_visible()
    grace.page.close()
    expect(ada.entry("Grace").get_by_role("img", name="offline")).to_be_visible()
    expect(ada.page.locator(".chat header")).to_contain_text("last seen")


def test_a_changed_nickname_appears_at_once_and_after_being_offline(chatting, server):
    ada, grace = chatting
    url, headers = server.url + "/api/users/me", {"Authorization": f"Bearer {ada.token()}"}

    def rename(nickname):
        requests.patch(url, json={"nickname": nickname}, headers=headers, timeout=10).raise_for_status()

    rename("Countess")
    expect(grace.entry("Countess")).to_be_visible()
    expect(ada.page.locator(".sidebar").get_by_text("Countess", exact=True)).to_be_visible()
    grace.go_offline()
    rename("Lovelace")
    grace.go_online()
    expect(grace.entry("Lovelace")).to_be_visible()


def test_a_user_gets_everything_once_and_in_order_after_being_offline(chatting):
    ada, grace = chatting

    grace.go_offline()
    grace.say("written offline 1", "written offline 2")
    ada.say(*[f"meanwhile {number}" for number in range(1, 6)])
    ada.sees("hello Grace", *[f"meanwhile {number}" for number in range(1, 6)])
    ada.all_sent()
    grace.go_online()

    everything = ["hello Grace", *[f"meanwhile {number}" for number in range(1, 6)]]
    everything += ["written offline 1", "written offline 2"]
    grace.sees(*everything)
    ada.sees(*everything)


def test_a_message_written_offline_survives_a_reload_and_is_sent_once(chatting):
    ada, grace = chatting

    grace.go_offline()
    grace.say("still here")
    grace.context.set_offline(False)
    grace.page.reload()
    grace.expect_live()

    grace.sees("hello Grace", "still here")
    ada.sees("hello Grace", "still here")


def test_unread_messages_are_counted_until_they_are_seen(ada, grace, somebody):
    phone = somebody().log_in(grace.name)
    ada.chat_with(grace)

    ada.say("one", "two", "three")
    expect(grace.entry("Ada").locator(".badge")).to_have_text("3")
    expect(phone.entry("Ada").locator(".badge")).to_have_text("3")
    expect(grace.page).to_have_title("(3) imapp")
    grace.open("Ada")

    expect(grace.entry("Ada").locator(".badge")).to_have_count(0)
    expect(phone.entry("Ada").locator(".badge")).to_have_count(0)


def test_a_conversation_marked_unread_on_another_device_has_a_badge_until_it_is_opened(chatting):
    ada, grace = chatting
    expect(ada.message("hello Grace").get_by_role("img", name="Read")).to_be_visible()
    grace.page.goto(f"{grace.url}/#/")
    expect(grace.page.locator(".composer")).to_have_count(0)

    url = f"{ada.url}/api/conversations/{ada.conversation_id()}"
    headers = {"Authorization": f"Bearer {grace.token()}"}
    requests.patch(url, json={"is_marked_unread": True}, headers=headers, timeout=10).raise_for_status()
    expect(grace.entry("Ada").locator(".badge")).to_have_text("•")
    grace.open("Ada")

    expect(grace.entry("Ada").locator(".badge")).to_have_count(0)


def test_a_message_is_marked_as_read_when_the_other_user_opens_it(ada, grace):
    ada.chat_with(grace)
    ada.say("seen?")
    expect(ada.message("seen?").get_by_role("img", name="Sent")).to_be_visible()

    grace.open("Ada")

    expect(ada.message("seen?").get_by_role("img", name="Read")).to_be_visible()


def test_answering_marks_the_conversation_as_read(chatting):
    ada, grace = chatting

    grace.say("yes?")

    expect(ada.message("hello Grace").get_by_role("img", name="Read")).to_be_visible()


def test_typing_is_shown_until_the_message_arrives(chatting):
    ada, grace = chatting

    grace.write("wait")
    expect(ada.page.locator(".chat header")).to_contain_text("Grace is typing")
    grace.page.keyboard.press("Enter")

    ada.sees("hello Grace", "wait")
    expect(ada.page.locator(".chat header")).not_to_contain_text("typing")


def test_an_edit_a_reaction_and_a_recall_are_shown_on_both_sides(chatting):
    ada, grace = chatting

    ada.message("hello Grace").hover()
    ada.message("hello Grace").get_by_role("button", name="Edit").click()
    ada.page.get_by_label("Write a message").fill("hello dear Grace")
    ada.page.keyboard.press("Enter")
    expect(grace.message("hello dear Grace")).to_contain_text("edited")
    grace.message("hello dear Grace").hover()
    grace.message("hello dear Grace").get_by_role("button", name="React with 👍").click()
    expect(ada.message("hello dear Grace").locator(".reactions")).to_contain_text("👍 1")
    ada.message("hello dear Grace").hover()
    ada.message("hello dear Grace").get_by_role("button", name="Recall").click()
    ada.page.get_by_role("dialog").get_by_role("button", name="Recall").click()

    ada.sees("Message recalled")
    grace.sees("Message recalled")


def test_a_reply_quotes_the_original_message(chatting):
    ada, grace = chatting

    grace.message("hello Grace").hover()
    grace.message("hello Grace").get_by_role("button", name="Reply").click()
    grace.say("hello yourself")

    expect(ada.message("hello yourself").locator(".quote")).to_contain_text("hello Grace")


def test_a_new_group_appears_to_all_its_members(ada, grace, somebody):
    linus = somebody().register("Linus")

    ada.create_group("Crew", grace, linus)
    ada.say("welcome")
    grace.open("Crew")
    linus.open("Crew")
    linus.say("hi all")

    for person in (ada, grace, linus):
        person.sees("welcome", "hi all")
    expect(grace.page.locator(".author")).to_have_text(["Ada", "Linus"])
    expect(grace.page.locator(".chat header")).to_contain_text("3 members")
    expect(grace.page.locator(".system")).to_contain_text(["Ada"])


def test_a_group_appears_when_a_member_is_added_and_disappears_after_a_removal(ada, grace, somebody):
    linus = somebody().register("Linus")
    ada.create_group("Crew", grace)
    members = f"{ada.url}/api/groups/{ada.conversation_id()}/members"
    headers = {"Authorization": f"Bearer {ada.token()}"}

    body = {"user_ids": [linus.user_id()]}
    requests.post(members, json=body, headers=headers, timeout=10).raise_for_status()
    linus.open("Crew")
    expect(grace.entry("Crew")).to_contain_text("Ada added Linus")
    requests.delete(f"{members}/{linus.user_id()}", headers=headers, timeout=10).raise_for_status()

    expect(linus.entry("Crew")).to_have_count(0)
    expect(linus.page.locator(".chat h2")).to_have_count(0)
    expect(grace.entry("Crew")).to_contain_text("Ada removed Linus")


def test_older_messages_are_loaded_on_scrolling_up(chatting, server):
    ada, grace = chatting
    url = f"{server.url}/api/conversations/{grace.conversation_id()}/messages"
    headers = {"Authorization": f"Bearer {ada.token()}"}
    for number in range(120):
        body = {"client_id": f"n{number}", "type": "text", "content": {"text": f"number {number}"}}
        requests.post(url, json=body, headers=headers, timeout=10).raise_for_status()

    grace.page.reload()
    expect(grace.message("number 119")).to_be_visible()
    shown_at_first = grace.page.locator(".message").count()
    for _ in range(10):
        grace.page.locator(".timeline").evaluate("list => { list.scrollTop = -list.scrollHeight; }")
        grace.page.wait_for_timeout(150)

    assert shown_at_first < 121
    grace.sees("hello Grace", *[f"number {number}" for number in range(120)])
