"""Version and environment of this node."""

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache

import imapp
from imapp.clock import now
from imapp.extensions import settings
from imapp.node import current_node
from imapp.schemas.health import InfoOut
from imapp.settings import PROJECT

#: Seconds that git may take; after that the commit is reported as unknown.
_GIT_SECONDS = 2


def info(*, is_whole: bool) -> InfoOut:
    """Return the version of this node and, if `is_whole` (for insiders), all further details."""
    if not is_whole:
        return InfoOut(version=imapp.__version__)
    started_at = datetime.fromtimestamp(current_node().started_at, UTC)
    return InfoOut(
        version=imapp.__version__,
        commit=settings.commit or _commit(),
        node=settings.node_id,
        started_at=started_at,
        uptime_seconds=round((now() - started_at).total_seconds(), 1),
        python=platform.python_version(),
        transport=settings.transport,
    )


@cache
def _commit() -> str | None:
    """Return the checked-out commit; None if this is not a checkout or git is missing, fails or takes too long."""
    if not (PROJECT / ".git").exists():
        return None
    command = ["git", "-C", str(PROJECT), "rev-parse", "HEAD"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=True)  # noqa: S603 - a fixed command
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip()
