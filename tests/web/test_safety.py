"""User content stays text (drill S7), and the page loads nothing from elsewhere."""

import pytest
from playwright.sync_api import expect

CORPUS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><script>alert(2)</script></svg>",
    '"><iframe srcdoc="<script>parent.alert(1)</script>"></iframe>',
    "[click](javascript:alert(1))",
    "javascript:alert(1)",
    'https://example.org/"onmouseover=alert(1)//',
    "data:text/html,<script>alert(1)</script>",
    "${alert(1)}{{constructor.constructor('alert(1)')()}}",
    "<style>@import 'http://127.0.0.1:9/x.css'</style>",
    "&lt;b&gt; &amp; &#60;i&#62;",
    "a\u202egnp.exe\u202c",
]

pytestmark = pytest.mark.slow


def test_markup_in_messages_is_shown_as_written(somebody):
    ada, grace = somebody().register("Ada"), somebody().register("Grace")
    ada.chat_with(grace)

    ada.say(*CORPUS)
    grace.open("Ada")

    grace.sees(*CORPUS)
    expect(grace.page.locator("script, iframe, style")).to_have_count(1)  # the page's own script
    expect(grace.page.locator(".message img, .message svg:not(.icon)")).to_have_count(0)


def test_markup_in_names_is_shown_as_written(somebody):
    ada, grace = somebody().register(CORPUS[1]), somebody().register("Grace")

    ada.create_group(CORPUS[0], grace)
    ada.say("hello")
    grace.open(CORPUS[0])

    grace.sees("hello")
    expect(grace.page.locator(".author")).to_have_text(CORPUS[1])
    expect(grace.page.locator("script")).to_have_count(1)


def test_only_web_addresses_become_links(somebody):
    ada, grace = somebody().register("Ada"), somebody().register("Grace")
    ada.chat_with(grace)

    ada.say("see https://example.org/a?b=1, not javascript:alert(1) or data:text/html,x")

    link = ada.page.locator(".message a")
    expect(link).to_have_count(1)
    expect(link).to_have_attribute("href", "https://example.org/a?b=1")
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")


def test_no_token_is_in_a_url(somebody):
    ada = somebody()
    addresses = []
    ada.page.on("request", lambda request: addresses.append(request.url))
    ada.page.on("websocket", lambda socket: addresses.append(socket.url))

    ada.register("Ada")

    token = ada.token()
    assert any("/socket.io/" in address for address in addresses)
    assert not [address for address in addresses if token in address or "token" in address]
