"""Trust in proxies' headers about the client's address: drill S9's forged headers, with and without a proxy."""

import pytest

from imapp.trusted_proxies import IS_FORWARDED, TrustedProxies

TRUSTED = ("127.0.0.1/32", "10.0.0.0/8", "fd00::/8")


def seen(remote, **headers):
    """Return what the app sees of a request from `remote` with these headers."""
    caught = {}

    def app(environ, _start_response):
        caught.update(environ)
        return []

    environ = {"REMOTE_ADDR": remote, "wsgi.url_scheme": "http"}
    TrustedProxies(app, TRUSTED)({**environ, **headers}, None)
    return caught


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("1.1.1.1,203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("10.1.2.3", "10.1.2.3"),
        ("2001:db8::7", "2001:db8::7"),
        ("2001:DB8:0:0::7", "2001:db8::7"),
        ("203.0.113.9:51234", "203.0.113.9"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:80", "203.0.113.9"),
        ("203.0.113.8:1, 10.1.2.3:9", "203.0.113.8"),
        ("", "127.0.0.1"),
        ("unknown", "127.0.0.1"),
        ("203.0.113.9, unknown", "127.0.0.1"),
        ("203.0.113.9\r\nX: y", "127.0.0.1"),
    ],
)
def test_addresses_from_trusted_proxies_are_used_up_to_the_first_untrusted_one(forwarded, client):
    environ = seen("127.0.0.1", HTTP_X_FORWARDED_FOR=forwarded)

    assert environ["REMOTE_ADDR"] == client


def test_a_trusted_ipv4_proxy_is_recognised_on_a_dual_stack_socket():
    environ = seen("::ffff:10.1.2.3", HTTP_X_FORWARDED_FOR="203.0.113.9")

    assert environ["REMOTE_ADDR"] == "203.0.113.9"
    assert seen("::ffff:11.1.2.3", HTTP_X_FORWARDED_FOR="203.0.113.9")["REMOTE_ADDR"] == "11.1.2.3"


@pytest.mark.parametrize(
    ("peer", "client"),
    [("::ffff:203.0.113.9", "203.0.113.9"), ("2001:db8::7", "2001:db8::7"), ("", ""), ("unix:", "unix:")],
)
def test_ipv4_clients_have_one_address_on_every_kind_of_socket(peer, client):
    assert seen(peer)["REMOTE_ADDR"] == client


def test_the_scheme_from_a_trusted_proxy_is_used():
    environ = seen("fd00::1", HTTP_X_FORWARDED_PROTO="https", HTTP_X_FORWARDED_FOR="203.0.113.9")

    assert environ["wsgi.url_scheme"] == "https"


@pytest.mark.parametrize("scheme", ["HTTPS", "javascript", "https, http", ""])
def test_an_invalid_scheme_is_ignored(scheme):
    assert seen("127.0.0.1", HTTP_X_FORWARDED_PROTO=scheme)["wsgi.url_scheme"] == "http"


def test_all_headers_from_an_untrusted_client_are_ignored():
    headers = {
        "HTTP_X_FORWARDED_FOR": "10.0.0.1",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_X_FORWARDED_HOST": "evil.example",
        "HTTP_X_REAL_IP": "10.0.0.1",
        "HTTP_FORWARDED": "for=10.0.0.1",
    }

    environ = seen("203.0.113.9", **headers)

    assert environ == {"REMOTE_ADDR": "203.0.113.9", "wsgi.url_scheme": "http", IS_FORWARDED: True}


def test_the_host_from_a_trusted_proxy_is_ignored():
    environ = seen("127.0.0.1", HTTP_X_FORWARDED_HOST="evil.example", HTTP_X_FORWARDED_PORT="1")

    assert not [name for name in environ if name.startswith("HTTP_X_FORWARDED")]


def test_forged_addresses_do_not_give_a_client_more_attempts(make_app):
    client = make_app(rate_limits=True, rate_login_per_address="3/hour").test_client()

    answers = [
        client.post(
            "/api/auth/login",
            json={"account": f"user{number}", "password": "wrong password"},
            headers={"X-Forwarded-For": f"198.51.100.{number}"},
        ).status_code
        for number in range(5)
    ]

    assert answers == [401, 401, 401, 429, 429]


def test_behind_a_trusted_proxy_each_client_has_its_own_attempts(make_app):
    app = make_app(rate_limits=True, rate_login_per_address="1/hour", trusted_proxies="127.0.0.1")
    client = app.test_client()

    answers = [
        client.post(
            "/api/auth/login",
            json={"account": "nobody", "password": "wrong password"},
            headers={"X-Forwarded-For": f"198.51.100.{number}"},
        ).status_code
        for number in (1, 2, 2)
    ]

    assert answers == [401, 401, 429]
