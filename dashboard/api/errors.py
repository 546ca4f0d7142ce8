"""All errors of the API in one format: `application/problem+json` (RFC 9457)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Literal, get_args

import orjson
from flask import Response, g
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType
from werkzeug.exceptions import HTTPException

from dashboard.api import error_codes
from dashboard.api.error_codes import ErrorCode
from dashboard.config.urls import base_url
from dashboard.core import logs
from dashboard.core.errors import CofferError, Invalid, NotFound, TooLarge

CONTENT_TYPE = "application/problem+json"
LONGEST_NAME = 200
_FIELD_ERRORS = {
    "missing": ("required", "This is required."),
    "extra_forbidden": ("unknown_field", "There is no field of this name."),
    "int_type": ("not_an_integer", "This is not an integer."),
    "string_type": ("not_a_string", "This is not a string."),
    "bool_type": ("not_a_boolean", "This is not true or false."),
    "list_type": ("not_a_list", "This is not a list."),
    "dict_type": ("not_an_object", "This is not a JSON object."),
    "model_type": ("not_an_object", "This is not a JSON object."),
    "literal_error": ("not_a_choice", "Choose one of: {expected}."),
    "greater_than_equal": ("out_of_range", "Enter {ge} or more."),
    "less_than_equal": ("out_of_range", "Enter {le} or less."),
    "string_too_long": ("wrong_length", "Enter at most {max_length} characters."),
    "string_too_short": ("wrong_length", "Enter at least {min_length} characters."),
    "too_long": ("wrong_length", "Send at most {max_length} entries."),
    "too_short": ("wrong_length", "Send at least {min_length} entries."),
}
"""Pydantic's kinds of errors: our code for each, and the sentence with its context."""

_UNKNOWN_KIND = ("invalid", "This cannot be used.")
_KINDS = frozenset(get_args(ErrorType))


class FieldError(BaseModel):
    field: str
    code: str
    detail: str


class TestedLimit(BaseModel):
    """A spend limit that applied to the refused charge, with what was spent before it."""

    limit_id: str = Field(description="The limit.")
    scope: Literal["key", "member", "app", "org"]
    window: Literal["day", "week", "month"]
    hard: bool
    limit_micros: int = Field(description="Its amount.")
    spent_micros: int
    resets_at: str


class Problem(BaseModel):
    """The body of every response from 400 on. A 422 has `errors`; a 402 has the two amounts.

    `limit_reached` and `key_cap_exceeded` name the limit that has no room, and `limits_tested` has every limit that
    applied; the two amounts are those of the named one.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    request_id: str
    errors: list[FieldError] | None = None
    available_micros: int | None = None
    required_micros: int | None = None
    resets_at: str | None = Field(default=None, description="When the limit or cap starts again.")
    limit_id: str | None = Field(default=None, description="The limit that has no room.")
    scope: Literal["key", "member", "app", "org"] | None = Field(default=None, description="What it applies to.")
    limit_micros: int | None = Field(default=None, description="Its amount.")
    spent_micros: int | None = Field(default=None, description="What was spent of it before this charge.")
    limits_tested: list[TestedLimit] | None = Field(default=None, description="Every limit that applied, as tested.")


class InvalidFields(Invalid):
    """Several invalid fields at once."""

    def __init__(self, errors: Sequence[dict[str, str]]) -> None:
        super().__init__("The request cannot be used: " + "; ".join(f"{e['field']}: {e['detail']}" for e in errors[:3]))
        self.errors = list(errors)


def refuse_fields(error: ValidationError) -> Any:
    """For flask-openapi: converts pydantic's errors to ours. Always raises InvalidFields."""
    rows = error.errors(include_url=False, include_input=False)
    raise InvalidFields([field_error(one) for one in rows[:20]]) from None


def field_error(error: ErrorDetails) -> dict[str, str]:
    """One of pydantic's errors in our own words. Our own validators' errors have them already."""
    code, sentence = error["type"], error["msg"]
    if code in _KINDS:
        code, words = _FIELD_ERRORS.get(code, _UNKNOWN_KIND)
        context = error.get("ctx", {})
        choices = str(context.get("expected", "")).replace("'", "").replace(" or ", ", ")
        sentence = words.format_map({**context, "expected": choices})
    return {"field": _name(error["loc"]), "code": code, "detail": sentence}


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
    is_field = isinstance(error, Invalid) and code in error_codes.FIELD_CODES
    body: dict[str, Any] = {
        "type": _link("invalid" if is_field else code),
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.detail,
        "code": "invalid" if is_field else code,
        "retryable": error_codes.is_retryable(status, code),
        "request_id": g.get("request_id", ""),
        **error.extra,
    }
    if isinstance(error, InvalidFields):
        body["errors"] = error.errors
    elif status == 422:
        every = (error, *getattr(error, "others", ()))
        body["errors"] = [
            {"field": getattr(one, "field", None) or "body", "code": one.code, "detail": one.detail} for one in every
        ]
    response = Response(orjson.dumps(body), status, content_type=CONTENT_TYPE)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if retry_after := getattr(error, "retry_after", None):
        response.headers["Retry-After"] = str(retry_after)
    return response


def _link(code: str) -> str:
    """The code's section of the docs page; a path only in development without a base URL."""
    try:
        return f"{base_url()}/api/v1/docs#{code}"
    except Invalid:
        return f"/api/v1/docs#{code}"


def reference() -> list[ErrorCode]:
    """Every code that an error of the API can have, by status."""
    return error_codes.errors()
