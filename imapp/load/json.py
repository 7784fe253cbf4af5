"""The type of JSON objects: the server's messages, and the rows and reports of the test."""

from typing import Any

JsonObject = dict[str, Any]
