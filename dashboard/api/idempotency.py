"""The key with which a POST that moves money counts only once: from the header, from the body, or generated here."""

from flask import Response, request

from dashboard.api import inputs
from dashboard.core import ids
from dashboard.core.errors import Invalid

HEADER = "Idempotency-Key"
REPLAY_HEADER = "Idempotent-Replay"


def key(in_body: str | None) -> str:
    """The request's key; a new one if the client sent none. Raises Invalid for an invalid key, or two that differ."""
    given = request.headers.get(HEADER)
    if given is not None:
        inputs.require_key(given)
    if given is not None and in_body is not None and given != in_body:
        raise Invalid("The header and the body name different idempotency keys.", field="idempotency_key")
    return given or in_body or str(ids.new())


def answered(response: Response, key: str, *, replayed: bool) -> Response:
    """The response with its key, and whether it repeats the first response."""
    response.headers[HEADER] = key
    if replayed:
        response.headers[REPLAY_HEADER] = "true"
    return response
