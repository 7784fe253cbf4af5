"""The Kubernetes manifests: against the published schemas, against each other, and their template in a real Nginx.

No cluster is started here.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import yaml

from config import load_settings
from tests.support.dns import NameServer
from tests.support.ports import free_port, wait_for
from tests.support.server import ROOT

FOLDER = ROOT / "deploy/kubernetes"
MANIFESTS = sorted(file.name for file in FOLDER.glob("*.yaml") if file.name != "kustomization.yaml")
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def kustomization():
    return yaml.safe_load((FOLDER / "kustomization.yaml").read_text())


@pytest.fixture(scope="module")
def objects():
    """Return all objects of the manifests by kind and name."""
    found = [one for name in MANIFESTS for one in yaml.safe_load_all((FOLDER / name).read_text())]
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


@pytest.fixture(scope="module")
def pod(objects):
    return objects["StatefulSet", "imapp"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def node(pod):
    return pod["containers"][0]


def given_settings(kustomization) -> dict[str, str]:
    return dict(line.split("=", 1) for line in kustomization["configMapGenerator"][0]["literals"])


# -- manifests ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_follows_the_schema_of_kubernetes_without_unknown_fields(name):
    ran = subprocess.run(
        [BIN / "kubernetes-validate", "--strict", FOLDER / name], capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_manifest_except_the_examples_is_applied(kustomization):
    assert set(kustomization["resources"]) == {name for name in MANIFESTS if ".example." not in name}
    assert all((FOLDER / one.partition("=")[2]).exists() for one in kustomization["configMapGenerator"][1]["files"])


def test_the_given_settings_are_valid_in_this_version(kustomization, objects, tmp_path):
    secret = objects["Secret", "imapp"]["stringData"]

    settings = load_settings(
        {
            **given_settings(kustomization),
            **secret,
            "SECRET_KEY": "s" * 64,
            "NODE_ID": "imapp-0",
            "IM_DATA_DIR": str(tmp_path),
        }
    )

    assert settings.host == "0.0.0.0"
    assert secret["SECRET_KEY"] == ""


def test_a_node_is_named_after_its_pod(node):
    assert node["env"] == [{"name": "NODE_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]


def test_the_grace_period_is_longer_than_a_drain(pod, node, kustomization):
    before = int(node["lifecycle"]["preStop"]["exec"]["command"][1])

    longest = before + int(given_settings(kustomization)["IM_SHUTDOWN_TIMEOUT_SECONDS"]) + 3

    assert pod["terminationGracePeriodSeconds"] > longest


def test_only_a_hung_process_is_restarted_and_only_a_ready_node_gets_requests(node):
    paths = {kind: node[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}

    assert paths["liveness"] == paths["startup"] == "/actuator/health/liveness"
    assert paths["readiness"] == "/actuator/health/readiness"


def test_every_container_has_minimal_privileges(objects):
    pods = [one["spec"]["template"]["spec"] for one in objects.values() if "template" in one.get("spec", {})]

    for one in pods:
        assert one["securityContext"]["runAsNonRoot"] is True
        assert one["automountServiceAccountToken"] is False
        for container in [*one["containers"], *one.get("initContainers", [])]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert len(pods) == 3


def test_one_node_is_evicted_at_a_time(objects):
    budget = objects["PodDisruptionBudget", "imapp"]["spec"]

    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == objects["StatefulSet", "imapp"]["spec"]["selector"]


def test_nodes_scale_with_connections_and_can_take_those_of_a_lost_node(objects, tmp_path):
    spec = objects["HorizontalPodAutoscaler", "imapp"]["spec"]
    most = load_settings({"SECRET_KEY": "s" * 64, "IM_DATA_DIR": str(tmp_path)}).max_connections

    per_node = {
        one["pods"]["metric"]["name"]: one["pods"]["target"] for one in spec["metrics"] if one["type"] == "Pods"
    }

    fewest = spec["minReplicas"]
    assert int(per_node["imapp_connections"]["averageValue"]) * fewest <= most * (fewest - 1)


def test_draining_nodes_keep_their_sessions_and_get_no_new_ones(objects):
    by_name, ready = objects["Service", "imapp-nodes"]["spec"], objects["Service", "imapp"]["spec"]

    assert by_name["publishNotReadyAddresses"] is True
    assert "publishNotReadyAddresses" not in ready
    assert objects["StatefulSet", "imapp"]["spec"]["serviceName"] == "imapp-nodes"
    assert by_name["clusterIP"] == ready["clusterIP"] == "None"


# -- Nginx ----------------------------------------------------------------------------------------------------------


class Node(ThreadingHTTPServer):
    """A fake pod that answers with its name, and can refuse new sessions like a draining node."""

    def __init__(self, name: str, address: str, port: int) -> None:
        self.name = name
        self.is_draining = False
        super().__init__((address, port), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(BaseHTTPRequestHandler):
    """Answers with the name of the node."""

    server: Node

    def do_GET(self) -> None:
        body = self.server.name.encode()
        self.send_response(503 if self.server.is_draining and "sid=" not in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def pods():
    """Run two fake pods with their own addresses and the same port."""
    port = free_port()
    started = {f"imapp-{number}": Node(f"imapp-{number}", f"127.0.0.{number + 2}", port) for number in range(2)}
    yield started
    for one in started.values():
        one.shutdown()
        one.server_close()


@pytest.fixture(scope="module")
def names(pods):
    """Run the cluster's DNS."""
    address = {name: one.server_address[0] for name, one in pods.items()}
    server = NameServer({"imapp.chat.svc.cluster.local": list(address.values())})
    for name, where in address.items():
        server.names[f"{name}.imapp-nodes.chat.svc.cluster.local"] = [where]
    yield server
    server.close()


