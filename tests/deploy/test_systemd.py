"""The systemd units, checked by systemd itself."""

import re
import shutil
import subprocess
import sys

import pytest

from config import load_settings
from tests.support.server import ROOT

UNITS = ["imapp@.service", "imapp-migrate.service"]

#: Highest allowed exposure, systemd's measure of what a service could do if taken over: 0 nothing, 10 everything.
MOST_EXPOSURE = 1.5


def unit(name: str) -> str:
    return (ROOT / "deploy/systemd" / name).read_text()


def value(text: str, key: str) -> str:
    found = re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)
    assert len(found) == 1, f"{key}: {found}"
    return found[0]


def environment(name: str) -> dict[str, str]:
    lines = (ROOT / "deploy/systemd" / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def analyze(*arguments) -> subprocess.CompletedProcess:
    assert shutil.which("systemd-analyze"), "systemd-analyze is missing: apt-get install systemd"
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def installed(tmp_path):
    """Provide `installed(name)`: the unit in its own folder, with a program that this machine has."""

    def install(name):
        text = unit(name).replace("/opt/imapp/.venv/bin/python", sys.executable)
        file = tmp_path / name.replace("@.", "@node-1.")
        (tmp_path / name).write_text(text)
        return file

    return install


@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_no_fault_in_the_unit(installed, name):
    file = installed(name)

    ran = analyze("verify", file)

    assert ran.returncode == 0
    assert [line for line in ran.stderr.splitlines() if "imapp" in line] == []


def test_a_nodes_unit_has_minimal_privileges(installed):
    file = installed("imapp@.service")

    ran = analyze("security", "--offline=true", f"--threshold={round(10 * MOST_EXPOSURE)}", "--no-pager", file)

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_stop_timeout_of_a_node_is_longer_than_its_drain():
    gunicorn_adds = 3

    patience = int(value(unit("imapp@.service"), "TimeoutStopSec"))

    given = environment("imapp.env.example")
    assert patience > int(given["IM_SHUTDOWN_TIMEOUT_SECONDS"]) + gunicorn_adds


def test_the_units_type_matches_gunicorns_notifications():
    source = subprocess.run(
        [sys.executable, "-c", "import gunicorn.arbiter as a; print(open(a.__file__).read())"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    kind = value(unit("imapp@.service"), "Type")

    assert kind == "notify"
    assert "sd_notify(" in source


def test_the_example_settings_are_valid_in_this_version(tmp_path):
    given = environment("imapp.env.example") | environment("node-1.env.example")

    settings = load_settings({**given, "SECRET_KEY": "s" * 64, "NODE_ID": "node-1", "IM_DATA_DIR": str(tmp_path)})

    assert settings.socketio_port == 8081
    assert settings.redis_url
    assert given["SECRET_KEY"] == ""
