"""Who runs a command, for the log of administrative acts."""

import os
import pwd

from imapp.schemas.administration import By


def command_line() -> By:
    """The account of the machine; in a container it may have no name."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return By(None, name=f"cli:{name}")
