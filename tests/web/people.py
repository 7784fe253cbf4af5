"""Users at the web page: their actions, and checks of what they see, in the words of the page."""

from uuid import uuid4

from playwright.sync_api import BrowserContext, Locator, Page, expect

PASSWORD = "a fine long password"


class Person:
    """One window of one user. Several windows of a user are several objects with the same name."""

    def __init__(self, context: BrowserContext, url: str, complaints: list[str]) -> None:
        self.context = context
        self.url = url
        self.name = f"user{uuid4().hex[:10]}"
        self.complaints = complaints
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: complaints.append(str(error)))
        self.page.on("console", lambda line: complaints.append(line.text) if is_complaint(line.text) else None)
        self.page.on("dialog", lambda dialog: complaints.append(f"a script ran: {dialog.message}"))

    def register(self, nickname: str, *, is_there: bool = False) -> "Person":
        """Create an account and wait until the page is live; `is_there`: the form is already on the screen."""
        if not is_there:
            self.page.goto(self.url)
        self.page.get_by_role("button", name="Create account").click()
        self.page.get_by_label("Username").fill(self.name)
        self.page.get_by_label("Display name (optional)").fill(nickname)
        return self._enter("Create account")

    def another_tab(self) -> "Person":
        """Return a second tab of the same browser, with no page loaded."""
        tab = Person(self.context, self.url, self.complaints)
        tab.name = self.name
        return tab

    def log_in(self, name: str) -> "Person":
        """Log in with an account that another window has created."""
        self.name = name
        self.page.goto(self.url)
        self.page.get_by_label("Username").fill(name)
        return self._enter("Log in")

    def _enter(self, button: str) -> "Person":
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.locator(".welcome .primary", has_text=button).click()
        self.expect_live()
        return self

    def expect_live(self) -> None:
        expect(self.page.locator(".link-state")).to_have_text("Connected")

    def expect_lost(self) -> None:
        expect(self.page.locator(".link-state")).to_have_text("Connecting…")

    def find(self, query: str) -> None:
        """Open the dialog and search."""
        self.page.get_by_role("button", name="New conversation").click()
        self.page.get_by_role("searchbox").fill(query)

    def chat_with(self, other: "Person") -> None:
        """Start a private conversation."""
        self.find(other.name)
        self.page.get_by_role("dialog").get_by_text(f"@{other.name}").click()
        expect(self.page.locator(".composer")).to_be_visible()

    def create_group(self, name: str, *members: "Person") -> None:
        self.page.get_by_role("button", name="New conversation").click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_role("button", name="Group", exact=True).click()
        dialog.get_by_label("Name of the group").fill(name)
        for member in members:
            dialog.get_by_role("searchbox").fill(member.name)
            dialog.get_by_text(f"@{member.name}").click()
        dialog.get_by_role("button", name="Create group").click()
        expect(self.page.locator(".chat h2")).to_have_text(name)

    def entry(self, title: str) -> Locator:
        """Return a conversation's entry in the list."""
        return self.page.locator(".sidebar nav li", has=self.page.get_by_text(title, exact=True))

    def open(self, title: str) -> None:
        self.entry(title).click()
        expect(self.page.locator(".chat h2")).to_have_text(title)

    def write(self, text: str) -> None:
        """Type without sending."""
        self.page.get_by_label("Write a message").press_sequentially(text)

    def say(self, *texts: str) -> None:
        for text in texts:
            self.page.get_by_label("Write a message").fill(text)
            self.page.get_by_label("Write a message").press("Enter")

    def message(self, text: str) -> Locator:
        return self.page.locator(".message", has=self.page.get_by_text(text, exact=True))

    def sees(self, *texts: str) -> None:
        """Check that exactly these messages are on the screen, in this order."""
        expect(self.page.locator(".message .text")).to_have_text(list(texts))

    def all_sent(self) -> None:
        """Wait until none of the user's own messages is being sent."""
        expect(self.page.locator(".tick.sending")).to_have_count(0)

    def go_offline(self) -> None:
        self.context.set_offline(True)
        self.expect_lost()

    def go_online(self) -> None:
        self.context.set_offline(False)
        self.expect_live()

    def token(self) -> str:
        """Return the access token that the page uses now."""
        return self.session()["access_token"]

    def user_id(self) -> int:
        return self.session()["user"]["id"]

    def session(self) -> dict | None:
        """Return the page's record of its session."""
        return self.page.evaluate("async () => (await import('/web/js/session.js')).session.read()")

    def conversation_id(self) -> int:
        """Return the id of the open conversation from the address."""
        return int(self.page.evaluate("location.hash.slice(2)"))


def is_complaint(line: str) -> bool:
    """Return whether a line of the browser's console reports a violated policy or a failed script."""
    return any(word in line for word in ("Content Security Policy", "Trusted", "Uncaught", "Refused to"))
