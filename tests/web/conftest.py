"""Real browsers against a real server."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.server import Server
from tests.web.operators import Operator
from tests.web.people import Person

Somebody = Callable[..., Person]

#: Milliseconds to wait for an element to appear: browsers and servers of other tests use the same processors.
expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium; running as root, it needs the option that switches its sandbox off."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def somebody(browser: Browser, request) -> Iterator[Somebody]:
    """Provide `somebody()`, `somebody(other_server)`, `somebody(viewport={...})`, which open a new browser window.

    Options are those of Playwright's contexts. The test fails if a window reports a violated policy or failed script.
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
    """Provide `operator(server)`, which opens /admin in a new window for a new operator; options as with `somebody`."""
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
