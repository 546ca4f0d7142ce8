"""What every call has in common besides its key: the type of its body, the names in its query, its version, and the
answers that a test asks for."""

import functools
import inspect
import re
from collections.abc import Callable
from datetime import date
from typing import Any

from flask import Response, current_app, request

from dashboard.api.error_codes import CODES
from dashboard.core.errors import CofferError, Invalid

VERSION_HEADER = "Coffer-Version"
TEST_HEADER = "Coffer-Test-Answer"
ASKED_FOR = f"The header {TEST_HEADER} asked for this answer. Nothing was changed."

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_STATUS_OF = {code: status for status, codes in CODES.items() for code in codes}
_FIRST_OF = {str(status): next(iter(codes)) for status, codes in CODES.items()}
_FULL: dict[str, Any] = {
    "available_micros": 0, "required_micros": 1, "limit_id": "00000000-0000-7000-8000-000000000002", "limit_micros": 1,
    "spent_micros": 1, "resets_at": "2100-01-01T00:00:00Z", "limits_tested": [],
}  # fmt: skip
_TEST_VALUES: dict[str, dict[str, Any]] = {
    "insufficient_funds": {"available_micros": 0, "required_micros": 1},
    "key_cap_exceeded": _FULL | {"scope": "key"},
    "limit_reached": _FULL | {"scope": "org"},
}


class UnsupportedBody(CofferError):
    status, code = 415, "unsupported_media_type"


class AskedFor(CofferError):
    """The answer that a test asked for."""

    def __init__(self, code: str) -> None:
        super().__init__(ASKED_FOR, code=code, **_TEST_VALUES.get(code, {}))
        self.status = _STATUS_OF[code]
        self.retry_after = 1 if self.status in (429, 503) else None


def require_readable() -> None:
    """Before each request: its body is JSON, its query has only known names, each once, and its version is
    a date. Raises UnsupportedBody, Invalid."""
    if request.content_length or "Transfer-Encoding" in request.headers:
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise UnsupportedBody("Send the body without a Content-Encoding.")
        if request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
            raise UnsupportedBody("Send JSON, with `Content-Type: application/json`.")
    known = _names(current_app.view_functions[request.endpoint or ""])
    for name, values in request.args.lists():
        if name not in known:
            raise Invalid("There is no query parameter of this name.", field=name[:100], code="unknown_field")
        if len(values) > 1:
            raise Invalid("A name appears twice in the query.", field=name, code="repeated_field")
    _require_day(request.headers.get(VERSION_HEADER))


def answer_as_asked(*, mode: Callable[[], str]) -> None:
    """Raise the error that the header of a call in test mode asks for, by its code, or by its status for the first one.
    Live calls ignore it. Raises AskedFor, Invalid."""
    wanted = request.headers.get(TEST_HEADER)
    if wanted is not None and mode() == "test":
        code = _FIRST_OF.get(wanted, wanted)
        if code not in _STATUS_OF:
            raise Invalid("Send the status or the code of an error.", field=TEST_HEADER, code="not_a_choice")
        raise AskedFor(code)


def finish(response: Response) -> Response:
    """After each request: echo the version. An answer without a body has no type."""
    if (version := request.headers.get(VERSION_HEADER)) and _DAY.fullmatch(version):
        response.headers[VERSION_HEADER] = version
    if response.status_code == 204:
        del response.headers["Content-Type"]
    return response


def _require_day(version: str | None) -> None:
    try:
        if version is not None and date.fromisoformat(version) and not _DAY.fullmatch(version):
            raise ValueError
    except ValueError:
        raise Invalid("Send a day such as 2026-12-01.", field=VERSION_HEADER, code="not_a_time") from None


@functools.cache
def _names(view: Callable[..., Any]) -> frozenset[str]:
    """The names that the query of a call may have."""
    shape = inspect.get_annotations(inspect.unwrap(view)).get("query")
    return frozenset(field.alias or name for name, field in shape.model_fields.items()) if shape else frozenset()
