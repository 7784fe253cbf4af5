import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from limits import parse_many
from pydantic import ValidationError

from config import DataFolderError, Settings, SettingsError, load_settings
from imapp.cli import settings_document
from imapp.cluster.redis_url import parse
from imapp.settings import PROJECT

KEY = "k" * 32
NOBODY = 65534


@contextmanager
def without_root() -> Iterator[None]:
    """Run the block as nobody, because root may write everywhere."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)


def load(tmp_path: Path, **variables: str) -> Settings:
    return load_settings({"IM_DATA_DIR": str(tmp_path / "data"), **variables})


def problem(tmp_path: Path, **variables: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, **variables)
    return str(caught.value)


# -- reading -------------------------------------------------------------------------------------------------


def test_constructing_settings_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1234")
    monkeypatch.setenv("IM_LOG_LEVEL", "nonsense")

    settings = Settings(secret_key=KEY)

    assert settings.port == 8080


def test_variables_become_typed_values(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        PORT="9000",
        IM_RATE_LIMITS="off",
        IM_LOG_LEVEL="debug",
        IM_ALLOWED_ORIGINS="https://a.example, http://b.example:3000/",
    )

    assert settings.port == 9000
    assert settings.rate_limits is False
    assert settings.log_level == "DEBUG"
    assert settings.allowed_origins == ("https://a.example", "http://b.example:3000")


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    settings = load(tmp_path, PORT="", REDIS_URL="")

    assert settings.port == 8080


def test_the_default_database_is_in_the_data_folder(tmp_path: Path) -> None:
    settings = load(tmp_path)

    assert settings.database_url == f"sqlite:///{tmp_path}/data/imapp.db"


@pytest.mark.parametrize("dialect", ["mysql", "mariadb"])
def test_a_mysql_url_needs_no_driver(tmp_path: Path, dialect: str) -> None:
    settings = load(tmp_path, DATABASE_URL=f"{dialect}://u:p@db.example:3307/chat?charset=utf8mb4")

    assert settings.database_url == f"{dialect}+pymysql://u:p@db.example:3307/chat?charset=utf8mb4"


def test_settings_are_immutable() -> None:
    settings = Settings(secret_key=KEY)

    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


def test_every_default_rate_is_valid_for_the_limiter() -> None:
    settings = Settings(secret_key=KEY)

    rates = [getattr(settings, name) for name in Settings.model_fields if name.startswith("rate_")]

    assert [parse_many(rate) for rate in rates if isinstance(rate, str)]


# -- refusing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://Chat.Example.org:443/", "https://chat.example.org"),
        ("http://chat.example.org:80", "http://chat.example.org"),
        ("https://chat.example.org:8443", "https://chat.example.org:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("ionic://localhost", "ionic://localhost"),
        ("tauri://localhost", "tauri://localhost"),
        ("file://", "file://"),
        ("NULL", "null"),
    ],
)
def test_origins_are_normalised_to_the_form_that_browsers_send(given, sent):
    assert Settings(secret_key="s" * 32, allowed_origins=given).allowed_origins == (sent,)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "http"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("HOST", "not a host"),
        ("NODE_ID", "-node"),
        ("NODE_ID", "x" * 33),
        ("IM_ENV", "prod"),
        ("IM_LOG_LEVEL", "loud"),
        ("IM_RATE_LIMITS", "maybe"),
        ("IM_RATE_SEARCH_PER_USER", "many"),
        ("IM_RATE_SEARCH_PER_USER", "10/fortnight"),
        ("IM_ACCESS_TOKEN_SECONDS", "1"),
        ("IM_ACCESS_TOKEN_SECONDS", "15m"),
        ("IM_GROUP_MEMBER_LIMIT", "10001"),
        ("IM_ALLOWED_ORIGINS", "chat.example.org"),
        ("IM_ALLOWED_ORIGINS", "https://chat.example.org/path"),
        ("IM_ALLOWED_ORIGINS", "https://*.example.org"),
        ("IM_ALLOWED_ORIGINS", "https://ada@chat.example.org"),
        ("IM_PORT\n2026 forged", "x"),
        ("IM_ENV", "a\r\nforged line"),
    ],
)
def test_an_invalid_value_is_reported_in_one_line_with_its_variable(tmp_path: Path, variable: str, value: str) -> None:
    text = problem(tmp_path, **{variable: value})

    assert len(text.splitlines()) == 1
    assert variable.partition("\n")[0] in text


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "postgresql://u:hunter2@h/db"),
        ("DATABASE_URL", "mysql://u:hunter2@h"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "sqlite://"),
        ("REDIS_URL", "redis://:hunter2@h,i"),
        ("SECRET_KEY", "hunter2"),
        ("SECRET_KEY_PREVIOUS", "hunter2"),
    ],
)
def test_an_invalid_secret_is_not_shown(tmp_path: Path, variable: str, value: str) -> None:
    text = problem(tmp_path, **{variable: value})

    assert text.startswith(f"{variable}=**** cannot be used: ")
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://:hunter2@h:6379/2",
        "rediss://u:p@h:1",
        "unix:///run/redis/s",
        "redis+sentinel://a:1,b:2/mymaster/0",
        "redis+cluster://:p@a:1,b:2",
        "rediss://:p@h:1/0?ssl_ca_certs=/etc/ssl/own.pem",
        "rediss+sentinel://:p@a:1,b:2/mymaster?ssl_ca_certs=/etc/ssl/own.pem",
        "rediss+cluster://:p@a:1,b:2?ssl_ca_certs=/etc/ssl/own.pem",
    ],
)
def test_every_kind_of_redis_has_a_url(tmp_path: Path, url: str) -> None:
    settings = load(tmp_path, REDIS_URL=url)

    assert settings.redis_url == url


@pytest.mark.parametrize("kind", ["rediss://h", "rediss+sentinel://a:1,b:2/mymaster", "rediss+cluster://a:1,b:2"])
def test_a_private_certificate_authority_can_be_set_for_every_kind_of_redis(tmp_path: Path, kind: str) -> None:
    url = load(tmp_path, REDIS_URL=kind + "?ssl_ca_certs=/etc/ssl/own.pem").redis_url

    address = parse(url)

    assert (address.tls, address.ca_file) == (True, "/etc/ssl/own.pem")
    assert all(host in {"h", "a", "b"} for host, _ in address.hosts)


@pytest.mark.parametrize("url", ["http://h", "redis://", "redis+sentinel://a:1", "redis://a b", "localhost:6379"])
def test_an_invalid_redis_url_is_refused(tmp_path: Path, url: str) -> None:
    text = problem(tmp_path, REDIS_URL=url)

    assert text.startswith("REDIS_URL=**** cannot be used: it must be redis://")


def test_proxies_are_parsed_as_networks(tmp_path: Path) -> None:
    settings = load(tmp_path, IM_TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8")

    assert settings.trusted_proxies == ("127.0.0.1/32", "10.0.0.0/8")
    assert "IM_TRUSTED_PROXIES" in problem(tmp_path, IM_TRUSTED_PROXIES="nowhere")


def test_an_unknown_variable_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    text = problem(tmp_path, IM_RECALL_WINDOW="60")

    assert text == "IM_RECALL_WINDOW is not a setting; did you mean IM_RECALL_WINDOW_SECONDS?"


def test_variables_of_the_tests_and_of_other_software_are_ignored(tmp_path: Path) -> None:
    settings = load(tmp_path, IM_TEST_MYSQL_URL="mysql://x", IMAGE="y", HOME="/")

    assert settings.env == "production"


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    lines = problem(tmp_path, PORT="x", IM_ENV="y", IM_NONSENSE="z", IM_DATA_DIR="\0").splitlines()

    assert [line.split("=")[0].split(" ")[0] for line in lines] == [
        "IM_NONSENSE",
        "IM_ENV",
        "PORT",
        "IM_DATA_DIR",
    ]


def test_the_command_line_reports_an_invalid_setting_in_one_line_and_exits_with_2() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "routes"],
        check=False,
        cwd=PROJECT,
        env={**os.environ, "PORT": "eighty"},
        capture_output=True,
        text=True,
    )

    assert answer.returncode == 2
    assert answer.stderr == "PORT='eighty' cannot be used: it must be a whole number from 1 to 65535.\n"


# -- the data folder and its secrets -------------------------------------------------------------------------


def test_the_first_start_generates_a_secret_that_the_second_reuses(tmp_path: Path) -> None:
    first = load(tmp_path)
    second = load(tmp_path)

    assert first.secret_key == second.secret_key
    assert len(first.secret_key) >= 64


def test_only_the_owner_can_read_the_secrets(tmp_path: Path) -> None:
    load(tmp_path)

    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data/secrets.env").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["secrets.env"]


def test_nodes_that_start_simultaneously_share_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: load(tmp_path).secret_key, range(64)))

    assert len(keys) == 1


def test_a_secret_from_the_environment_is_not_stored(tmp_path: Path) -> None:
    settings = load(tmp_path, SECRET_KEY=KEY)

    assert settings.secret_key == KEY
    assert list((tmp_path / "data").iterdir()) == []


def test_a_stored_secret_can_be_rotated(tmp_path: Path) -> None:
    old = load(tmp_path).secret_key
    (tmp_path / "data/secrets.env").write_text(f"SECRET_KEY={KEY}\nSECRET_KEY_PREVIOUS={old}\n")

    settings = load(tmp_path)

    assert settings.secret_key == KEY
    assert settings.secret_key_previous == old


def test_secrets_readable_by_others_are_refused(tmp_path: Path) -> None:
    load(tmp_path)
    (tmp_path / "data/secrets.env").chmod(0o640)

    text = problem(tmp_path)

    assert text == f"The secrets in {tmp_path}/data/secrets.env can be read by others: run chmod 600 on it."


@pytest.mark.parametrize("content", ["", "SECRET_KEY=short\n", "nonsense"])
def test_a_damaged_secrets_file_is_refused_rather_than_replaced(tmp_path: Path, content: str) -> None:
    load(tmp_path)
    file = tmp_path / "data/secrets.env"
    file.write_text(content)

    text = problem(tmp_path)

    assert text.startswith(f"{file} holds no SECRET_KEY")
    assert file.read_text() == content


def test_a_file_in_place_of_the_data_folder_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    text = problem(tmp_path)

    assert text == f"IM_DATA_DIR='{tmp_path}/data' cannot be used: File exists."


def test_a_data_folder_without_permission_is_reported_in_one_line() -> None:
    with without_root(), pytest.raises(DataFolderError) as caught:
        load_settings({"IM_DATA_DIR": "/usr"})

    assert str(caught.value) == "IM_DATA_DIR='/usr' cannot be used: no permission to write there."
    assert caught.value.exit_code == 6


# -- showing -------------------------------------------------------------------------------------------------


def test_masked_settings_contain_no_secret() -> None:
    settings = Settings(
        secret_key="s3cret" * 8, secret_key_previous="0lder" * 8, database_url="mysql://app:hunter2@db/chat"
    )

    shown = settings.masked()

    assert shown["DATABASE_URL"] == "mysql+pymysql://app:***@db/chat"
    assert shown["SECRET_KEY"] == shown["SECRET_KEY_PREVIOUS"] == "****"
    assert shown["IM_RATE_LIMITS"] == "on"
    assert shown["REDIS_URL"] == ""
    for secret in ("s3cret", "0lder", "hunter2"):
        assert secret not in str(shown) + repr(settings)


def test_the_settings_reference_is_up_to_date() -> None:
    written = (PROJECT / "docs/settings.md").read_text()

    remedy = "run: .venv/bin/flask im export-settings --out docs/settings.md"
    assert written == settings_document.document() + "\n", remedy


def test_every_setting_has_a_description_and_its_own_variable() -> None:
    variables = [Settings.variable(name) for name in Settings.model_fields]

    assert len(set(variables)) == len(variables)
    assert all(info.description for info in Settings.model_fields.values())


def test_every_setting_is_used_somewhere() -> None:
    files = [PROJECT / "gunicorn.conf.py", *(PROJECT / "imapp").rglob("*.py")]
    code = "\n".join(file.read_text() for file in files)
    # Rate limits are looked up by their name without the prefix. redis_url is parsed instead of used by name.
    aside = {"redis_url"}

    unused = [
        name
        for name in set(Settings.model_fields) - aside
        if not re.search(rf"\.{name}\b|\"{name.removeprefix('rate_')}\"", code)
    ]

    assert unused == []
