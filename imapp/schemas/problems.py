"""Error answers of REST and Socket.IO."""

from typing import Literal

from pydantic import ConfigDict, Field

from imapp.schemas.base import Out
from imapp.schemas.refusals import list_codes


class FieldError(Out):
    """One invalid field, named by its path in the input."""

    field: str
    message: str


class Problem(Out):
    """An error as described in RFC 9457. Programs branch on `code`; `detail` is for people."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    type: str = Field(examples=["about:blank"])
    title: str
    status: int
    code: str = Field(examples=["invalid_input"], json_schema_extra=list_codes)
    detail: str
    errors: list[FieldError] = []
    #: Seconds after which the same request may succeed.
    retry_after: float | None = None


class AckError(Out):
    """Why a command was refused. Programs branch on `code`."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    code: str = Field(examples=["not_a_member"], json_schema_extra=list_codes)
    message: str
    errors: list[FieldError] | None = None
    #: Seconds after which the same command may succeed.
    retry_after: float | None = None


class AckFailure(Out):
    """The ack of a command that was refused."""

    ok: Literal[False]
    error: AckError


class RefusedData(Out):
    """Why the connection was refused."""

    code: str = Field(examples=["token_expired"], json_schema_extra=list_codes)


class ConnectRefused(Out):
    """The refusal of CONNECT, which client libraries report as `connect_error`. `data.code` says why."""

    message: str
    data: RefusedData
