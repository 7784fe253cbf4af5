"""The operators' page on a real cluster: log in with a second factor, view, disconnect, drain."""

import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.web.test_accessibility import serious

pytestmark = pytest.mark.slow

SECURE = {"IM_ADMIN_SECOND_FACTOR": "on", "IM_HISTORY_STEP_SECONDS": "1"}


@pytest.fixture
def two_nodes(start_nodes):
    """Run a cluster of two nodes with one point of history a second."""
    return start_nodes(2, **SECURE)


def picture(page, name):
    """Store a screenshot in the folder IM_TEST_PICTURES, if it is set, for manual review."""
    if folder := os.environ.get("IM_TEST_PICTURES"):
        page.screenshot(path=Path(folder) / f"admin-{name}.png", full_page=True)


def test_an_operator_enrols_sees_the_cluster_disconnects_and_drains(two_nodes, operator, device):
    first, second = two_nodes
    ada, bob = device(first, "ada", nickname="Ada").connect(), device(second, "bob", nickname="Bob").connect()
    for number in range(20):
        ada.send(f"hello {number}", to_user_id=bob.id)
    olga = operator(first)

    olga.enter_password()
    olga.read_secret()
    picture(olga.page, "enrol")
    olga.confirm()
    for name in ("node-1", "node-2"):
        expect(olga.node(name)).to_contain_text("up")
        expect(olga.node(name).locator("td").nth(1)).to_have_text("1")
    olga.expect_points()
    olga.page.wait_for_timeout(4_000)  # until the charts have some more points
    picture(olga.page, "overview")

    olga.go("Users")
    expect(olga.page.get_by_role("heading", name="2 users online")).to_be_visible()
    picture(olga.page, "users")
    olga.open_user(bob.user["username"])
    expect(olga.page.locator("tr[data-session]")).to_contain_text("node-2, since")
    olga.press("End session")
    picture(olga.page, "confirm")
    olga.answer("End session")
    olga.expect_told("The session was ended.")
    bob.wait_for("session_ended")
    expect(olga.page.get_by_text("Not logged in on any device.")).to_be_visible()
    assert bob.rest("GET", "/api/users/me").json()["code"] == "session_revoked"

    olga.go("Overview")
    olga.press("Drain: node-2")
    expect(olga.page.get_by_role("dialog")).to_contain_text("Drain node-2?")
    olga.answer("Drain")
    olga.expect_told("node-2 was told to drain.")
    expect(olga.node("node-2")).to_contain_text("gone", timeout=60_000)
    expect(olga.node("node-1")).to_contain_text("up")
    second.process.wait(60)
    picture(olga.page, "drained")

    assert olga.acts() == ["drained a node", "ended a session", "set up the second factor", "created an operator"]
    expect(olga.page.locator("tbody")).to_contain_text("node:node-2")
    picture(olga.page, "acts")


def test_the_second_log_in_asks_for_a_code_and_accepts_a_recovery_code(two_nodes, operator):
    olga = operator(two_nodes[0]).enrol()
    olga.press("Log out")

    olga.enter_password()
    olga.page.get_by_label("Code", exact=True).fill("000000x")
    olga.press("Log in")
    expect(olga.page.get_by_role("alert")).to_have_text("The code is wrong, expired or already used.")
    picture(olga.page, "code")
    olga.page.get_by_label("Code", exact=True).fill(olga.recovery_codes[0])
    olga.press("Log in")

    olga.expect_in()
    olga.page.reload()
    olga.expect_in()


def test_a_plain_user_cannot_log_in_as_an_operator(server, somebody, browser):
    eve = somebody().register("Eve")
    page = eve.context.new_page()
    page.goto(f"{eve.url}/admin")

    page.get_by_label("Username").fill(eve.name)
    page.get_by_label("Password").fill("a fine long password")
    page.get_by_role("button", name="Log in").click()

    expect(page.get_by_role("alert")).to_have_text("This account is not an operator.")


def test_a_connection_can_be_closed_and_an_account_disabled_and_enabled(start_server, operator, somebody, device):
    server = start_server(**SECURE)
    ada = somebody(server).register("Ada")
    bob = device(server, "bob", nickname="Bob").connect()
    olga = operator(server).enrol()

    olga.open_user(bob.user["username"])
    olga.press("Disconnect")
    olga.expect_told("The connection was closed.")
    expect(olga.page.get_by_text("not connected")).to_be_visible()
    assert bob.rest("GET", "/api/users/me").ok
    olga.open_user(ada.name)
    picture(olga.page, "user")
    olga.press("Disable account")
    olga.answer("Disable account")
    expect(ada.page.get_by_role("alert")).to_have_text("Your session has ended. Please log in again.")
    olga.press("Enable account")

    expect(olga.page.get_by_role("button", name="Disable account")).to_be_visible()
    ada.log_in(ada.name)


