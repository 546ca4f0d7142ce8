"""Strict parsing of what a provider sent: a wrong type is an error here and not a surprise later."""

import json
import re
from collections.abc import Mapping
from typing import Any

from dashboard.core import strict_json
from dashboard.providers.base import BadPayload, Event

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def event(raw: bytes) -> Event:
    """The snapshot event in a body whose signature was verified. Raises only BadPayload."""
    parsed = _parsed(raw)
    # "v2.core.event" is Stripe's thin notification, which contains no object.
    if not isinstance(parsed, dict) or parsed.get("object", "event") != "event":
        raise BadPayload("Only snapshot events are taken.", "malformed_event")
    try:
        return Event(
            id=text(parsed, "id"),
            type=text(parsed, "type"),
            created=minor(parsed.get("created")) or 0,
            livemode=flag(parsed, "livemode"),
            account=text(parsed, "account") if parsed.get("account") else None,
            api_version=text(parsed, "api_version") if parsed.get("api_version") else None,
            object=mapping(mapping(parsed["data"])["object"]),
            raw=parsed,
        )
    except (LookupError, TypeError):
        problem = BadPayload("The event lacks its id, type, object or mode.", "malformed_event")
    raise problem


def text(answer: Mapping[str, Any], name: str) -> str:
    value = answer[name]
    if not isinstance(value, str) or not 0 < len(value) <= 255:
        raise TypeError(name)
    return value


def flag(answer: Mapping[str, Any], name: str) -> bool:
    value = answer[name]
    if not isinstance(value, bool):
        raise TypeError(name)
    return value


def minor(value: object) -> int | None:
    """An amount in the currency's minor unit: an integer or None."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise TypeError("not an integer")
    return value


def mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _parsed(raw: bytes) -> object:
    """JSON that PostgreSQL can store: no NaN, infinity, NUL, unpaired surrogate or duplicate name."""
    try:
        if _NUL.search(raw.decode()) is not None:
            raise ValueError("NUL")
        parsed: object = strict_json.parse(raw)
        # Half of a surrogate pair is found only here.
        json.dumps(parsed, ensure_ascii=False).encode()
        return parsed
    except (ValueError, RecursionError):
        problem = BadPayload("The event is not JSON that can be stored.", "malformed_event")
    raise problem
