"""What ends a load test before it has a result."""


class LoadError(Exception):
    """The server cannot be reached or lets the test's users not in; its text is for the operator."""


class MisuseError(Exception):
    """What was asked for cannot be done; its text is for the operator."""
