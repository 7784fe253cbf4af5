"""Real browsers in front of a real server."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.server import Server
from tests.web.operators import Operator
from tests.web.people import Person

Somebody = Callable[..., Person]

#: Milliseconds that something may take to appear: browsers and servers of other tests want the same processors.
expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; as root it needs to be told that there is no sandbox."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def somebody(browser: Browser, request) -> Iterator[Somebody]:
    """A new window: `somebody()`; `somebody(other_server)`; `somebody(viewport={...})` as Playwright's contexts are.

    At the end no window may have complained about a violated policy or a failed script.
    """
    complaints: list[str] = []
    contexts = []

    def open_window(server: Server | None = None, **options: object) -> Person:
        contexts.append(browser.new_context(**{"locale": "en-GB", **options}))
        return Person(contexts[-1], (server or request.getfixturevalue("server")).url, complaints)

    yield open_window

    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def operator(browser: Browser) -> Iterator[Callable[..., Operator]]:
    """A new window at /admin of a new operator: `operator(server)`; the rest as with `somebody`."""
    complaints: list[str] = []
    contexts = []

    def open_window(server: Server, **options: object) -> Operator:
        contexts.append(
            browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1280, "height": 900}, **options})
        )
        return Operator(contexts[-1], server, complaints)

    yield open_window

    for context in contexts:
        context.close()
    assert complaints == []
