"""The session of a window: renewal, log-out, a lost server, and an ended session."""

import pytest
import requests
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


def test_a_session_survives_a_reload_and_ends_with_the_log_out(somebody):
    ada = somebody().register("Ada")

    ada.page.reload()
    ada.expect_live()
    ada.page.get_by_role("button", name="Log out").click()

    expect(ada.page.locator(".welcome")).to_be_visible()
    assert ada.session() is None


def test_a_session_ended_elsewhere_leads_to_the_log_in(somebody):
    ada = somebody().register("Ada")
    headers = {"Authorization": f"Bearer {ada.token()}"}

    requests.post(f"{ada.url}/api/auth/logout", headers=headers, timeout=10).raise_for_status()

    expect(ada.page.get_by_role("alert")).to_have_text("Your session has ended. Please log in again.")


def test_a_session_ended_while_the_window_was_closed_leads_to_the_log_in(somebody):
    ada = somebody().register("Ada")
    headers = {"Authorization": f"Bearer {ada.token()}"}
    ada.page.goto("about:blank")

    requests.post(f"{ada.url}/api/auth/logout", headers=headers, timeout=10).raise_for_status()
    ada.page.goto(ada.url)

    expect(ada.page.get_by_role("button", name="Log in")).to_be_visible()


def test_a_refused_log_in_shows_the_reason(somebody):
    nobody = somebody()
    nobody.page.goto(nobody.url)

    nobody.page.get_by_label("Username").fill("nobody-of-this-name")
    nobody.page.get_by_label("Password").fill("wrong password")
    nobody.page.locator(".welcome .primary").click()

    expect(nobody.page.get_by_role("alert")).to_have_text("The username or the password is wrong.")


def test_a_token_is_renewed_before_it_expires_and_both_tabs_stay_connected(somebody, start_server):
    server = start_server(IM_ACCESS_TOKEN_SECONDS="8", IM_TOKEN_EXPIRING_LEAD_SECONDS="5")
    ada = somebody(server).register("Ada")
    first = ada.token()
    tabs = [ada.page, ada.context.new_page()]
    tabs[1].goto(server.url)
    for tab in tabs:
        expect(tab.locator(".link-state")).to_have_text("Connected")
        tab.evaluate(
            "new MutationObserver(() => { document.body.dataset.lost = 'yes'; }).observe("
            "document.querySelector('.link-state'), {attributes: true, characterData: true, subtree: true})"
        )

    ada.page.wait_for_timeout(12_000)  # longer than the lifetime of the first token

    for tab in tabs:
        expect(tab.locator(".link-state")).to_have_text("Connected")
        assert tab.evaluate("document.body.dataset.lost ?? 'no'") == "no"
    assert ada.token() != first


def test_tabs_that_refresh_simultaneously_do_not_reuse_a_token(somebody):
    ada = somebody().register("Ada")
    tabs = [ada.page, ada.context.new_page()]
    tabs[1].goto(ada.url)
    expect(tabs[1].locator(".link-state")).to_have_text("Connected")

    for tab in tabs:
        tab.evaluate("""() => {
            const often = async ({ session }) => { for (let n = 0; n < 25; n += 1) await session.refreshNow(); };
            import('/web/js/session.js').then(often).then(
                () => { document.title = 'refreshed'; }, (error) => { document.title = error.message; });
        }""")

    for tab in tabs:
        expect(tab).to_have_title("refreshed", timeout=20_000)
        expect(tab.locator(".link-state")).to_have_text("Connected")


def test_logging_out_in_one_tab_logs_the_other_out(somebody):
    ada = somebody().register("Ada")
    other = ada.context.new_page()
    other.goto(ada.url)
    expect(other.locator(".link-state")).to_have_text("Connected")

    ada.page.get_by_role("button", name="Log out").click()

    expect(other.get_by_role("alert")).to_have_text("Your session has ended. Please log in again.")


def test_after_a_crash_of_the_server_every_message_is_stored_once(somebody, start_server):
    server = start_server()
    ada, grace = somebody(server).register("Ada"), somebody(server).register("Grace")
    ada.chat_with(grace)
    ada.say("before")
    grace.open("Ada")
    grace.sees("before")

    server.kill()
    ada.expect_lost()
    ada.say("meanwhile 1", "meanwhile 2")
    server.start()
    ada.expect_live()
    grace.expect_live()

    for person in (ada, grace):
        person.sees("before", "meanwhile 1", "meanwhile 2")


def test_the_page_speaks_the_language_of_the_browser(somebody):
    window = somebody(locale="zh-CN")

    window.page.goto(window.url)

    expect(window.page.locator(".welcome .primary")).to_have_text("登录")
    expect(window.page.locator("html")).to_have_attribute("lang", "zh-CN")
