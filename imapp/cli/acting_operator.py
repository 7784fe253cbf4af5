"""The actor of a command, for the log of administrative acts."""

import os
import pwd

from imapp.schemas.administration import By


def command_line() -> By:
    """Return the actor: the system account, by its uid if it has no name, as in a container."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return By(None, name=f"cli:{name}")
