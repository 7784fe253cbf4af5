"""The pinned packages: safe versions, a hash for each, and the same versions for the server and the tests."""

import re
from pathlib import Path

import pytest
from packaging.version import Version

PROJECT = Path(__file__).resolve().parents[2]
FILES = ["requirements.txt", "requirements-tracing.txt", "requirements-dev.txt"]

#: The oldest versions without the vulnerabilities known in November 2026.
FLOORS = {
    "gunicorn": "23.0.0",  # CVE-2024-6827
    "pyjwt": "2.13.0",  # CVE-2026-48526
    "pymysql": "1.1.1",  # CVE-2024-36039
    "python-engineio": "4.13.3",  # CVE-2026-48809
    "python-socketio": "5.16.3",  # CVE-2026-48804
    "werkzeug": "3.0.6",  # CVE-2024-49767
}


def pins(file: str) -> dict[str, str]:
    text = (PROJECT / file).read_text()
    return dict(re.findall(r"^([a-z0-9.-]+)(?:\[[\w,-]+\])?==([^ ;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize(("package", "floor"), FLOORS.items())
def test_a_package_is_not_older_than_the_fix_of_its_known_vulnerabilities(package, floor):
    version = pins("requirements.txt")[package]

    assert Version(version) >= Version(floor)


@pytest.mark.parametrize("file", FILES)
def test_every_package_is_pinned_with_a_hash_and_without_a_url(file):
    entries = re.split(r"\n(?=\S)", (PROJECT / file).read_text().strip())

    for entry in entries:
        pin = re.match(r"[a-z0-9.-]+(\[[\w,-]+\])?==\S+.*--hash=sha256:", entry, re.DOTALL)
        assert entry.startswith("#") or pin, entry
        assert "://" not in entry


def test_the_tests_run_with_the_packages_of_the_server():
    server, tests = pins("requirements.txt"), pins("requirements-dev.txt")

    assert {name: tests.get(name) for name in server} == server


@pytest.mark.parametrize("file", ["requirements.in", "requirements-tracing.in", "requirements-dev.in"])
def test_every_direct_dependency_has_a_reason(file):
    wanted = re.findall(r"^([A-Za-z][\w.-]*)", (PROJECT / file).read_text(), re.MULTILINE)
    reasons = (PROJECT / "docs/decisions/0006-dependencies.md").read_text()
    given = set(re.findall(r"[\w.-]+", " ".join(re.findall(r"^\| ([^|]+) \|", reasons, re.MULTILINE))))

    assert wanted
    assert set(wanted) - given == set()
