"""Transactions in lists, on every page that has one: their text, the filters in the URL, the pages."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from flask import request

from dashboard.core.errors import Invalid
from dashboard.domain.funds import transactions
from dashboard.domain.funds.transactions import Filters
from dashboard.models import TRANSACTION_TYPES, Transaction, Wallet

FIELDS = {
    "q": "Search", "type": "Type", "direction": "Direction", "from": "From", "to": "To", "app": "App", "by": "By",
    "min": "Smallest amount", "max": "Largest amount",
}  # fmt: skip
KEPT = ("zone", "range", "group")
"""Parameters that are not filters but stay in the URL."""

Choice = tuple[str, str]
"""A value and its label."""

Address = Callable[..., str]
"""Builds the URL of a list from its query."""


@dataclass(frozen=True, slots=True)
class Line:
    """One transaction as text."""

    id: UUID
    at: datetime
    word: str
    tone: str
    title: str
    detail: str
    by: str
    amount: int
    balance_after: int
    href: str


@dataclass(frozen=True, slots=True)
class Listing:
    """`typed` holds the filters as entered, `error` why they cannot be used, `reset` the URL without them.
    `searched_all` is False if the search stopped at its window: then `older` continues. `own`: of one user only."""

    lines: tuple[Line, ...]
    typed: dict[str, Any]
    kept: dict[str, Any]
    reset: str
    newer: str = ""
    older: str = ""
    searched_all: bool = True
    error: str = ""
    own: bool = False

    @property
    def filtered(self) -> bool:
        return bool(self.typed)


def read(
    wallet: Wallet,
    *,
    here: Address,
    pages: Address,
    row: Callable[[UUID], str],
    limit: int = transactions.PAGE_ROWS,
    only_of: UUID | None = None,
    for_manager: bool = False,
) -> Listing:
    """The list that the request asks for. `here` is its URL without filters; `pages` builds the links to other pages,
    `row` to a transaction. `only_of`: only what this user caused. Never raises for invalid filters."""
    typed: dict[str, Any] = {name: text for name in FIELDS if (text := request.args.get(name, "").strip())}
    kept: dict[str, Any] = {name: text for name in KEPT if (text := request.args.get(name, ""))}
    reset = here(**kept)
    try:
        filters = filters_of(typed, only_of=only_of)
        page = transactions.page(wallet, filters, request.args.get("cursor"), limit)
    except Invalid as refusal:
        label = FIELDS.get(refusal.field or "", "")
        return Listing((), typed, kept, reset, error=f"{label}: {refusal.detail}" if label else refusal.detail)
    query = typed | kept
    return Listing(
        lines(page.rows, row=row, for_manager=for_manager),
        typed,
        kept,
        reset,
        newer=pages(**query, cursor=page.newer_cursor) if page.newer_cursor else "",
        older=pages(**query, cursor=page.next_cursor) if page.next_cursor else "",
        searched_all=page.searched_all,
        own=only_of is not None,
    )


def offers(wallet: Wallet) -> dict[str, list[Choice]]:
    """The options of the filters. The app that is filtered by is always one of them."""
    found = transactions.choices(wallet)
    asked = request.args.get("app", "").strip()
    apps = found.apps if not asked or asked in found.apps else [*found.apps, asked]
    people = [(str(key), name) for key, name in found.people]
    return {
        "types": [(key, kind.label) for key, kind in TRANSACTION_TYPES.items() if key in found.types],
        "apps": [(app, app) for app in apps],
        "by": people + [(str(key), f"Key {name}") for key, name in found.keys],
    }


def filters_of(typed: Mapping[str, str], *, only_of: UUID | None) -> Filters:
    """Parse the filters. Raises Invalid with the field. `by` is the id of a member or a key."""
    names = {"by": "actor_id"}
    try:
        filters = Filters.parse({names.get(name, name): text for name, text in typed.items()})
    except Invalid as refusal:
        if refusal.field == "actor_id":
            refusal.field = "by"
        raise
    return replace(filters, only_of=only_of)


def lines(rows: Iterable[Transaction], *, row: Callable[[UUID], str], for_manager: bool = False) -> tuple[Line, ...]:
    """Transactions with their text and who caused them."""
    rows = list(rows)
    names = transactions.names_of(rows, for_manager=for_manager)
    return tuple(
        Line(
            id=one.id,
            at=one.created_at,
            word=TRANSACTION_TYPES[one.type].label,
            tone=TRANSACTION_TYPES[one.type].tone,
            title=one.description or TRANSACTION_TYPES[one.type].label,
            detail=" · ".join(filter(None, (one.app, one.reason))),
            by=names[one.id],
            amount=one.amount,
            balance_after=one.balance_after,
            href=row(one.id),
        )
        for one in rows
    )


def as_json(row: Transaction) -> str:
    """All values of the transaction, except the hash of its request."""
    held = {column.key: getattr(row, column.key) for column in Transaction.__table__.columns}
    del held["body_hash"]
    return orjson.dumps(held, option=orjson.OPT_INDENT_2).decode()
