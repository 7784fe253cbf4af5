"""The images and the compose file: linters, schemas, and the images' own scripts. No image is built here."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from config import load_settings
from tests.support.ports import free_port
from tests.support.server import ROOT

DOCKER = ROOT / "deploy/docker"
MONITORING = ROOT / "deploy/monitoring"
BIN = Path(sys.executable).parent


def run(*command, **environ: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command, cwd=ROOT, env={"PATH": "/usr/bin:/bin", **environ}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def nodes(compose):
    return {name: one for name, one in compose["services"].items() if name.startswith("node-")}


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


# -- files ----------------------------------------------------------------------------------------------------------


def test_hadolint_finds_no_fault_in_the_dockerfile():
    ran = run(BIN / "hadolint", "--failure-threshold=style", DOCKER / "Dockerfile")

    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr


def test_the_compose_file_follows_the_compose_specification():
    ran = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DOCKER / "compose.yaml")

    assert ran.returncode == 0, ran.stdout


def test_the_build_context_contains_everything_that_the_dockerfile_needs():
    allowed = {line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    text = (DOCKER / "Dockerfile").read_text()

    copied = {name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for name in line.split()}
    used = set(re.findall(r"(?:deploy|scripts)/[\w/]+\.(?:py|sh)", text))

    assert all(any(name == one or name.startswith(one + "/") for one in allowed) for name in (copied - {"."}) | used)
    assert all((ROOT / name).exists() for name in allowed)


def test_the_image_runs_as_an_ordinary_user_with_packages_checked_by_hash():
    stage = (DOCKER / "Dockerfile").read_text().partition(" AS node\n")[2].partition("\nFROM ")[0]

    assert re.search(r"^USER 10001:10001$", stage, re.MULTILINE)
    assert "--require-hashes" in (DOCKER / "Dockerfile").read_text()
    assert "pip install" not in stage


# -- compose --------------------------------------------------------------------------------------------------------


def test_every_node_has_its_own_name_and_the_address_in_nginx(compose, nodes):
    said = compose["services"]["front"]["build"]["args"]["NODES"]

    known = dict(re.findall(r"--node (\S+)=([\d.]+):8080", said))

    assert known == {name: one["networks"]["cluster"]["ipv4_address"] for name, one in nodes.items()}
    assert {name: one["environment"]["NODE_ID"] for name, one in nodes.items()} == {name: name for name in nodes}
    assert len(nodes) == 3


def test_the_default_nodes_of_the_image_are_those_of_the_compose_file(compose):
    default = re.search(r'ARG NODES="(.*)"', (DOCKER / "Dockerfile").read_text())[1]

    assert default == compose["services"]["front"]["build"]["args"]["NODES"]


def test_the_nodes_trust_nginx_only(compose, nodes):
    front = compose["services"]["front"]["networks"]["cluster"]["ipv4_address"]

    assert {one["environment"]["IM_TRUSTED_PROXIES"] for one in nodes.values()} == {front}


def test_nodes_start_after_their_dependencies(compose, nodes):
    conditions = {
        name: {other: wanted["condition"] for other, wanted in one["depends_on"].items()}
        for name, one in compose["services"].items()
        if "depends_on" in one
    }

    for name in nodes:
        assert conditions[name] == {
            "redis": "service_healthy", "mysql": "service_healthy", "migrate": "service_completed_successfully",
        }  # fmt: skip
    assert conditions["front"] == dict.fromkeys(nodes, "service_healthy")
    assert conditions["migrate"] == {"mysql": "service_healthy"}
    assert all("healthcheck" in compose["services"][name] for name in ("redis", "mysql"))


def test_the_grace_period_of_a_node_is_longer_than_its_drain(nodes):
    for one in nodes.values():
        limit = int(one["environment"]["IM_SHUTDOWN_TIMEOUT_SECONDS"])

        assert seconds(one["stop_grace_period"]) > limit + 3


def test_the_compose_file_contains_no_secret_and_publishes_only_nginx(compose):
    open_ports = {name: one["ports"] for name, one in compose["services"].items() if "ports" in one}

    assert not re.search(
        r"(?i)(password|secret_key)\s*[:=]\s*(?!/run/secrets/)[\w$]", (DOCKER / "compose.yaml").read_text()
    )
    assert set(open_ports) == {"front", "prometheus", "alertmanager", "grafana"}
    assert all(ports[0].startswith("127.0.0.1:") for name, ports in open_ports.items() if name != "front")


# -- scripts of the images ------------------------------------------------------------------------------------------


def test_generated_secrets_are_valid_settings_and_are_kept(tmp_path):
    folder = tmp_path / "secrets"

    first = run(DOCKER / "make-secrets.sh", folder)
    given = (folder / "imapp.env").read_text()
    second = run(DOCKER / "make-secrets.sh", folder)

    assert (first.returncode, second.returncode) == (0, 0)
    assert (folder / "imapp.env").read_text() == given
    settings = load_settings({**dict(line.split("=", 1) for line in given.splitlines()), "IM_DATA_DIR": str(tmp_path)})
    assert (folder / "mysql_password").read_text() in settings.database_url
    assert (folder / "redis.conf").read_text().split()[1] in settings.redis_url


def test_secrets_are_unreadable_for_others_and_readable_in_the_containers(tmp_path):
    run(DOCKER / "make-secrets.sh", tmp_path / "secrets")

    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "secrets").iterdir()} == {0o644}


def test_the_compose_file_uses_exactly_the_generated_secrets(tmp_path, compose):
    run(DOCKER / "make-secrets.sh", tmp_path / "secrets")

    wanted = {one["file"] for one in compose["secrets"].values()}

    assert wanted == {f"secrets/{file.name}" for file in (tmp_path / "secrets").iterdir()}
    ignored = subprocess.run(["git", "check-ignore", "-q", DOCKER / "secrets/imapp.env"], cwd=ROOT, check=False)
    assert ignored.returncode == 0


def test_the_entrypoint_passes_secrets_on_literally(tmp_path):
    file = tmp_path / "imapp.env"
    file.write_text("# a comment\n\nSECRET_KEY=a $HOME `id` \"b\" 'c' = # \\n\nLAST=one")

    ran = run("/bin/sh", DOCKER / "entrypoint.sh", "env", IMAPP_SECRETS=str(file))

    assert "SECRET_KEY=a $HOME `id` \"b\" 'c' = # \\n" in ran.stdout.splitlines()
    assert "LAST=one" in ran.stdout.splitlines()


def test_the_entrypoint_runs_the_command_without_secrets_too(tmp_path):
    ran = run("/bin/sh", DOCKER / "entrypoint.sh", "sh", "-c", "exit 9", IMAPP_SECRETS=str(tmp_path / "absent"))

    assert ran.returncode == 9


def test_the_healthcheck_passes_for_a_ready_node(server):
    ran = run(sys.executable, DOCKER / "healthcheck.py", PORT=str(server.port))

    assert ran.returncode == 0


def test_the_healthcheck_fails_without_an_answer():
    ran = run(sys.executable, DOCKER / "healthcheck.py", PORT=str(free_port()))

    assert ran.returncode == 1
    assert "refused" in ran.stdout


# -- monitoring -----------------------------------------------------------------------------------------------------


def test_prometheus_scrapes_all_nodes_and_exporters_of_the_compose_file(compose, nodes):
    config = yaml.safe_load((MONITORING / "prometheus.yaml").read_text())
    asked = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}

    assert asked["imapp"] == [f"{name}:8080" for name in nodes]
    assert config["scrape_configs"][0]["metrics_path"] == "/actuator/prometheus"
    assert {asked["redis"][0], asked["mysql"][0]} == {"redis-exporter:9121", "mysqld-exporter:9104"}
    assert config["alerting"]["alertmanagers"][0]["static_configs"] == [{"targets": ["alertmanager:9093"]}]
    assert {"redis-exporter", "mysqld-exporter", "alertmanager"} < set(compose["services"])


def test_missing_files_of_the_exporters_are_added_to_existing_secrets(tmp_path):
    folder = tmp_path / "secrets"
    run(DOCKER / "make-secrets.sh", folder)
    for name in ("redis_exporter.json", "mysqld_exporter.cnf", "grafana_password"):
        (folder / name).unlink()

    run(DOCKER / "make-secrets.sh", folder)

    [(address, password)] = json.loads((folder / "redis_exporter.json").read_text()).items()
    assert address == "redis://redis:6379"
    assert password == (folder / "redis.conf").read_text().split()[1]
    assert f"password={(folder / 'mysql_password').read_text()}\n" in (folder / "mysqld_exporter.cnf").read_text()
    assert len((folder / "grafana_password").read_text()) == 64


def test_every_host_file_mounted_into_a_container_exists(compose):
    mounts = [mount for one in compose["services"].values() for mount in one.get("volumes", [])]
    files = [mount.partition(":")[0] for mount in mounts if mount.startswith(".")]

    assert files
    assert all((DOCKER / file).exists() for file in files)
