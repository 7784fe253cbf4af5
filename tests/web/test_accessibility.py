"""axe finds no serious violation on any screen."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


def serious(page):
    violations = Axe().run(page).response["violations"]
    return [
        (violation["id"], [node["html"] for node in violation["nodes"]])
        for violation in violations
        if violation["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_screen_has_serious_violations(somebody, scheme):
    ada = somebody(color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    grace = somebody().register("Grace")
    ada.page.goto(ada.url)

    assert serious(ada.page) == []
    ada.register("Ada")
    assert serious(ada.page) == []
    grace.chat_with(ada)
    grace.say("hello", "see https://example.org")
    ada.open("Grace")
    ada.say("hello back")
    expect(ada.page.locator(".tick.sent, .tick.read")).to_have_count(1)
    assert serious(ada.page) == []
    ada.find("Gra")
    expect(ada.page.locator(".found li").first).to_be_visible()
    assert serious(ada.page) == []
