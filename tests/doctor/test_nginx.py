"""The doctor on Nginx configurations: generated ones, edited ones, and ones from tutorials."""

import pytest

from imapp.doctor.nginx import CHECKS
from imapp.doctor.nginx_conf import ConfigurationError, read
from imapp.doctor.nginx_effective import seconds, size
from tests.support.nginx import Nginx, generate

NODES = ("--node=a=10.0.0.1:8080:8081", "--node=b=10.0.0.2:8080:8081")

#: A configuration as in tutorials, for one node and for two.
BY_HAND = """
events { worker_connections 1024; }
http {
    upstream app { server 10.0.0.1:8080; server "10.0.0.2:8080"; %s }
    server { listen 80; return 301 https://$host$request_uri; }
    server {
        listen 443;
        location / { proxy_pass http://app; }
        location ~* ^/socket\\.io/ {
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade; # comment { with braces }
            proxy_set_header Connection 'upgrade';
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            %s
        }
    }
}
"""


@pytest.fixture
def judge(make_app, look, tmp_path):
    """Provide `judge(text, name, **settings)`: the finding of nginx.NAME on a configuration."""

    def run(text: str, name: str, **settings):
        file = tmp_path / "nginx.conf"
        file.write_text(text)
        return look(make_app(**{"max_connections": 2000, **settings}), f"nginx.{name}", nginx=str(file))

    return run


@pytest.fixture
def whole(tmp_path) -> str:
    """Return a whole nginx.conf from the generator."""
    return generate(*NODES, f"--full={tmp_path}")


def test_a_generated_configuration_passes(judge, whole):
    found = {name: judge(whole, name.partition(".")[2]) for name in CHECKS}

    assert {name: one for name, one in found.items() if one.status != "OK"} == {}
    assert found["nginx.sticky"].text == "polling is routed by the session's id (2 nodes)"


def test_without_a_configuration_the_checks_are_skipped(app, look):
    assert {look(app, name).status for name in CHECKS} == {"SKIP"}


@pytest.mark.parametrize(
    ("name", "change", "status"),
    [
        ("timeouts", ("proxy_read_timeout 60s", "proxy_read_timeout 45s"), "FAIL"),
        ("timeouts", ("        proxy_send_timeout 60s;\n", "        proxy_send_timeout 500ms;\n"), "FAIL"),
        ("timeouts", ("        proxy_read_timeout 60s;\n", ""), "OK"),
        ("upgrade", ("proxy_http_version 1.1;", ""), "FAIL"),
        ("upgrade", ("proxy_set_header Upgrade $http_upgrade;", ""), "FAIL"),
        ("upgrade", ("proxy_set_header Connection $imapp_connection;", ""), "FAIL"),
        # A location with one header of its own inherits no header from the server.
        ("upgrade", ("proxy_buffering off;", "proxy_buffering off; proxy_set_header X-A b;"), "FAIL"),
        ("forwarded", ("proxy_set_header X-Forwarded-For $remote_addr;", ""), "FAIL"),
        ("forwarded", ("proxy_set_header Host $http_host;", ""), "FAIL"),
        ("forwarded", ("proxy_set_header X-Forwarded-Proto $scheme;", ""), "WARN"),
        ("body", ("client_max_body_size 256k", "client_max_body_size 64k"), "FAIL"),
        ("body", ("client_max_body_size 256k", "client_max_body_size 0"), "WARN"),
        ("body", ("client_max_body_size 256k", "client_max_body_size 1g"), "WARN"),
        ("buffering", ("proxy_buffering off;", ""), "WARN"),
        ("sticky", ("proxy_pass http://$imapp_sockets;", "proxy_pass http://imapp_sockets;"), "FAIL"),
        ("sticky", ("map $arg_sid $imapp_sockets", "map $arg_t $imapp_sockets"), "FAIL"),
        ("connections", ("worker_connections 32768", "worker_connections 512"), "WARN"),
        ("connections", ("worker_rlimit_nofile 65536", "worker_rlimit_nofile 1024"), "WARN"),
    ],
)
def test_a_harmful_edit_is_reported(judge, whole, name, change, status):
    assert change[0] in whole

    found = judge(whole.replace(*change), name)

    assert found.status == status, found
    assert status == "OK" or (found.cure and found.command)


def test_a_heartbeat_longer_than_the_timeout_of_nginx_is_a_failure(judge, whole):
    assert judge(whole, "timeouts", ping_interval_seconds=50).status == "FAIL"


def test_a_request_limit_above_that_of_nginx_is_a_failure(judge, whole):
    found = judge(whole, "body", request_max_bytes=5_000_000)

    assert (found.status, found.command) == ("FAIL", "client_max_body_size 4883k;")


