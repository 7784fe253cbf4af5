"""The files of the web page as browsers get them: compressed once per process, with a hash of the content as ETag.

A file that has been edited is read again, so a developer sees the change at the next reload.
"""

import re
from functools import lru_cache
from pathlib import Path

from imapp.prepared import Prepared

#: Types of the files that browsers get; other files are not served.
_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}

#: Maximum number of cached files; the page has fewer.
_KEPT = 256

#: The module that a document starts, and what a module imports from its own folder or others.
_ENTRY = re.compile(r'^ *<script type="module" src="/web/([^"]+)"></script>$', re.MULTILINE)
_IMPORT = re.compile(r"""^(?:import|export)\s(?:[^'";]*?\sfrom\s)?\s*['"](\.[^'"]+)['"]""", re.MULTILINE)


def served(file: Path) -> Prepared | None:
    """Return a file; None if it does not exist, or if browsers do not get files of its type."""
    if file.suffix not in _TYPES or not file.is_file():
        return None
    return _prepare(file, *_version(file))


def document(file: Path) -> Prepared:
    """Return an HTML file with links that preload all modules that its first module imports, directly or not.

    A browser that finds the imports step by step waits for one round trip at each step.
    """
    return _prepare_document(file, *_version(file))


def modules(web: Path, entry: str) -> list[str]:
    """Return `entry` and all modules that it imports, directly or not, as paths below `web`."""
    found = [entry]
    for name in found:
        folder = (web / name).parent
        imported = [(folder / each).resolve() for each in _IMPORT.findall((web / name).read_text())]
        names = [file.relative_to(web.resolve()).as_posix() for file in imported]
        found.extend(each for each in dict.fromkeys(names) if each not in found)
    return found


def _version(file: Path) -> tuple[int, int]:
    """Return the modification time and the size, which change when a file is edited."""
    stat = file.stat()
    return stat.st_mtime_ns, stat.st_size


@lru_cache(_KEPT)
def _prepare(file: Path, _changed: int, _size: int) -> Prepared:
    return Prepared(file.read_bytes(), _TYPES[file.suffix])


@lru_cache(_KEPT)
def _prepare_document(file: Path, _changed: int, _size: int) -> Prepared:
    html = _ENTRY.sub(lambda entry: _preloads(file.parent, entry[1]) + entry[0], file.read_text())
    return Prepared(html.encode(), _TYPES[file.suffix])


def _preloads(web: Path, entry: str) -> str:
    return "".join(f'  <link rel="modulepreload" href="/web/{name}">\n' for name in modules(web, entry)[1:])
