"""Public answers that are the same for everybody: built once per app, kept as bytes, identified by an ETag.

Clients need no token for them, so an answer must cost next to nothing: from the second request on, nothing is built,
serialised or compressed. Both doors use this module, each for its own document.
"""

import gzip
import hashlib
from collections.abc import Callable

from flask import Response, current_app, request

#: Minimum size of a compressed answer, in bytes: a smaller answer fits into one network packet anyway.
_WORTH_COMPRESSING = 1024


class Prepared:
    """An answer's bytes, plain and compressed."""

    def __init__(self, body: bytes, mimetype: str) -> None:
        self._mimetype = mimetype
        self._bodies = {"identity": body}
        if len(body) >= _WORTH_COMPRESSING:
            self._bodies["gzip"] = gzip.compress(body, mtime=0)
        # Hash only the content, so that all nodes of one version send the same tag.
        self._tag = hashlib.sha256(body).hexdigest()[:32]

    def response(self, max_age: int) -> Response:
        """Answer the current request; with 304 and no body if the client already has these bytes."""
        accepts_gzip = "gzip" in self._bodies and request.accept_encodings["gzip"] > 0
        encoding = "gzip" if accepts_gzip else "identity"
        response = Response(self._bodies[encoding], mimetype=self._mimetype)
        response.set_etag(f"{self._tag}-gzip" if accepts_gzip else self._tag)
        if accepts_gzip:
            response.headers["Content-Encoding"] = encoding
        response.vary.update(("Accept-Encoding", "Origin"))
        response.cache_control.public = True
        response.cache_control.max_age = max_age
        response.make_conditional(request)
        return response


def prepared(name: str, make: Callable[[], bytes], mimetype: str, max_age: int) -> Response:
    """Answer with the result of `make`, which is called once per app.

    `max_age`: seconds that clients and proxies may use the answer without asking again.
    """
    kept: dict[str, Prepared] = current_app.extensions.setdefault("imapp.prepared", {})
    if name not in kept:
        kept[name] = Prepared(make(), mimetype)
    return kept[name].response(max_age)
