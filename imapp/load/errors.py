"""Errors that end a load test before it has a result."""


class LoadError(Exception):
    """Raised when the server cannot be reached or refuses the test's users; the text is for the operator."""


class MisuseError(Exception):
    """Raised for unusable options or files; the text is for the operator."""
