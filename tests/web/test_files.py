"""The files of the page and their headers."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from imapp.api.http import web, web_files

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.slow
def test_the_page_may_load_from_its_own_host_only(server):
    answer = requests.get(server.url, timeout=10)

    host = server.url.removeprefix("http://")
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == f"'self' ws://{host} wss://{host}"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["/", "/admin", "/favicon.ico", "/web/js/main.js", "/web/css/theme.css", "/web/vendor/preact.js"]
)
def test_an_unchanged_file_is_not_sent_again(server, path):
    first = requests.get(server.url + path, timeout=10)
    second = requests.get(server.url + path, headers={"If-None-Match": first.headers["ETag"]}, timeout=10)

    assert first.headers["Cache-Control"] == "no-cache"
    assert (first.status_code, second.status_code, second.content) == (200, 304, b"")


@pytest.mark.slow
def test_a_file_is_compressed_for_browsers_that_accept_it(server):
    url = f"{server.url}/web/vendor/preact.js"

    packed = requests.get(url, timeout=10)
    plain = requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=10)

    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 2
    assert packed.content == plain.content == (ROOT / "web" / "vendor" / "preact.js").read_bytes()
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert plain.headers["Content-Type"] == "text/javascript; charset=utf-8"


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/", "/admin"])
def test_a_document_preloads_exactly_the_modules_that_the_browser_requests(server, browser, path):
    page = browser.new_page()
    page.goto(server.url + path, wait_until="networkidle")

    asked = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)")
    named = page.evaluate(
        "[...document.querySelectorAll('[rel=modulepreload]')].map((link) => link.getAttribute('href'))"
    )
    page.close()
    entry = "/web/js/main.js" if path == "/" else "/web/js/admin/main.js"
    assert sorted({name for name in asked if name.endswith(".js")}) == sorted([entry, *named])


def test_an_edited_file_is_read_again(tmp_path):
    file = tmp_path / "a.css"
    file.write_text("a { color: red; }")
    before = web_files.served(file)

    file.write_text("a { color: blue; }")

    assert web_files.served(file) is not before
    assert web_files.served(file) is web_files.served(file)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["/web/package.json", "/web/js/../package.json", "/web/js/%2e%2e/package.json", "/web/vendor/", "/web/js"]
)
def test_files_for_set_up_are_not_served(server, path):
    request = requests.Request("GET", server.url).prepare()
    request.url = server.url + path  # unchanged: the library would resolve the dots

    with requests.Session() as session:
        assert session.send(request, timeout=10).status_code == 404


def test_the_page_never_turns_strings_into_markup_or_code():
    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "dangerouslySetInnerHTML", "document.write", "eval(")

    for file in (ROOT / "web" / "js").rglob("*.js"):
        source = file.read_text()
        assert not [word for word in forbidden if word in source], file


@pytest.fixture
def checkout(tmp_path):
    """Copy the files of set-up, with modules that were fetched before."""
    shutil.copytree(ROOT / "web", tmp_path / "web", ignore=shutil.ignore_patterns("js", "css"))
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "fetch_web.py", tmp_path / "scripts")
    return tmp_path


def fetch(checkout, **environment):
    return subprocess.run(
        [sys.executable, checkout / "scripts" / "fetch_web.py"],
        capture_output=True, text=True, check=False, env=environment or None,
    )  # fmt: skip


def test_fetching_again_needs_neither_npm_nor_network(checkout):
    again = fetch(checkout, PATH="")

    assert (again.returncode, again.stderr) == (0, "")


@pytest.mark.slow
def test_a_package_with_a_wrong_checksum_is_refused_in_one_line(checkout):
    lock = checkout / "web" / "package-lock.json"
    pinned = json.loads(lock.read_text())
    pinned["packages"]["node_modules/htm"]["integrity"] = "sha512-" + "A" * 86 + "=="
    lock.write_text(json.dumps(pinned))
    before = {file.name: file.read_bytes() for file in (checkout / "web" / "vendor").iterdir()}

    refused = fetch(checkout)

    assert refused.returncode == 1
    assert refused.stderr.startswith("fetch_web: npm could not install")
    assert refused.stderr.count("\n") == 1
    assert "EINTEGRITY" in refused.stderr
    assert {file.name: file.read_bytes() for file in (checkout / "web" / "vendor").iterdir()} == before


@pytest.mark.slow
def test_missing_modules_are_fetched(checkout):
    shutil.rmtree(checkout / "web" / "vendor")

    fetched = fetch(checkout)

    assert fetched.returncode == 0
    assert {file.name for file in (checkout / "web" / "vendor").iterdir()} == {
        ".stamp", "htm.js", "preact.js", "socket.io.js", "uplot.css", "uplot.js",
    }  # fmt: skip


def test_without_its_modules_the_page_names_the_command_to_run(monkeypatch, tmp_path):
    monkeypatch.setattr(web, "WEB", tmp_path)

    answer = web.page()

    assert answer.status_code == 503
    assert "./scripts/setup.sh" in answer.get_data(as_text=True)
