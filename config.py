"""The settings as read from the environment at start, and the secrets generated on the first start.

Only this file and gunicorn.conf.py read the environment.
"""

import difflib
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from imapp.settings import Settings, allowed_values

__all__ = ["Settings", "SettingsError", "load_settings"]

#: Prefix of the variables that only tests read.
_TESTS_PREFIX = "IM_TEST_"

#: A placeholder for SECRET_KEY until the folder of the generated secrets is known.
_NO_SECRET = "0" * 32


class SettingsError(Exception):
    """Raised for unusable settings; the text has one line for each problem."""

    exit_code = 2


class DataFolderError(SettingsError):
    """Raised when the data folder, or the secrets in it, cannot be read or written."""

    exit_code = 6


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the settings, create the data folder, and generate the secrets that are not set.

    Raises SettingsError; the caller prints it and exits with its `exit_code`.
    """
    given = {name: environ[var] for name, var in _variables().items() if environ.get(var)}
    problems = list(_unknown(environ))
    try:
        settings = Settings.model_validate({"secret_key": _NO_SECRET, **given})
    except ValidationError as exc:
        problems += [line for error in exc.errors() if (line := _problem(error, given))]
    if problems:
        raise SettingsError("\n".join(problems))

    _make_folder("IM_DATA_DIR", settings.data_dir)
    if settings.log_file is not None:
        _make_folder("IM_LOG_FILE", settings.log_file.parent)
    if "secret_key" in given:
        return settings
    return Settings.model_validate({**given, **_kept_secrets(settings.data_dir / "secrets.env")})


def _variables() -> dict[str, str]:
    return {name: Settings.variable(name) for name in Settings.model_fields}


def _unknown(environ: Mapping[str, str]) -> Iterator[str]:
    known = set(_variables().values())
    for var in sorted(environ):
        if var.startswith("IM_") and not var.startswith(_TESTS_PREFIX) and var not in known:
            close = difflib.get_close_matches(var, known, n=1)
            yield f"{ascii(var)[1:-1]} is not a setting" + (f"; did you mean {close[0]}?" if close else ".")


def _problem(error: ErrorDetails, given: Mapping[str, str]) -> str | None:
    """Return the problem as one line; None for an error that is only the consequence of another one."""
    if error["type"] == "default_factory_not_called":
        return None
    name = str(error["loc"][0])
    info = Settings.model_fields[name]
    shown = repr(given[name]) if info.repr else "****"
    why = str(error["ctx"]["error"]) if error["type"] == "value_error" else f"it must be {allowed_values(info)}"
    return f"{Settings.variable(name)}={shown} cannot be used: {why}."


# -- the data folder and its secrets -------------------------------------------------------------------------


def _make_folder(variable: str, folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise DataFolderError(f"{variable}={str(folder)!r} cannot be used: {exc.strerror}.") from exc
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        raise DataFolderError(f"{variable}={str(folder)!r} cannot be used: no permission to write there.")


def _kept_secrets(file: Path) -> dict[str, str]:
    try:
        if not file.exists():
            _generate(file)
        return _read(file)
    except OSError as exc:
        raise DataFolderError(f"The secrets in {file} cannot be used: {exc.strerror}.") from exc


def _generate(file: Path) -> None:
    """Write a new secret, unless another process has just written one; the file appears with its whole content."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(descriptor, f"SECRET_KEY={secrets.token_urlsafe(48)}\n".encode())
    os.fsync(descriptor)
    os.close(descriptor)
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _read(file: Path) -> dict[str, str]:
    if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise DataFolderError(f"The secrets in {file} can be read by others: run chmod 600 on it.")
    pairs = dict(line.split("=", 1) for line in file.read_text("utf-8").splitlines() if "=" in line)
    found = {name: pairs.get(name.upper(), "").strip() for name in ("secret_key", "secret_key_previous")}
    if len(found["secret_key"].encode()) < 32:
        raise DataFolderError(
            f"{file} holds no SECRET_KEY of 32 bytes or more. Correct the file, or remove it to get a new key."
        )
    return {name: value for name, value in found.items() if value}
