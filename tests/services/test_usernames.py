"""The rules for usernames at registration."""

import pytest

from imapp.errors import InvalidUsernameError
from imapp.services.accounts import usernames


@pytest.fixture
def database():
    """Override the fixture of the same name: these tests use no database."""


@pytest.mark.parametrize(
    "name",
    [
        "ada",
        "Ünal",
        "user1",
        "a.b-c_d",
        "林小雨",
        "ひらカナ漢",
        "김철수",
        "мария",
        "नमस्ते",
        "ada林",
        "1000-words",
        "b0b",
        "ad.mina",
    ],
)
def test_names_of_all_languages_are_allowed(name):
    usernames.require_allowed(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("164", "letter"),
        ("1-2", "letter"),
        ("-rf", "begin"),
        ("..", "letter"),
        ("olg\u0430", "scripts"),
        ("\u0430dmin", "scripts"),
        ("admin", "reserved"),
        ("ADMIN", "reserved"),
        ("adm\u0131n", "reserved"),
        ("root", "reserved"),
        ("system", "reserved"),
        ("me", "reserved"),
        ("supp0rt", "reserved"),
        ("r00t", "reserved"),
        ("adrnin", "reserved"),
        ("ad-min", "reserved"),
        ("admin_", "reserved"),
        ("no_reply", "reserved"),
        ("deleted-5-abcdef", "reserved"),
        ("de1eted-5", "reserved"),
        ("a", "2 to 32"),
        ("a b", "2 to 32"),
    ],
)
def test_misleading_and_reserved_names_are_refused(name, reason):
    with pytest.raises(InvalidUsernameError, match=reason):
        usernames.require_allowed(name)


def test_operators_may_create_reserved_accounts():
    usernames.require_allowed("support", may_be_reserved=True)


def test_look_alikes_share_a_digest_that_does_not_contain_the_name():
    assert usernames.digest("alice") == usernames.digest("a1ice") == usernames.digest("AIice")
    assert usernames.digest("alice") != usernames.digest("alicf")
    assert "alice" not in usernames.digest("alice")
