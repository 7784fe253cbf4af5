"""The page's texts: errors in both languages, and links. Pure functions of the page, run in a browser."""

# These tests check Chinese punctuation:
# ruff: noqa: RUF001

import pytest

from imapp import errors

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def module_of(browser, server):
    """Provide `module_of(path, expression)`: the value of an expression over `it`, a module of the page in Chinese."""
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(server.url)
    yield lambda path, expression: page.evaluate(
        f"async () => {{ const it = await import({path!r}); return {expression}; }}"
    )
    context.close()


def codes(error=errors.AppError):
    """Return every error code of the server."""
    return {error.code}.union(*map(codes, error.__subclasses__()))


def test_every_error_code_has_a_text_in_both_languages(module_of):
    """A code without a text needs a line in each dictionary of web/js/error_strings.js."""
    known = module_of("/web/js/error_strings.js", "Object.values(it.ERRORS).map(Object.keys)")

    for keys in known:
        assert {f"error_{code}" for code in codes()} - set(keys) == set()


@pytest.mark.parametrize(
    ("field", "message", "words"),
    [
        ("name", "String should have a length of at most 50", "名称：最多 50 个字符。"),
        ("nickname", "String should have at least 1 character", "昵称：请填写。"),
        ("member_ids", "List should have at most 100 items after validation, not 101", "成员：最多 100 个。"),
        ("password", "Field required", "密码：请填写。"),
        ("something.new", "Input should be a valid string", "输入：此处不允许该内容。"),
    ],
)
def test_an_invalid_field_is_named_in_the_users_language(module_of, field, message, words):
    problem = {
        "code": "invalid_input",
        "message": "The input is not valid.",
        "fields": [{"field": field, "message": message}],
    }

    assert module_of("/web/js/strings.js", f"it.explain({problem})") == words


@pytest.mark.parametrize(
    ("text", "hrefs"),
    [
        ("看https://example.com/docs，谢谢", ["https://example.com/docs"]),
        ("https://example.com/a（说明）了解", ["https://example.com/a"]),
        ("https://zh.wikipedia.org/wiki/中文。", ["https://zh.wikipedia.org/wiki/中文"]),
        ("https://en.wikipedia.org/wiki/Foo_(bar)", ["https://en.wikipedia.org/wiki/Foo_(bar)"]),
        ("(see https://example.com/a_(b)).", ["https://example.com/a_(b)"]),
        ("[https://example.com/x]...", ["https://example.com/x"]),
        ("https://example.com：8080", ["https://example.com"]),
        ("www.example.com, a.b@example.org!", ["https://www.example.com", "mailto:a.b@example.org"]),
        ("https:// javascript:alert(1) data:x http://)(", []),
        ("a" * 8000 + "@", []),
        ("https://e.com/" + ")" * 7000, ["https://e.com/"]),
    ],
)
def test_a_link_ends_before_closing_punctuation(module_of, text, hrefs):
    parts = f"it.richText({text!r}).filter((part) => part.props).map((part) => part.props.href)"

    assert module_of("/web/js/views/rich_text.js", parts) == hrefs
