"""Creates the API's routes: one blueprint per noun, with the same authentication and responses."""

from typing import Any

import orjson
from flask import Response
from flask_openapi.blueprint import APIBlueprint
from pydantic import BaseModel

from dashboard.api import auth, errors, protocol, throttle

PUBLIC = "/api/v1"
PLATFORM = "/admin/api/v1"
JSON = "application/json"

_REFUSALS = {
    400: "The body is not JSON.",
    401: "The key is missing or invalid.",
    403: "A permission is missing.",
    404: "It does not exist, or it belongs to someone else.",
    413: "The body is larger than 64 KB.",
    415: "The body is not declared as JSON, or is compressed.",
    422: "A field cannot be used.",
    429: "Called too often; `Retry-After` says when to go on.",
    503: "Not available for a moment.",
}


def blueprint(name: str, *, prefix: str = PUBLIC) -> APIBlueprint:
    """A blueprint whose routes all need a bearer token."""
    made = APIBlueprint(
        f"api_{name}",
        __name__,
        url_prefix=prefix,
        abp_tags=[{"name": name}],
        abp_security=[{"bearer": []}],
        abp_responses={status: refusal(sentence) for status, sentence in _REFUSALS.items()},
    )
    made.before_request(auth.authenticate)
    made.after_request(throttle.tell)
    made.after_request(protocol.finish)
    return made


def open_blueprint(name: str) -> APIBlueprint:
    """A blueprint for callers without a key. The request itself says which organization it is for."""
    made = APIBlueprint(
        f"api_{name}",
        __name__,
        url_prefix=PUBLIC,
        abp_tags=[{"name": name}],
        abp_security=[],
        abp_responses={status: refusal(sentence) for status, sentence in _REFUSALS.items() if status != 401},
    )
    made.before_request(protocol.require_readable)
    made.after_request(throttle.tell)
    made.after_request(protocol.finish)
    return made


def refusal(sentence: str) -> dict[str, Any]:
    """How an error appears in the OpenAPI document."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": sentence, "content": {errors.CONTENT_TYPE: {"schema": schema}}}


def answer(shape: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`shape` as JSON, without absent fields."""
    body = orjson.dumps(shape.model_dump(exclude_unset=True, by_alias=True), option=orjson.OPT_UTC_Z)
    return Response(body, status, headers, content_type=JSON)
