"""The operator's manuals: the names in them exist, links resolve, and both languages have the same parts."""

import os
import re
from functools import cache
from pathlib import Path

import click
import pytest
from prometheus_client.parser import text_string_to_metric_families

from imapp.cli import im
from imapp.settings import Settings
from imapp.telemetry import metrics
from tests.support.server import ROOT

TWINS = ["docs/operations"]
MANUALS = [*(f"{twin}{ending}" for twin in TWINS for ending in (".md", ".zh-CN.md")), "docs/scaling.md"]
LINKED = [*MANUALS, "README.md", "README.zh-CN.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/testing.md"]
LINKED += ["deploy/README.md", "deploy/monitoring/README.md", "deploy/nginx/README.md", "bench/README.md"]
LINKED += [str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs/decisions").glob("*.md"))]

#: Folders with files that a manual may name; files that exist only at run time, in run/ and logs/, are not checked.
FOLDERS = "scripts|deploy|docs|bench|imapp|tests|web|migrations"

#: Words with a "_" that belong to other software: systemd, Nginx, MySQL, Redis, gunicorn.
OTHERS = {
    "binlog_format", "connected_clients", "grace_period", "innodb_autoinc_lock_mode", "innodb_flush_log_at_trx_commit",
    "rlimit_nofile", "wait_timeout", "worker_shutdown_timeout",
}  # fmt: skip

#: Topics of the predecessor's manual, which was in Chinese, and the log lines that it names.
PREDECESSORS_WORDS = (
    "前置条件/资源配置/拓扑/Nginx/启动/停止/systemd/Docker/健康检查/日志/监控/告警/消息丢失/连接频繁断开/脑裂/诊断命令/"
    "集群消息路由器初始化完成/SocketIO服务器启动成功/用户 [ID] 已连接到节点/广播集群消息失败"
)


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def code_in(name: str) -> str:
    """Return the text of code blocks and between backticks, without diagrams."""
    text = text_of(name)
    blocks = [body for kind, body in re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL) if kind != "mermaid"]
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))])


@cache
def source() -> str:
    """Return the product's files without its documents, as one text."""
    files = [path for folder in ("imapp", "scripts", "deploy") for path in (ROOT / folder).rglob("*")]
    files = [path for path in files if path.is_file() and path.suffix not in {".pyc", ".md"}]
    files += [ROOT / name for name in ("config.py", "gunicorn.conf.py")]
    return "\n".join(path.read_text(errors="replace") for path in files)


def headings(name: str) -> list[str]:
    text = re.sub(r"```.*?```", "", text_of(name), flags=re.DOTALL)
    return re.findall(r"^#+ .+$", text, re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings."""
    titles = (re.sub(r"^#+ ", "", line) for line in headings(str(path.relative_to(ROOT))))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", MANUALS)
def test_every_file_that_a_manual_names_exists(name):
    found = set(re.findall(rf"(?<![\w/.])((?:{FOLDERS})/[\w./@*-]*[\w*/])", code_in(name)))

    missing = {path for path in found if not list(ROOT.glob(path.rstrip("/")))}

    assert found
    assert missing == set()


@pytest.mark.parametrize("name", MANUALS)
def test_every_script_in_a_manual_is_executable(name):
    scripts = set(re.findall(r"(?:scripts|deploy)/[\w./-]+\.sh\b|deploy/nginx/generate\.py", code_in(name)))

    assert {script for script in scripts if not os.access(ROOT / script, os.X_OK)} == set()


@pytest.mark.parametrize("name", MANUALS)
def test_every_command_that_a_manual_names_exists(name):
    commands = set(re.findall(r"\bim(?:\.sh)? ([a-z]+(?:-[a-z]+)*)", code_in(name)))

    assert commands - set(im.list_commands(click.Context(im))) == set()


@pytest.mark.parametrize("name", MANUALS)
def test_every_variable_in_a_manual_is_a_setting_or_is_used_by_a_script(name):
    named = set(re.findall(r"(?<![\w])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?![\w])", code_in(name)))
    settings = {Settings.variable(field) for field in Settings.model_fields}

    own = {
        variable for variable in named if not variable.startswith("OTEL_")
    }  # OTEL_ variables belong to OpenTelemetry
    unknown = {variable for variable in own - settings if not re.search(rf"\b{variable}\b", source())}

    assert named & settings
    assert unknown == set()


@pytest.mark.parametrize("name", MANUALS)
def test_every_metric_in_a_manual_exists(name):
    metrics.BUS_GAPS.labels(reason="none")
    families = text_string_to_metric_families(metrics.exposition().decode())
    measured = set()
    for family in families:
        total = f"{family.name}_total" if family.type == "counter" else family.name
        measured |= {family.name, total, *(sample.name for sample in family.samples)}

    assert set(re.findall(r"\bimapp_[a-z_]+", code_in(name))) - measured == set()


@pytest.mark.parametrize("name", MANUALS)
def test_every_event_and_name_in_a_manual_is_in_the_source(name):
    quoted = set(re.findall(r"(?<![\w-])([a-z]+(?:_[a-z]+)+)(?!\w)", code_in(name)))

    assert {word for word in quoted - OTHERS if not word.startswith("imapp_") and word not in source()} == set()


@pytest.mark.parametrize("name", MANUALS)
def test_defaults_in_a_manual_are_the_real_defaults(name):
    """Check defaults written as `NAME` (value)."""
    quoted = re.findall(r"`(IM_\w+)`\s*[(\uff08](\d+)(?: s| 秒)?[)\uff09]", text_of(name))
    by_variable = {Settings.variable(field): info.default for field, info in Settings.model_fields.items()}

    assert {(variable, value) for variable, value in quoted if str(by_variable[variable]) != value} == set()


@pytest.mark.parametrize("name", LINKED)
def test_every_link_resolves(name):
    page = ROOT / name
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", re.sub(r"```.*?```", "", text_of(name), flags=re.DOTALL))

    for link in links:
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("twin", TWINS)
def test_both_languages_have_the_same_parts_and_the_same_commands(twin):
    english, chinese = f"{twin}.md", f"{twin}.zh-CN.md"

    levels = [[line.split()[0] for line in headings(name)] for name in (english, chinese)]
    commands = [
        [
            re.sub(r"\s*#.*", "", block)
            for block in re.findall(r"```(?:sh|sql|text)\n(.*?)```", text_of(name), re.DOTALL)
        ]
        for name in (english, chinese)
    ]
    rows = [len(re.findall(r"^\|", text_of(name), re.MULTILINE)) for name in (english, chinese)]

    assert levels[0] == levels[1]
    assert commands[0] == commands[1]
    assert rows[0] == rows[1]


def test_the_manual_covers_the_topics_of_the_predecessors_manual():
    """Operators of the predecessor search for these words."""
    text = text_of("docs/operations.zh-CN.md")

    for word in PREDECESSORS_WORDS.split("/"):
        assert word in text, word
