"""A reader of Nginx configurations. It knows words, quotes, comments, blocks and includes, and nothing else."""

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

#: The line that `nginx -T` prints before each file.
_FILE = re.compile(r"^# configuration file (?P<path>.+):$", re.MULTILINE)

#: Time limit of `nginx -T`, in seconds.
_SECONDS = 10


class ConfigurationError(Exception):
    """Raised when the configuration cannot be read; the text is the reason."""


@dataclass
class Directive:
    """A directive: `name words;` or `name words { block }`."""

    name: str
    words: list[str]
    block: list["Directive"] = field(default_factory=list)

    def all(self, name: str) -> list["Directive"]:
        """Return the directives of this name directly in the block."""
        return [one for one in self.block if one.name == name]

    def walk(self, name: str) -> Iterator["Directive"]:
        """Yield the directives of this name at any depth."""
        for one in self.block:
            if one.name == name:
                yield one
            yield from one.walk(name)


def read(where: str) -> Directive:
    """Read a file, a folder with an nginx.conf (by `nginx -T -c`), or, for `-`, the output of `nginx -T`."""
    if where == "-":
        files = _dumped()
    elif Path(where).is_dir():
        files = _dumped("-c", str(Path(where).resolve() / "nginx.conf"))
    else:
        files = {where: _text(where)}
    main = next(iter(files))
    return Directive("main", [], _with_includes(_parse(files[main]), files, Path(main).resolve().parent))


def _dumped(*options: str) -> dict[str, str]:
    """Return the output of `nginx -T` by file."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise ConfigurationError("nginx is not installed here: name the configuration file")
    command = [program, "-T", *options]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603 - the operator's own arguments
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
        raise ConfigurationError("unmatched }")
    return found


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each token, and whether it is a mark ({, } or ;). A quoted `"{"` is a word, not a mark."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ConfigurationError(f"line {text.count(chr(10), 0, at) + 1} cannot be read")
        at = found.end()
        if found.lastgroup:
            yield found[found.lastgroup], found.lastgroup == "mark"


def _block(tokens: Iterator[tuple[str, bool]]) -> list[Directive]:
    """Parse directives until the closing brace of the block, or the end of the text."""
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
    """Replace each include directive by the included directives."""
    found: list[Directive] = []
    for one in block:
        if one.name == "include" and one.words:
            for text in _included(one.words[0], files, folder):
                found += _with_includes(_parse(text), files, folder)
        else:
            found.append(Directive(one.name, one.words, _with_includes(one.block, files, folder)))
    return found


def _included(pattern: str, files: dict[str, str], folder: Path) -> list[str]:
    """Return the texts of the files that match a pattern, from the output of `nginx -T` or from the disk."""
    path = str(folder / pattern)
    dumped = [text for name, text in files.items() if fnmatch(name, path)]
    return dumped or [_text(str(file)) for file in sorted(Path("/").glob(path.lstrip("/")))]
