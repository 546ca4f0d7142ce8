"""Transactions in lists, on every page that has one: their text, the filters in the URL, the pages."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from flask import request

from dashboard.core.lists import Page
from dashboard.domain.funds import transactions
from dashboard.domain.funds.transactions import TransactionFilters
from dashboard.models import TRANSACTION_TYPES, Transaction, Wallet
from dashboard.web import listing as lists
from dashboard.web.listing import Address, Choice, Listing

FIELDS = {
    "q": "Search", "type": "Type", "direction": "Direction", "from": "From", "to": "To", "app": "App", "by": "By",
    "min": "Smallest amount", "max": "Largest amount",
}  # fmt: skip
KEPT = ("zone",)
"""Parameters that are not filters but stay in the URL."""


@dataclass(frozen=True, slots=True)
class TransactionRow:
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


def read(
    wallet: Wallet,
    *,
    here: Address,
    row: Callable[[UUID], str],
    only_of: UUID | None = None,
    for_manager: bool = False,
) -> Listing[TransactionRow]:
    """The list that the request asks for. `here` builds its URL, `row` that of a transaction. `only_of`: only
    what this user caused."""

    def page(typed: dict[str, Any], cursor: str | None) -> Page[TransactionRow]:
        result = transactions.page(wallet, TransactionFilters.parse(typed, only_of=only_of), cursor)
        return result.of(lines(result.rows, row=row, for_manager=for_manager))

    return lists.read(page, FIELDS, here=here, kept=KEPT, opens_on="month")


def offers(wallet: Wallet) -> dict[str, list[Choice]]:
    """The options of the filters. The app that is filtered by is always one of them."""
    choices = transactions.choices(wallet)
    asked = request.args.get("app", "").strip()
    apps = choices.apps if not asked or asked in choices.apps else [*choices.apps, asked]
    people = [(str(key), name) for key, name in choices.people]
    return {
        "types": [(key, kind.label) for key, kind in TRANSACTION_TYPES.items() if key in choices.types],
        "apps": [(app, app) for app in apps],
        "by": people + [(str(key), f"Key {name}") for key, name in choices.keys],
    }


def lines(
    rows: Iterable[Transaction], *, row: Callable[[UUID], str], for_manager: bool = False
) -> list[TransactionRow]:
    """Transactions with their text and who caused them."""
    rows = list(rows)
    names = transactions.names_of(rows, for_manager=for_manager)
    return [
        TransactionRow(
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
    ]


def as_json(row: Transaction) -> str:
    """All values of the transaction, except the hash of its request."""
    held = {column.key: getattr(row, column.key) for column in Transaction.__table__.columns}
    del held["body_hash"]
    return orjson.dumps(held, option=orjson.OPT_INDENT_2).decode()
