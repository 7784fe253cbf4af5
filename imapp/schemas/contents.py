"""The `content` of messages of each type.

Files are references for now: a URL that the client can fetch, with the data to show the file before it is fetched.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AnyUrl,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    TypeAdapter,
    ValidationError,
)

from imapp.schemas.base import In, Text
from imapp.schemas.text import OptionalText, VisibleName, VisibleText
from imapp.schemas.validation import parse, require_exact, require_plain

MessageType = Literal["text", "image", "file", "voice", "video", "location", "custom"]

#: Type of messages that only the server writes: lines in the timeline about membership and settings.
SYSTEM = "system"

_url = TypeAdapter(AnyUrl)

#: Characters that no address contains. Browsers read a backslash as a slash and skip tabs and line ends: `/\\x` and
#: `/<tab>/x` are other servers.
_NO = r"\s\\\x00-\x1f\x7f"

#: A path of this server.
_PATH = re.compile(rf"/[^/{_NO}][^{_NO}]*")

#: An address on the web. Browsers supply missing slashes: `http:x` is a host or a path, depending on the page.
_WEB = re.compile(rf"https?://[^/{_NO}][^{_NO}]*", re.IGNORECASE)


def _safe_url(value: str) -> str:
    """Allow http(s) URLs and paths on this server: a `javascript:` link must not reach a client."""
    if not (_PATH.fullmatch(value) or _is_web(value)):
        raise ValueError("must be an http(s) URL or a path on this server")
    return value


def _is_web(value: str) -> bool:
    try:
        return _WEB.fullmatch(value) is not None and bool(_url.validate_python(value).host)
    except ValidationError:
        return False


Url = Annotated[
    Text, Field(min_length=1, max_length=2000, json_schema_extra={"format": "uri-reference"}), AfterValidator(_safe_url)
]
Name = Annotated[VisibleName, Field(min_length=1, max_length=255)]
Bytes = Annotated[int, Field(ge=0, le=2**53)]
Pixels = Annotated[int, Field(ge=1, le=100_000)]
Milliseconds = Annotated[int, Field(ge=0, le=86_400_000)]


class TextContent(In):
    """Plain text; its maximum length is a setting."""

    text: Annotated[VisibleText, Field(min_length=1)]


class FileContent(In):
    """Any file."""

    url: Url
    name: Name
    size: Bytes | None = None
    mime_type: Annotated[Text, Field(max_length=127)] | None = None


class ImageContent(In):
    """A picture, with its size in pixels so that the client can reserve space for it."""

    url: Url
    name: Name | None = None
    size: Bytes | None = None
    width: Pixels | None = None
    height: Pixels | None = None
    thumbnail_url: Url | None = None


class VideoContent(ImageContent):
    """A video."""

    duration_ms: Milliseconds | None = None


class VoiceContent(In):
    """A voice message."""

    url: Url
    duration_ms: Milliseconds
    size: Bytes | None = None


class LocationContent(In):
    """A place on Earth, in WGS 84 degrees."""

    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    name: Name | None = None
    address: Annotated[OptionalText, Field(max_length=500)] | None = None


class CustomContent(In):
    """Any JSON object, for clients that agree on its meaning. All others show `text` or `name`, if present."""

    model_config = ConfigDict(extra="allow")

    name: Text | None = None
    text: Text | None = None


CONTENTS: dict[str, type[In]] = {
    "text": TextContent,
    "image": ImageContent,
    "file": FileContent,
    "voice": VoiceContent,
    "video": VideoContent,
    "location": LocationContent,
    "custom": CustomContent,
}

_AnyContent = TypeAdapter[Any](
    TextContent | FileContent | ImageContent | VoiceContent | VideoContent | LocationContent | CustomContent
)


class _ShownAsAny:
    """Shows `content` in the documents as any of the types; `check_content` checks that it fits the message's type."""

    def __get_pydantic_json_schema__(self, _: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(_AnyContent.core_schema)


Content = Annotated[dict[str, JsonValue], _ShownAsAny()]


def check_content(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """Validate `content` for its type and return it; for `custom`, any JSON object that is not nested too deeply.

    Raises InvalidInputError, MalformedError.
    """
    if kind == "text":  # the hot path
        return {"text": parse(TextContent, content, "content").text}
    if kind == "custom":
        require_plain(content)
        require_exact(content, "content")
        parse(CustomContent, content, "content")
        return content
    return parse(CONTENTS[kind], content, "content").model_dump(mode="json", exclude_none=True)
