"""Nginx as a defence before real nodes: forged addresses, smuggled and slow requests, protected pages."""

import socket
import time
from collections import Counter

import pytest
import requests

from tests.support.nginx import HANDSHAKE, redirect_elsewhere
from tests.support.ports import free_port

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("way", ["through Nginx", "directly"])
def test_forged_address_headers_are_ignored(nginx, start_nodes, way):
    trusted = "127.0.0.1" if way == "through Nginx" else ""
    nodes = start_nodes(1, IM_RATE_LIMITS="on", IM_RATE_LOGIN_PER_ADDRESS="3/hour", IM_TRUSTED_PROXIES=trusted)
    front = nginx(nodes) if way == "through Nginx" else nodes[0]

    answers = [
        requests.post(
            front.url + "/api/auth/login",
            json={"account": f"user{number}", "password": "wrong password"},
            headers={"X-Forwarded-For": f"198.51.100.{number}", "X-Real-IP": f"198.51.100.{number}"},
            timeout=10,
        ).status_code
        for number in range(5)
    ]

    assert answers == [401, 401, 401, 429, 429]


def session_address(front, number, **headers):
    """Register through `front`; return the address that the node keeps with the session."""
    user = {"username": f"behind{number}", "password": "correct horse battery"}
    tokens = requests.post(front.url + "/api/auth/register", json=user, headers=headers, timeout=10).json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    return requests.get(front.url + "/api/sessions", headers=bearer, timeout=10).json()["items"][0]["ip"]


def test_a_proxy_before_nginx_is_trusted_only_if_it_is_named(nginx, start_nodes):
    nodes = start_nodes(1, IM_TRUSTED_PROXIES="127.0.0.1")
    named, other = nginx(nodes, "--behind=127.0.0.0/8"), nginx(nodes, "--behind=10.0.0.0/8")
    said = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}

    addresses = [session_address(named, 1, **said), session_address(other, 2, **said)]
    pages = [
        requests.get(
            front.url + HANDSHAKE,
            headers={**said, "Host": "im.example.org", "Origin": "https://im.example.org"},
            timeout=5,
        ).status_code
        for front in (named, other)
    ]

    assert addresses == ["198.51.100.7", "127.0.0.1"]
    assert pages == [200, 403]


def test_long_cookies_of_a_shared_domain_do_no_harm(front):
    answer = requests.get(front.url + "/api/users/me", headers={"Cookie": "a=" + "x" * 20_000}, timeout=10)

    assert answer.status_code == 401


def test_log_ins_spread_over_the_nodes_are_counted_together(nginx, start_nodes):
    nodes = start_nodes(
        3, IM_RATE_LIMITS="on", IM_RATE_LOGIN_PER_ACCOUNT="10/hour", IM_RATE_LOGIN_PER_ADDRESS="1000/hour"
    )
    front = nginx(nodes)

    answers = Counter(
        requests.post(
            front.url + "/api/auth/login", json={"account": "alice", "password": "wrong password"}, timeout=10
        ).status_code
        for _ in range(100)
    )

    assert answers == {401: 10, 429: 90}


def raw(port, request, timeout=15):
    """Send bytes; return everything received until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(request)
        connection.settimeout(timeout)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
        return answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        b"GET /api/users/me HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ],
    ids=["length and chunks", "folded header", "two lengths"],
)
def test_smuggled_requests_are_refused(front, request_bytes):
    assert raw(front.port, request_bytes).split(b"\r\n")[0].endswith(b"400 Bad Request")


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(front):
    answer = requests.post(front.url + "/api/auth/login", data=b"x" * 300_000, timeout=10)

    assert answer.status_code == 413


@pytest.mark.parametrize("part", ["header", "body"])
def test_slow_requests_are_cut_off_and_do_not_delay_others(nginx, nodes, part):
    front = nginx(nodes, edit=lambda text: text.replace(f"client_{part}_timeout 10s", f"client_{part}_timeout 2s"))
    begun = b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n" + b"\r\n{" * (part == "body")
    began = time.monotonic()
    slow = [socket.create_connection(("127.0.0.1", front.port), 60) for _ in range(200)]
    for one in slow:
        one.sendall(begun)

    meanwhile = requests.get(front.url + "/actuator/health", timeout=2)

    assert meanwhile.ok
    for one in slow:
        while one.recv(65_536):
            pass
        one.close()
    assert time.monotonic() - began < 40  # nginx alone would wait for a minute


@pytest.mark.parametrize(
    "path",
    [
        "/actuator/prometheus",
        "//actuator/prometheus",
        "/%61ctuator/prometheus",
        "/actuator%2Fprometheus",
        "/api/../actuator/prometheus",
        "/actuator/health/../prometheus",
        "/actuator/health/%2e%2e/prometheus",
        "/actuator/health%2f..%2fprometheus",
    ],
)
def test_operators_paths_are_refused_in_every_spelling(front, path):
    answer = raw(front.port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    assert answer.split(b"\r\n")[0] == b"HTTP/1.1 403 Forbidden"
    assert requests.get(front.url + "/actuator/health", timeout=10).ok


def test_the_operators_page_can_be_restricted_to_a_network(nginx, nodes):
    elsewhere, here = nginx(nodes, "--allow-admin=192.0.2.0/24"), nginx(nodes, "--allow-admin=127.0.0.0/8")

    for path in (
        "/admin",
        "/api/admin/acts",
        "//api/admin/acts",
        "/%61dmin",
        "/api/x/../admin/acts",
        "/api/admin%2Facts",
    ):
        answer = raw(elsewhere.port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert answer.split(b"\r\n")[0] == b"HTTP/1.1 403 Forbidden", path
    assert requests.get(elsewhere.url + "/", timeout=10).ok
    assert requests.get(here.url + "/admin", timeout=10).ok
    assert requests.get(here.url + "/api/admin/acts", timeout=10).status_code == 401


def test_plain_http_redirects_to_tls_on_its_port_and_reveals_no_version(nginx, nodes, certificate):
    here = free_port()
    front = nginx(nodes, edit=lambda text: text.replace("listen 80;", f"listen {here};"), certificate=certificate)

    answer = requests.get(f"http://127.0.0.1:{here}/x?y=1", allow_redirects=False, timeout=10)

    assert (answer.status_code, answer.headers["Location"]) == (308, front.url + "/x?y=1")
    assert answer.headers["Server"] == "nginx"


def test_over_tls_the_page_may_connect_to_its_own_host_only(nginx, nodes, certificate):
    front = nginx(nodes, edit=redirect_elsewhere, certificate=certificate)

    own, foreign = (
        requests.get(
            front.url + HANDSHAKE,
            headers={"Origin": origin},
            verify=front.certificate,
            timeout=10,
        ).status_code
        for origin in (front.url, "https://evil.example")
    )

    assert own == 200
    assert foreign in {400, 403}  # the stock transport answers 400, ours 403
