"""Public answers that are the same for everybody: made once per app, kept as bytes, told apart by an ETag.

Whoever asks needs no token, so an answer must cost next to nothing: at the second request nothing is built,
serialised or compressed. Both doors use it, each for the document of its own.
"""

import gzip
import hashlib
from collections.abc import Callable

from flask import Response, current_app, request

#: Bytes below which compression saves nothing: the answer fits into one packet of the network anyway.
_WORTH_COMPRESSING = 1024


class Prepared:
    """An answer's bytes, plain and compressed."""

    def __init__(self, body: bytes, mimetype: str) -> None:
        self._mimetype = mimetype
        self._bodies = {"identity": body}
        if len(body) >= _WORTH_COMPRESSING:
            self._bodies["gzip"] = gzip.compress(body, mtime=0)
        # Of the content alone, so that all nodes of one version give the same.
        self._tag = hashlib.sha256(body).hexdigest()[:32]

    def response(self, max_age: int) -> Response:
        """Answer the request at hand; 304 without a body when the client has these bytes already."""
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
    """Answer with what `make` returns; it is called once per app.

    `max_age`: seconds that clients and proxies may use the answer without asking again.
    """
    kept: dict[str, Prepared] = current_app.extensions.setdefault("imapp.prepared", {})
    if name not in kept:
        kept[name] = Prepared(make(), mimetype)
    return kept[name].response(max_age)
