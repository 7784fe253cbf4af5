"""Reads a configuration of Nginx: words, quotes, comments, blocks, includes; no more than that."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<mark>[{};])|(?P<word>(?:\$\{[^}]*\}|\\.|[^\s{};"'\\])+)""",
    re.DOTALL,
)

#: `nginx -T` says before each file which it is.
_FILE = re.compile(r"^# configuration file (?P<path>.+):$", re.MULTILINE)

#: Seconds that `nginx -T` may take.
_SECONDS = 10


class ConfigurationError(Exception):
    """The configuration cannot be read; says why."""


@dataclass
class Directive:
    """`name words { block }`."""

    name: str
    words: list[str]
    block: list["Directive"] = field(default_factory=list)

    def all(self, name: str) -> list["Directive"]:
        """Those of this name right in its block."""
        return [one for one in self.block if one.name == name]

    def walk(self, name: str) -> Iterator["Directive"]:
        """Those of this name at any depth."""
        for one in self.block:
            if one.name == name:
                yield one
            yield from one.walk(name)


def read(where: str) -> Directive:
    """Read a file, a folder with an nginx.conf (`nginx -T -c`), or, for `-`, what `nginx -T` finds by itself."""
    if where == "-":
        files = _dumped()
    elif Path(where).is_dir():
        files = _dumped("-c", str(Path(where).resolve() / "nginx.conf"))
    else:
        files = {where: _text(where)}
    main = next(iter(files))
    return Directive("main", [], _with_includes(_parse(files[main]), files, Path(main).resolve().parent))


def _dumped(*options: str) -> dict[str, str]:
    """What `nginx -T` prints, by file."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise ConfigurationError("there is no nginx here: give the file itself")
    command = [program, "-T", *options]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603 - the operator's own words
    if ran.returncode:
        raise ConfigurationError((ran.stderr.strip().splitlines() or ["nginx -T failed"])[0])
    parts = _FILE.split(ran.stdout)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError as exc:
        raise ConfigurationError(f"{path}: {exc.strerror}") from exc


def _parse(text: str) -> list[Directive]:
    tokens = _tokens(text)
    found = _block(tokens)
    if next(tokens, None) is not None:
        raise ConfigurationError("a } too many")
    return found


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    """Each token, and whether it is a mark; `"{"` in quotes is a word."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ConfigurationError(f"line {text.count(chr(10), 0, at) + 1} cannot be read")
        at = found.end()
        if found.lastgroup:
            yield found[found.lastgroup], found.lastgroup == "mark"


def _block(tokens: Iterator[tuple[str, bool]]) -> list[Directive]:
    """Until the end, or the brace that closes it."""
    found: list[Directive] = []
    words: list[str] = []
    for piece, is_mark in tokens:
        if not is_mark:
            words.append(piece)
        elif piece == "}":
            return found
        elif words:
            found.append(Directive(words[0], words[1:], _block(tokens) if piece == "{" else []))
            words = []
    return found


def _with_includes(block: list[Directive], files: dict[str, str], folder: Path) -> list[Directive]:
    """Put what is included where it is included."""
    found: list[Directive] = []
    for one in block:
        if one.name == "include" and one.words:
            for text in _included(one.words[0], files, folder):
                found += _with_includes(_parse(text), files, folder)
        else:
            found.append(Directive(one.name, one.words, _with_includes(one.block, files, folder)))
    return found


def _included(pattern: str, files: dict[str, str], folder: Path) -> list[str]:
    """The texts that a pattern names: from the dump, or from the disk."""
    path = str(folder / pattern)
    dumped = [text for name, text in files.items() if fnmatch(name, path)]
    return dumped or [_text(str(file)) for file in sorted(Path("/").glob(path.lstrip("/")))]