@pytest.fixture(scope="module")
def front(pods, names, tmp_path_factory):
    """Run the real Nginx with the manifests' template, filled in as its image does; yield its URL."""
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    assert program, "nginx is missing: apt-get install nginx"
    folder, port = tmp_path_factory.mktemp("front"), free_port()
    config = folder / "nginx.conf"
    config.write_text(whole_configuration(folder, port, names.port, pods["imapp-0"].server_port))
    process = subprocess.Popen([program, "-c", config, "-p", folder, "-g", "daemon off;"])
    url = f"http://127.0.0.1:{port}"
    wait_for(lambda: answers(url), what="Nginx")
    yield url
    process.terminate()
    process.wait(10)


def whole_configuration(folder: Path, port: int, dns_port: int, pod_port: int) -> str:
    values = {
        "NGINX_LOCAL_RESOLVERS": f"127.0.0.1:{dns_port}",
        "POD_NAMESPACE": "chat",
        "CLUSTER_DOMAIN": "cluster.local",
    }
    text = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], (FOLDER / "nginx.conf.template").read_text())
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace(":8080;", f":{pod_port};")
    folders = "".join(
        f"{one}_temp_path {folder}/{one};" for one in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    head = f"pid {folder}/pid; error_log {folder}/error.log; events {{ worker_connections 256; }}"
    return f"{head} http {{ access_log off; {folders}\n{text}\n}}"


def answers(url: str) -> bool:
    try:
        return requests.get(url + "/", timeout=5).ok
    except requests.ConnectionError:
        return False


def test_a_session_is_routed_to_its_pod_by_its_id(front):
    for name in ("imapp-0", "imapp-1", "imapp-0", "imapp-1"):
        answer = requests.get(f"{front}/socket.io/?EIO=4&transport=polling&sid={name}~abc", timeout=10)

        assert answer.text == name


def test_new_sessions_go_to_all_ready_pods(front):
    served = {requests.get(f"{front}/socket.io/?EIO=4&transport=polling", timeout=10).text for _ in range(40)}

    assert served == {"imapp-0", "imapp-1"}


def test_a_new_session_refused_by_a_draining_pod_goes_to_another(front, pods):
    pods["imapp-0"].is_draining = True
    try:
        served = [requests.get(f"{front}/socket.io/?EIO=4&transport=polling", timeout=10) for _ in range(20)]
        kept = requests.get(f"{front}/socket.io/?EIO=4&transport=polling&sid=imapp-0~abc", timeout=10)
    finally:
        pods["imapp-0"].is_draining = False

    assert {(answer.status_code, answer.text) for answer in served} == {(200, "imapp-1")}
    assert kept.text == "imapp-0"


def test_a_forged_session_id_leads_to_no_other_host(front, names):
    names.names["evil.example.org"] = names.names["imapp-0.imapp-nodes.chat.svc.cluster.local"]

    for sid in ("evil.example.org~a", "imapp-0.evil.example.org~a", "imapp-77~a"):
        answer = requests.get(f"{front}/socket.io/?sid={sid}", timeout=10)

        assert (answer.status_code, answer.text) in {(200, "imapp-0"), (200, "imapp-1")} or answer.status_code == 502


def test_operators_pages_are_closed_and_health_is_open(front):
    closed = requests.get(front + "/actuator/prometheus", timeout=10)
    health = requests.get(front + "/actuator/health", timeout=10)

    assert (closed.status_code, health.status_code) == (403, 200)
