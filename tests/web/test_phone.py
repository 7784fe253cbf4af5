"""The page on a phone."""

import pytest
from playwright.sync_api import expect

PHONE = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}

pytestmark = pytest.mark.slow


def overflows(person):
    return person.page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_list_or_chat_is_shown_and_nothing_is_wider_than_the_screen(somebody):
    ada, grace = somebody(**PHONE).register("Ada"), somebody().register("Grace")
    welcome = somebody(**PHONE)
    welcome.page.goto(welcome.url)
    grace.chat_with(ada)
    grace.say("w" * 300, "https://example.org/" + "a" * 300)

    expect(ada.page.locator(".chat")).to_be_hidden()
    assert not overflows(ada)
    ada.open("Grace")
    expect(ada.page.locator(".sidebar")).to_be_hidden()
    assert not overflows(ada)
    ada.page.get_by_role("button", name="Back to the list").click()

    expect(ada.page.locator(".sidebar")).to_be_visible()
    expect(ada.page.locator(".chat")).to_be_hidden()
    assert not overflows(welcome)


def test_the_open_chat_reports_a_lost_connection_and_the_back_button_leads_to_the_list(somebody):
    ada, grace = somebody(**PHONE).register("Ada"), somebody().register("Grace")
    grace.chat_with(ada)
    grace.say("hello")
    ada.open("Grace")
    ada.write("hello Grace")
    ada.page.get_by_role("button", name="Send").click()
    header = ada.page.locator(".chat > header")
    expect(header).to_contain_text("online")

    ada.context.set_offline(True)

    expect(header).to_contain_text("Connecting…")
    expect(header.get_by_role("img", name="online")).to_have_count(0)
    ada.context.set_offline(False)
    expect(header).to_contain_text("online")
    ada.page.go_back()

    expect(ada.page.locator(".sidebar")).to_be_visible()
    expect(ada.page.locator(".chat")).to_be_hidden()