def test_a_lost_server_is_reported_and_reconnected(start_server, operator):
    server = start_server(**SECURE)
    olga = operator(server).enrol()

    server.stop()
    expect(olga.page.get_by_role("alert")).to_contain_text("The server does not answer.")
    expect(olga.node("node-1")).to_be_visible()
    picture(olga.page, "away")
    server.start()

    expect(olga.page.get_by_role("alert")).to_have_count(0)
    expect(olga.page.locator(".link-state")).to_have_text("Up to date")


def test_a_session_without_second_factor_leads_to_the_log_in(start_server, operator):
    server = start_server(**SECURE)
    olga = operator(server).enrol()

    server.flask("im", "reset-second-factor", olga.name)

    expect(olga.page.get_by_role("alert")).to_have_text("Enter a code of your second factor again.")
    olga.enrol()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_screen_of_the_operators_has_serious_violations(start_server, operator, device, scheme):
    server = start_server(**SECURE)
    ada = device(server, "ada", nickname="Ada").connect()
    olga = operator(
        server, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce", viewport={"width": 820, "height": 1180}
    )
    olga.page.goto(olga.url)

    assert serious(olga.page) == []
    olga.enter_password()
    olga.read_secret()
    assert serious(olga.page) == []
    olga.confirm()
    olga.expect_points()
    assert serious(olga.page) == []
    picture(olga.page, f"tablet-{scheme}")
    olga.open_user(ada.user["username"])
    assert serious(olga.page) == []
    olga.press("End session")
    assert serious(olga.page) == []
    olga.answer("Cancel")
    assert olga.acts()
    assert serious(olga.page) == []
    assert not olga.page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_the_only_node_is_not_drained_and_a_failed_act_is_shown_until_dismissed(start_server, operator):
    olga = operator(start_server(**SECURE)).enrol()
    told = olga.page.get_by_role("alert")

    olga.press("Drain: node-1")
    expect(told).to_contain_text("node-1 is the only node")
    expect(olga.page.get_by_role("dialog")).to_have_count(0)
    olga.press("Close")
    expect(told).to_have_count(0)
    olga.open_user(olga.name)
    button = olga.page.get_by_role("button", name="End session")
    button.focus()
    olga.page.keyboard.press("Enter")
    expect(olga.page.get_by_role("dialog")).to_be_visible()
    olga.page.keyboard.press("Escape")
    expect(olga.page.get_by_role("dialog")).to_have_count(0)
    expect(button).to_be_focused()
    problem = {"status": 503, "content_type": "application/problem+json", "body": '{"code": "unavailable"}'}
    olga.page.route("**/api/admin/sessions/*", lambda route: route.fulfill(**problem))
    olga.press("End session")
    olga.answer("End session")

    expect(told).to_contain_text("The server cannot reach its database.")
    with olga.page.expect_response("**/api/admin/users/*/sessions"):
        pass  # the page has queried the server again
    expect(told).to_contain_text("The server cannot reach its database.")


def test_the_operators_page_speaks_chinese_and_both_languages_are_complete(server, somebody):
    window = somebody(locale="zh-CN")
    window.page.goto(f"{window.url}/admin")

    expect(window.page.get_by_role("button", name="登录")).to_be_visible()
    keys = window.page.evaluate(
        "async () => Object.values((await import('/web/js/admin/strings.js')).DICTIONARIES).map(Object.keys)"
    )
    assert keys[0] == keys[1]


def test_the_operators_page_cannot_be_framed_and_loads_nothing_from_elsewhere(server):
    import requests

    answer = requests.get(f"{server.url}/admin", timeout=10)

    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert re.search(r"default-src 'self'; script-src 'self'; style-src 'self'", policy)
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-cache"


def test_axe_reports_a_violation(server, somebody):
    """Check that the accessibility tests would find a violation."""
    window = somebody(bypass_csp=True)
    window.page.goto(f"{window.url}/admin")
    window.page.evaluate("document.querySelector('.primary').textContent = ''")

    assert [violation["id"] for violation in Axe().run(window.page).response["violations"]]
