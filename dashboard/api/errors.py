"""All errors of the API in one format: `application/problem+json` (RFC 9457)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import orjson
from flask import Response, g
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException

from dashboard.core import logs
from dashboard.core.errors import CofferError, Invalid, NotFound, TooLarge

CONTENT_TYPE = "application/problem+json"
LONGEST_NAME = 200
_CODES = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "int_type": "not_an_integer",
    "string_type": "not_a_string",
    "bool_type": "not_a_boolean",
    "literal_error": "not_a_choice",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "string_too_long": "wrong_length",
    "string_too_short": "wrong_length",
}


class FieldError(BaseModel):
    field: str
    code: str
    detail: str


class Problem(BaseModel):
    """The body of every response from 400 on. A 422 has `errors`; a 402 has the two amounts.

    For `key_cap_exceeded`, the amounts are those of the key's cap, which resets at `resets_at`.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldError] | None = None
    available_micros: int | None = None
    required_micros: int | None = None
    resets_at: str | None = None


class InvalidFields(Invalid):
    """Several invalid fields at once."""

    def __init__(self, errors: Sequence[dict[str, str]]) -> None:
        super().__init__("The request cannot be used: " + "; ".join(f"{e['field']}: {e['detail']}" for e in errors[:3]))
        self.errors = list(errors)


def refuse_fields(error: ValidationError) -> Any:
    """For flask-openapi: converts pydantic's errors to ours. Always raises InvalidFields."""
    rows = error.errors(include_url=False, include_context=False, include_input=False)
    raise InvalidFields(
        [
            {
                "field": _name(one["loc"]),
                "code": _CODES.get(one["type"], one["type"]),
                "detail": one["msg"],
            }
            for one in rows[:20]
        ]
    ) from None


def _name(path: Sequence[int | str]) -> str:
    """A field's name, safe to return: the sender chose it, so it may be anything, even a secret, or very long."""
    return logs.clean(".".join(str(part)[:LONGEST_NAME] for part in path)[:LONGEST_NAME]) or "body"


def answer(error: Exception) -> Response:
    """The problem document for any error. Unexpected errors reveal nothing."""
    if isinstance(error, CofferError):
        return _problem(error)
    if isinstance(error, HTTPException):
        return _http(error)
    return _problem(CofferError("Something went wrong on our side."), status=500, code="internal_error")


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if status == 404:
        return _problem(NotFound())
    if status == 413:
        return _problem(TooLarge("The body is too large."))
    title = HTTPStatus(status).phrase
    response = _problem(CofferError(f"{title}."), status=status, code=title.lower().replace(" ", "_"))
    if allowed := dict(error.get_headers()).get("Allow"):
        response.headers["Allow"] = allowed
    return response


def _problem(error: CofferError, *, status: int | None = None, code: str | None = None) -> Response:
    status, code = status or error.status, code or error.code
    body: dict[str, Any] = {
        "type": f"/api/v1/docs#{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.detail,
        "code": code,
        "request_id": g.get("request_id", ""),
        **error.extra,
    }
    if isinstance(error, InvalidFields):
        body["errors"] = error.errors
    elif isinstance(error, Invalid):
        body["errors"] = [{"field": error.field, "code": code, "detail": error.detail}] if error.field else []
    response = Response(orjson.dumps(body), status, content_type=CONTENT_TYPE)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if retry_after := getattr(error, "retry_after", None):
        response.headers["Retry-After"] = str(retry_after)
    return response
