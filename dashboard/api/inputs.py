"""Request input: JSON, parsed strictly, and the types of its fields.

A number that is not an integer never becomes one: it stays an `Odd` value that no field accepts, so that the error can
name its field.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from flask import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from dashboard.api.org_paths import BY_ID
from dashboard.api.org_paths import OrgPath as OrgPath
from dashboard.core import strict_json
from dashboard.core.errors import CofferError, Invalid
from dashboard.core.money import LARGEST, Micros, parse_credits
from dashboard.core.strict_json import RepeatedName

BODY_BYTES = 64 * 1024
BODY_LIMITS = {"api_usage.record_batch": 1_000_000}
"""Endpoints that take larger bodies."""
OPTIONAL_BODIES = {"api_holds.capture", "api_holds.extend", "api_holds.release"}
"""Endpoints whose fields are all optional, so that no body is an empty one."""
LONGEST_TEXT = 500
LONGEST_APP = 200
LONGEST_KEY = 255
_DIGITS = 19

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_ORG_REF = re.compile(f"^({BY_ID})$", re.ASCII)
_UNWRITABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_VISIBLE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", re.ASCII)


class MalformedJson(CofferError):
    status, code = 400, "malformed_json"


class Odd:
    """A JSON number that is not an integer of up to 19 digits."""

    def __init__(self, text: str) -> None:
        self.text = text


class StrictRequest(Request):
    """A request whose JSON body is parsed by `parse`, whatever its content type."""

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        self.max_content_length = BODY_LIMITS.get(self.endpoint or "", BODY_BYTES)
        raw = self.get_data()
        return {} if not raw and self.endpoint in OPTIONAL_BODIES else parse(raw)


def parse(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`. Raises MalformedJson; Invalid if it is JSON but not an object, or repeats a name."""
    try:
        result = strict_json.parse(raw, integer=_integer, fraction=Odd, constant=Odd)
    except RepeatedName as error:
        shown = _shown(error.name)
        raise Invalid("A name appears twice in the body.", field=shown, code="repeated_field") from None
    except ValueError:
        raise MalformedJson("The body is not JSON in UTF-8.") from None
    if not isinstance(result, dict):
        raise Invalid("The body must be a JSON object.", code="not_an_object")
    return result


def require_key(text: str) -> str:
    """Return `text` if it is a valid idempotency key. Raises Invalid."""
    if len(text) > LONGEST_KEY or not _VISIBLE.fullmatch(text):
        sentence = "An idempotency key has 1 to 255 visible ASCII characters."
        raise Invalid(sentence, field="idempotency_key", code="not_a_key")
    return text


def require_org_ref(text: str) -> str:
    """Return `text` if it is an organization's id or `ext:<external key>`. Raises Invalid."""
    if not _ORG_REF.fullmatch(text):
        raise Invalid("This is not an id, nor ext:<external key>.", field="org_id", code="not_an_id")
    return text


class Body(BaseModel):
    """A request body: exact types, no unknown names."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)


class ItemPath(BaseModel):
    id: UUID


class OrgItemPath(OrgPath):
    id: UUID


def _integer(digits: str) -> int | Odd:
    return int(digits) if len(digits) <= _DIGITS else Odd(digits)


def _shown(name: str) -> str:
    return _UNWRITABLE.sub("?", name[:100])


def _writable(text: str) -> str:
    if _UNWRITABLE.search(text):
        raise PydanticCustomError("not_plain_text", "Control characters cannot be stored.")
    return text


def _writable_lines(text: str) -> str:
    _writable(text.replace("\r\n", "").replace("\n", ""))
    return text


def _id(value: Any) -> Any:
    if isinstance(value, str) and _ID.fullmatch(value):
        return UUID(value)
    raise PydanticCustomError("not_an_id", "This is not an id.")


def _moment(value: Any) -> Any:
    """RFC 3339 with an offset, such as 2027-03-31T00:00:00Z."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise PydanticCustomError("not_a_time", "This is not a time such as 2027-03-31T00:00:00Z.")


def _credits(value: Any) -> Micros:
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str):
        raise PydanticCustomError("invalid_amount", "Enter credits as an integer or as a decimal string.")
    try:
        if value != value.strip():
            raise Invalid("Enter an amount without blanks.")
        return parse_credits(value)
    except Invalid as error:
        raise PydanticCustomError("invalid_amount", "{sentence}", {"sentence": error.detail}) from None


def _key(value: str) -> str:
    try:
        return require_key(value)
    except Invalid as error:
        raise PydanticCustomError("not_a_key", "{sentence}", {"sentence": error.detail}) from None


def _org_ref(value: Any) -> Any:
    if isinstance(value, str) and _ORG_REF.fullmatch(value):
        return value
    raise PydanticCustomError("not_an_id", "This is not an id, nor ext:<external key>.")


Id = Annotated[UUID, BeforeValidator(_id), WithJsonSchema({"type": "string", "format": "uuid"})]
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
OrgRef = Annotated[str, BeforeValidator(_org_ref), WithJsonSchema({"type": "string", "pattern": _ORG_REF.pattern})]
AmountMicros = Annotated[int, Field(ge=1, le=LARGEST)]
Priority = Annotated[int, Field(ge=0, le=100)]
Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_writable)]
Lines = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_writable_lines)]
Reason = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT), AfterValidator(_writable)]
App = Annotated[str, Field(min_length=1, max_length=LONGEST_APP), AfterValidator(_writable)]
Url = Annotated[str, Field(min_length=1, max_length=2_000), AfterValidator(_writable)]
Key = Annotated[str, Field(min_length=1, max_length=LONGEST_KEY), AfterValidator(_key)]
Credits = Annotated[
    Micros,
    BeforeValidator(_credits),
    WithJsonSchema(
        {
            "oneOf": [
                {"type": "integer", "minimum": 1, "maximum": 999_999_999_999},
                {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,6})?$"},
            ],
            "description": "Credits (1 credit = 1 USD), above zero.",
        }
    ),
]


class PostBody(Body):
    """The body of a POST: it may name its idempotency key, which `idempotency.begin` reads."""

    idempotency_key: Key | None = None
