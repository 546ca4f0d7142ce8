"""Finds transactions by what one knows of them: words, an amount as shown, an id or its start, an idempotency key, the
name or the last characters of an API key."""

import re
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

from dashboard.core import ids, money
from dashboard.core.db import db
from dashboard.domain.funds import origins
from dashboard.models import ApiKey, Transaction, Wallet

MOST_WORDS = 10
MOST_FOUND = 100
"""How many rows the start of an id finds, the newest ones, and how many API keys a name."""

LEAST_OF_KEY = 4

_AMOUNT = re.compile(
    rf"([+{money.MINUS}-])? ?\$?([0-9]{{1,3}}(?:,[0-9]{{3}})+|[0-9]{{1,12}})(?:\.([0-9]{{1,6}}))?", re.ASCII
)
_ID = re.compile(r"[0-9a-f]{8,32}", re.ASCII)


def conditions(text: str, row: Any, *, key_ids: tuple[UUID, ...]) -> ColumnElement[bool]:
    """Whether the entity `row` matches. None of it has an index, except the id. `key_ids` are those of `keys_named`."""
    if whole := _whole_id(text):
        return cast("ColumnElement[bool]", row.id == whole)
    words = [
        or_(row.description.icontains(word, autoescape=True), row.app.icontains(word, autoescape=True))
        for word in text.split()[:MOST_WORDS]
    ]
    meanings = [and_(*words), and_(row.origin.in_(origins.SENT), row.key == text)]
    if key_ids:
        meanings.append(row.actor_id.in_(key_ids))
    if span := _ids_that_start(text):
        meanings.append(row.id.between(*span))
    if (amount := _AMOUNT.fullmatch(text)) is not None:
        meanings.append(_shown_as(row, *amount.groups(default="")))
    return or_(*meanings)


def exact(wallet: Wallet, text: str) -> list[int] | None:
    """The seqs, newest first, that an index finds directly: by a whole id or its start, or a whole idempotency key.
    None if the text finds nothing in this way; then `conditions` has to look. `$25` is only an amount, `25` may be a
    key."""
    if _AMOUNT.fullmatch(text) and not text.isdigit():
        return None
    whole = _whole_id(text)
    span = (whole, whole) if whole else _ids_that_start(text)
    found = []
    if span:
        some = select(Transaction.wallet_id, Transaction.seq).filter_by(org_id=wallet.org_id)
        hit = some.where(Transaction.id.between(*span)).order_by(Transaction.id.desc()).limit(MOST_FOUND).subquery()
        found = list(db.session.scalars(select(hit.c.seq).where(hit.c.wallet_id == wallet.id)))
    if not found:
        sent = select(Transaction.seq).filter_by(org_id=wallet.org_id, wallet_id=wallet.id, mode=wallet.mode, key=text)
        found = list(db.session.scalars(sent.where(Transaction.origin.in_(origins.SENT))))
    return sorted(found, reverse=True) if found or whole else None


def keys_named(org_id: UUID, text: str) -> tuple[UUID, ...]:
    """The organization's API keys whose name contains the text or whose shown text ends in it."""
    named = ApiKey.name.icontains(text, autoescape=True)
    if len(text) >= LEAST_OF_KEY:
        named = or_(named, ApiKey.prefix.endswith(text, autoescape=True))
    query = select(ApiKey.id).filter_by(org_id=org_id).where(named).order_by(ApiKey.id.desc()).limit(MOST_FOUND)
    return tuple(db.session.scalars(query))


def _whole_id(text: str) -> UUID | None:
    return ids.parse(text) if len(text) in (32, 36) else None


def _ids_that_start(text: str) -> tuple[UUID, UUID] | None:
    """The smallest and the largest id that start like this."""
    start = text.lower().replace("-", "")
    if not _ID.fullmatch(start):
        return None
    return UUID(start.ljust(32, "0")), UUID(start.ljust(32, "f"))


def _shown_as(row: Any, sign: str, whole: str, part: str) -> ColumnElement[bool]:
    """The amounts that are shown like this, whether cut or rounded: amounts have two decimals at least."""
    part = part.ljust(2, "0")
    unit = 10 ** (6 - len(part))
    shown = int(whole.replace(",", "")) * money.MICROS_PER_USD + int(part) * unit
    size = row.amount if sign == "+" else -row.amount if sign else func.abs(row.amount)
    return and_(size >= shown - unit // 2, size < shown + unit)
