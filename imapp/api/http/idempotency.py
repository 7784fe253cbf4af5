"""`Idempotency-Key` on POSTs: a client that got no answer repeats the request and gets the first answer."""

import re
from collections.abc import Callable

from flask import Response, request

from imapp.errors import IdempotencyKeyInUseError, InvalidInputError
from imapp.services.idempotency import Claim

HEADER = "Idempotency-Key"

#: Keys that are allowed; a UUID is a good choice.
PATTERN = r"^[\x21-\x7e]{1,255}$"


def once(user_id: int, make: Callable[[], Response]) -> Response:
    """Return the answer of `make`, or the stored answer to an earlier request of this user with this key."""
    key = request.headers[HEADER]
    if not re.fullmatch(PATTERN, key):
        raise InvalidInputError(fields=[{"field": HEADER, "message": "1 to 255 visible ASCII characters"}])
    claim = Claim(user_id, key, f"{request.method} {request.full_path}\n".encode() + request.get_data())
    if replayed := _replay(claim):
        return replayed
    try:
        with claim:
            response = make()
    except IdempotencyKeyInUseError:  # another request was first, and may have its answer by now
        if replayed := _replay(claim):
            return replayed
        raise
    claim.keep(response.status_code, response.get_data())
    return response


def _replay(claim: Claim) -> Response | None:
    kept = claim.find()
    if kept is None:
        return None
    response = Response(kept.body, kept.status, mimetype="application/json")
    if not kept.body:
        del response.headers["Content-Type"]
    response.headers["Idempotency-Replayed"] = "true"
    return response