@pytest.mark.parametrize(
    ("upstream", "status", "words"),
    [
        ("", "FAIL", "upstream app spreads"),
        ("least_conn;", "FAIL", "upstream app spreads"),
        ("ip_hash;", "OK", "one address, one node"),
        ("hash $remote_addr consistent;", "OK", "one address, one node"),
    ],
)
def test_requests_of_one_session_must_reach_one_node(judge, upstream, status, words):
    found = judge(BY_HAND % (upstream, ""), "sticky")

    assert (found.status, found.text.startswith(words)) == (status, True)


def test_a_single_node_needs_no_routing(judge):
    text = (BY_HAND % ("", "")).replace('server "10.0.0.2:8080";', "")

    assert judge(text, "sticky").text == "one node"


def test_a_configuration_from_a_tutorial_is_parsed(judge):
    text = BY_HAND % ("ip_hash;", "proxy_read_timeout 1h;")

    assert judge(text, "upgrade").status == "OK"
    assert judge(text, "timeouts").status == "OK"
    assert judge(text, "forwarded").text == "X-Forwarded-Proto is not set"
    assert judge(text, "body").status == "OK"


def test_a_configuration_without_a_route_to_a_node_is_a_failure(judge):
    found = judge("http { server { location / { return 404; } } }", "timeouts")

    assert found.status == "FAIL"
    assert "no location passes /socket.io/ on to a node" in found.text


@pytest.mark.parametrize("text", ["http { } }", 'server { "unclosed }'])
def test_an_unreadable_configuration_is_reported(judge, text):
    assert judge(text, "upgrade").text.startswith("ConfigurationError: ")


def test_a_missing_file_is_reported(app, look, tmp_path):
    assert "No such file" in look(app, "nginx.body", nginx=str(tmp_path / "none.conf")).text


def test_a_partial_configuration_without_events_skips_the_connection_check(judge):
    found = judge(generate(*NODES), "connections")

    assert (found.status, "--nginx -" in found.text) == ("SKIP", True)


def test_includes_are_followed_from_a_file(tmp_path):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/one.conf").write_text("server { listen 81; include deeper.inc; }")
    (tmp_path / "deeper.inc").write_text("location /socket.io/ { proxy_pass http://x; }")
    (tmp_path / "nginx.conf").write_text("http { include conf.d/*.conf; include none/*.conf; }")

    found = read(str(tmp_path / "nginx.conf"))

    assert [one.words for one in found.walk("listen")] == [["81"]]
    assert [one.words for one in found.walk("location")] == [["/socket.io/"]]


def test_a_folder_is_read_by_nginx_itself(app, look, tmp_path):
    """Read the folder with the real `nginx -T`, includes resolved."""
    folder = tmp_path / "etc"
    (folder / "conf.d").mkdir(parents=True)
    text = generate(*NODES, f"--full={tmp_path}", "--listen=8099")
    start = text.index("    server {")
    (folder / "conf.d/site.conf").write_text(text[start : text.rindex("}")])
    (folder / "nginx.conf").write_text(text[:start] + "    include conf.d/*.conf;\n}\n")

    assert {look(app, name, nginx=str(folder)).status for name in CHECKS if name != "nginx.connections"} == {"OK"}
    (folder / "conf.d/site.conf").write_text("nonsense;")
    with pytest.raises(ConfigurationError, match="nonsense"):
        read(str(folder))


def test_the_configuration_of_the_installed_nginx_is_found(doctor, environ, tmp_path):
    """Read the output of `nginx -T` for `-`; here a program of that name prints a healthy configuration."""
    nginx = Nginx(tmp_path / "nginx", [])
    program = tmp_path / "bin/nginx"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {nginx._program()} -p {nginx.folder} -c {nginx.config} "$@"\n')
    program.chmod(0o755)
    environ = {**environ, "PATH": f"{program.parent}:{environ['PATH']}", "IM_TRUSTED_PROXIES": "127.0.0.1"}

    told = doctor(environ, "--nginx", "-", "--only", "nginx")

    assert told.exit_code == 0, told.output


@pytest.mark.parametrize(
    ("text", "value"), [("60", 60), ("60s", 60), ("1m30s", 90), ("500ms", 0.5), ("2h", 7200), ("1d", 86_400)]
)
def test_times_are_parsed_like_nginx_does(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("256k", 262_144), ("1M", 1_048_576), ("2g", 2_147_483_648)])
def test_sizes_are_parsed_like_nginx_does(text, value):
    assert size(text) == value


def test_an_invalid_size_is_reported():
    with pytest.raises(ConfigurationError):
        size("much")
