"""The cluster's scripts as an operator runs them: real nodes, Redis and MariaDB, in a copy of the project."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
import requests

from tests.setup.test_run import NOBODY
from tests.support.clients.official import Device
from tests.support.cluster import Cluster, copy_with_environment
from tests.support.mariadb import MariaDb
from tests.support.ports import free_port, wait_for
from tests.support.redis import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """Run a Redis and a MariaDB for this module."""
    redis = RedisServer(tmp_path_factory.mktemp("redis"))
    mariadb = MariaDb(tmp_path_factory.mktemp("mariadb"))
    yield redis, mariadb
    redis.stop()
    mariadb.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory, services):
    """Run a cluster of three nodes, started once."""
    redis, mariadb = services
    cluster = Cluster(
        copy_with_environment(tmp_path_factory.mktemp("cluster")), redis.url + "/0", mariadb.create_database()
    )
    started = cluster.run("start")
    assert started.returncode == 0, started.stdout + started.stderr
    cluster.started = started
    yield cluster
    cluster.run("stop")


@pytest.fixture
def fresh(tmp_path, services):
    """Provide `fresh(nodes=1)`, which creates a cluster that is not running; it is stopped at the end."""
    redis, mariadb = services
    made = []

    def make(nodes: int = 1) -> Cluster:
        folder = copy_with_environment(tmp_path / f"copy{len(made)}")
        made.append(Cluster(folder, redis.url + f"/{len(made) + 1}", mariadb.create_database(), nodes))
        made[-1].environ["IM_CLUSTER_NAME"] = made[-1].environ["DATABASE_URL"].rsplit("/", 1)[-1]
        return made[-1]

    yield make
    for cluster in made:
        cluster.run("stop")


def test_a_start_reports_its_steps_in_two_languages_and_shows_the_table(running):
    out = running.started.stdout

    assert "Bringing the database up to date / 正在升级数据库" in out
    assert out.count("is ready on ports") == out.count("已就绪") == 3
    assert "节点" in out.splitlines()[-4]


def test_the_status_is_a_table_of_ready_nodes(running):
    table = running.table()

    assert sorted(table) == ["node-1", "node-2", "node-3"]
    for number, (pid, ports, state, uptime, connections, users, memory) in enumerate(table.values(), 1):
        port = running.base + 2 * (number - 1)
        assert Path(f"/proc/{pid}").exists()
        assert ports == f"{port}/{port + 1}"
        assert state == "ready"
        assert re.fullmatch(r"0d00h0\dm\d\ds", uptime)
        assert (connections, users) == ("0", "0")
        assert 20 < int(memory) < 1000


def test_every_node_serves_on_both_its_ports(running):
    for number in (1, 2, 3):
        port = running.base + 2 * (number - 1)
        for one in (port, port + 1):
            assert requests.get(f"http://127.0.0.1:{one}/actuator/health", timeout=10).ok


def test_a_second_start_leaves_running_nodes_alone(running):
    before = running.table()

    again = running.run("start")

    assert again.returncode == 0
    assert again.stdout.count("is already running / 节点") == 3
    assert [row[0] for row in running.table().values()] == [row[0] for row in before.values()]


class _Node:
    def __init__(self, url):
        self.url = url


def test_the_logs_have_the_lines_that_operators_look_for(running):
    alice = Device.register(_Node(running.url(1))).connect()
    bob = Device.register(_Node(running.url(2))).connect()
    alice.send("hello", to_user_id=bob.id)
    alice.close()
    bob.close()

    log = (running.folder / "logs/node2.log").read_text()

    assert "集群消息路由器初始化完成" in log
    assert "SocketIO服务器启动成功" in log
    assert f"用户 [{bob.id}] 已连接到节点 node-2" in log


def test_a_killed_node_is_shown_dead_and_only_it_is_started_again(running):
    before = running.table()

    os.kill(int(before["node-2"][0]), signal.SIGKILL)
    wait_for(lambda: running.table()["node-2"][2] == "dead", what="the status")
    status = running.run("status").returncode
    started = running.run("start")

    after = running.table()
    assert status == 1
    assert started.returncode == 0, started.stdout + started.stderr
    assert started.stdout.count("is ready on ports") == 1
    assert after["node-2"][0] != before["node-2"][0]
    assert (after["node-1"][0], after["node-3"][0]) == (before["node-1"][0], before["node-3"][0])


def test_a_rolling_restart_replaces_every_node_one_by_one(running):
    before = running.table()

    restarted = running.run("restart")

    after = running.table()
    assert restarted.returncode == 0, restarted.stdout + restarted.stderr
    assert [row[2] for row in after.values()] == ["ready"] * 3
    assert not {row[0] for row in before.values()} & {row[0] for row in after.values()}
    order = re.findall(r"(Draining|is ready).*|", restarted.stdout)
    assert [word for word in order if word] == ["Draining", "is ready"] * 3


def test_a_stop_leaves_nothing_behind_and_can_be_repeated(fresh):
    cluster = fresh(2)
    assert cluster.run("start").returncode == 0

    stopped = cluster.run("stop")
    again = cluster.run("stop")

    assert (stopped.returncode, again.returncode) == (0, 0)
    assert stopped.stdout.count("stopped / 节点") == 2
    assert "No node is running / 没有运行中的节点" in again.stdout
    assert cluster.processes() == []
    assert list((cluster.folder / "run").iterdir()) == []
    assert "node_stopped node=node-1" in (cluster.folder / "logs/node1.log").read_text()


def test_a_nodes_log_is_rotated_and_its_standard_error_has_its_own_file(fresh):
    cluster = fresh()
    cluster.environ |= {"IM_LOG_FILE_MAX_BYTES": "1024", "IM_LOG_FILE_COUNT": "2", "IM_ACCESS_LOG": "on"}
    assert cluster.run("start").returncode == 0
    for _ in range(40):
        requests.get(cluster.url(1) + "/api/users/me", timeout=10)

    assert cluster.run("stop").returncode == 0

    logs = {path.name: path for path in (cluster.folder / "logs").iterdir()}
    assert set(logs) == {"node1.log", "node1.log.1", "node1.log.2", "node1.err"}
    assert all(path.stat().st_size < 2048 for path in logs.values())
    assert "node_stopped node=node-1" in logs["node1.log"].read_text()
    assert logs["node1.err"].read_text() == ""


def test_a_node_that_does_not_stop_is_killed(fresh):
    cluster = fresh()
    assert cluster.run("start").returncode == 0
    os.kill(int(cluster.table()["node-1"][0]), signal.SIGSTOP)

    stopped = cluster.run("stop", STOP_TIMEOUT="1")

    assert stopped.returncode == 0
    assert "已强制终止" in stopped.stdout
    assert cluster.processes() == []


def test_a_process_is_not_killed_because_of_a_stale_pid_file(fresh):
    cluster = fresh()
    stranger = subprocess.Popen(["sleep", "300"])
    (cluster.folder / "run").mkdir()
    (cluster.folder / "run/node1.pid").write_text(f"{stranger.pid}\n")

    stopped = cluster.run("stop")
    (cluster.folder / "run/node1.pid").write_text(f"{stranger.pid}\n")
    started = cluster.run("start")

    assert stopped.returncode == 0
    assert started.returncode == 0, started.stdout + started.stderr
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_an_absent_redis_is_reported_in_one_line(fresh):
    cluster = fresh()

    started = cluster.run("start", REDIS_URL=f"redis://:hunter2@127.0.0.1:{free_port()}")

    assert started.returncode == 8
    (line,) = started.stderr.splitlines()
    assert "Redis does not answer at 127.0.0.1" in line
    assert "Redis 未运行" in line
    assert "hunter2" not in started.stdout + started.stderr


def test_an_absent_mysql_is_reported_in_one_line(fresh):
    cluster = fresh()

    started = cluster.run("start", DATABASE_URL=f"mysql://root:hunter2@127.0.0.1:{free_port()}/im")

    assert started.returncode == 7
    (line,) = started.stderr.splitlines()
    assert line.startswith("MySQL: The database does not answer")
    assert "MySQL 未运行" in line
    assert "hunter2" not in started.stdout + started.stderr


@pytest.mark.parametrize("url", ["", "sqlite:////tmp/x.db"])
def test_a_missing_shared_database_is_reported_in_one_line(fresh, url):
    started = fresh().run("start", DATABASE_URL=url)

    assert started.returncode == 2
    assert len(started.stderr.splitlines()) == 1


def test_a_port_in_use_fails_the_start_with_the_nodes_own_message(fresh):
    import socket

    cluster = fresh()
    with socket.create_server(("127.0.0.1", cluster.base + 1)):
        started = cluster.run("start")

    assert started.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{cluster.base + 1}" in started.stderr
    assert cluster.processes() == []


def test_settings_are_read_from_a_file_only_if_others_cannot_read_it(fresh):
    cluster = fresh()
    file = cluster.folder / "cluster.env"
    file.write_text(f"DATABASE_URL={cluster.environ.pop('DATABASE_URL')}\n")
    file.chmod(0o644)

    refused = cluster.run("start")
    file.chmod(0o600)
    started = cluster.run("start")

    assert refused.returncode == 2
    assert "chmod 600" in refused.stderr
    assert started.returncode == 0, started.stdout + started.stderr


#: Run as a user without own files but with the right to read all: interpreter and packages may be in root's folder.
ORDINARY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
            "--bounding-set=-all,+dac_read_search", "--inh-caps=-all,+dac_read_search",
            "--ambient-caps=-all,+dac_read_search", "--"]  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="the tests already run as an ordinary user")
def test_an_ordinary_user_can_run_the_scripts(fresh):
    cluster = fresh()
    for path in [cluster.folder, *cluster.folder.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    cluster.prefix = ORDINARY
    cluster.environ["HOME"] = str(cluster.folder)

    started = cluster.run("start")
    owner = Path(f"/proc/{cluster.table()['node-1'][0]}").stat().st_uid
    stopped = cluster.run("stop")

    assert started.returncode == 0, started.stdout + started.stderr
    assert owner == NOBODY
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert cluster.processes() == []
