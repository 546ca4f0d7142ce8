"""Opaque cursors: the position at which a list continues, bound to what it lists. With other filters, the list starts
again at the newest row."""

import base64
import binascii
import hashlib
from typing import Any
from uuid import UUID

from dashboard.core.errors import Invalid

_SCOPE_BYTES = 8
_LONGEST = 200


def encode(position: bytes, *scope: Any) -> str:
    """A cursor to `position` within `scope`: the list's name, its organization and its filters (by their repr)."""
    return base64.urlsafe_b64encode(_digest(scope) + position).rstrip(b"=").decode()


def decode(cursor: str | None, *scope: Any) -> bytes | None:
    """The position; None (start at the newest row) without a cursor or with a cursor of another scope.

    Raises Invalid for text that was never a cursor.
    """
    if not cursor:
        return None
    try:
        if len(cursor) > _LONGEST or not cursor.isascii():
            raise ValueError
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise _foreign() from None
    if len(raw) <= _SCOPE_BYTES:
        raise _foreign()
    return raw[_SCOPE_BYTES:] if raw[:_SCOPE_BYTES] == _digest(scope) else None


def decode_id(cursor: str | None, *scope: Any) -> UUID | None:
    """Like `decode`, for lists whose positions are ids."""
    raw = decode(cursor, *scope)
    if raw is not None and len(raw) != 16:
        raise _foreign()
    return UUID(bytes=raw) if raw else None


def _foreign() -> Invalid:
    return Invalid("This is not a cursor of this list.", field="cursor", code="not_a_cursor")


def _digest(scope: tuple[Any, ...]) -> bytes:
    return hashlib.sha256(repr(scope).encode()).digest()[:_SCOPE_BYTES]
