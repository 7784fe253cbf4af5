"""Operators at the page /admin: their actions, and checks of what they see."""

import re
from uuid import uuid4

import pyotp
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.support.server import Server
from tests.web.people import PASSWORD, is_complaint


class Operator:
    """One window of one operator with an account created on the command line."""

    def __init__(self, context: BrowserContext, server: Server, complaints: list[str]) -> None:
        self.name = f"operator{uuid4().hex[:8]}"
        self.url = f"{server.url}/admin"
        self.secret = ""
        self.recovery_codes: list[str] = []
        server.flask("im", "create-user", self.name, "--operator", stdin=f"{PASSWORD}\n")
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: complaints.append(str(error)))
        self.page.on("console", lambda line: complaints.append(line.text) if is_complaint(line.text) else None)

    def enter_password(self) -> None:
        """Log in with the password, up to the request for the second factor."""
        self.page.goto(self.url)
        self.page.get_by_label("Username").fill(self.name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.press("Log in")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def read_secret(self) -> None:
        """Read the secret from the page, as an operator types it into an app."""
        expect(self.page.get_by_role("heading", name="Set up your second factor")).to_be_visible()
        self.secret = self.page.locator(".secret").inner_text().replace(" ", "")

    def confirm(self) -> None:
        """Enter the first code, and keep the recovery codes."""
        self.page.get_by_label("Code", exact=True).fill(pyotp.TOTP(self.secret).now())
        self.press("Confirm")
        expect(self.page.get_by_role("heading", name="Recovery codes")).to_be_visible()
        self.recovery_codes = self.page.locator(".codes code").all_inner_texts()
        self.press("I have kept them")
        self.expect_in()

    def enrol(self) -> "Operator":
        """Enrol the second factor, from the password to the overview."""
        self.enter_password()
        self.read_secret()
        self.confirm()
        return self

    def expect_in(self) -> None:
        expect(self.page.get_by_role("heading", name="Administration")).to_be_visible()
        expect(self.page.locator(".link-state")).to_have_text("Up to date")

    def node(self, name: str) -> Locator:
        """Return a node's row."""
        return self.page.locator(f"tr[data-node={name}]")

    def expect_points(self) -> None:
        """Check that the charts are drawn and have a text alternative."""
        charts = self.page.locator("figure.chart")
        expect(charts).to_have_count(3)
        expect(charts.locator("canvas")).to_have_count(3)
        expect(charts.first).to_have_attribute("aria-label", re.compile(r"Connections: now \d+, highest [1-9]"))

    def go(self, part: str) -> None:
        self.page.get_by_role("link", name=part, exact=True).click()

    def open_user(self, username: str) -> None:
        """Open a user found by a search."""
        self.go("Users")
        self.page.get_by_role("searchbox").fill(username)
        row = self.page.locator("tbody tr", has=self.page.get_by_text(username, exact=True))
        row.get_by_role("link").click()
        expect(self.page.get_by_text(f"@{username}")).to_be_visible()

    def answer(self, button: str) -> None:
        """Press a button of the dialog, and wait until the dialog closes."""
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_role("button", name=button).click()
        expect(dialog).to_have_count(0)

    def expect_told(self, text: str) -> None:
        expect(self.page.locator(".toast")).to_have_text(text)

    def acts(self) -> list[str]:
        """Return the column "What" of the log."""
        self.go("Acts")
        expect(self.page.locator("tbody tr").first).to_be_visible()
        return self.page.locator("tbody tr td:nth-child(3)").all_inner_texts()
