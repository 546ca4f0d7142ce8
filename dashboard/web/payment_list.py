"""Payments on pages: their labels, the filters in the URL, one page of a list."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from flask import request

from dashboard.core.errors import Invalid
from dashboard.domain.funds.transactions import names_of
from dashboard.domain.payments import declines, listing, story
from dashboard.domain.payments.listing import Filters
from dashboard.models import Payment

STATES = {
    "created": ("Created", ""),
    "unknown": ("Unknown", "warn"),
    "pending": ("Pending", "warn"),
    "paid": ("Paid", "warn"),
    "credited": ("Credited", "ok"),
    "failed": ("Failed", "bad"),
    "expired": ("Expired", ""),
    "review": ("In review", "bad"),
}
"""The label of each state and the tone of its badge."""

CHOICES = [("", "All states"), *((state, word) for state, (word, _) in STATES.items())]
FIELDS = {"q": "Search", "state": "State", "from": "From", "to": "To"}


@dataclass(frozen=True, slots=True)
class Listing:
    """`typed` holds the filters as entered, `error` why they cannot be used. `version` changes with what is shown.
    `open` says whether a payment on it may still settle."""

    rows: list[Payment]
    names: dict[UUID, str]
    typed: dict[str, Any]
    older: str = ""
    newer: str = ""
    error: str = ""

    @property
    def open(self) -> bool:
        return any(row.state in listing.OPEN for row in self.rows)

    @property
    def version(self) -> str:
        shown = "".join(f"{row.id}{version(row)}" for row in self.rows)
        return hashlib.sha256(shown.encode()).hexdigest()[:16]


def typed(*more: str) -> dict[str, Any]:
    """The filters in the URL as entered; `more`: names of additional ones."""
    return {name: text for name in (*FIELDS, *more) if (text := request.args.get(name, "").strip())}


def read(values: dict[str, Any], *, mode: str, here: Callable[..., str], org_id: UUID | None, manager: bool) -> Listing:
    """The list that the request asks for. `here` builds its URL. Never raises for invalid filters."""
    cursor = request.args.get("cursor")
    try:
        filters = Filters.parse(values)
        filters = replace(filters, org_id=org_id) if org_id else filters
        page = listing.page(filters, mode=mode, cursor=cursor)
    except Invalid as refusal:
        label = FIELDS.get(refusal.field or "", "")
        return Listing([], {}, values, error=f"{label}: {refusal.detail}" if label else refusal.detail)
    return Listing(
        page.rows,
        names_of(page.rows, for_manager=manager),
        values,
        older=here(**values, cursor=page.next_cursor) if page.next_cursor else "",
        newer=here(**values) if cursor else "",
    )


def version(payment: Payment) -> str:
    """Changes with what a page shows of the payment."""
    told = f"{payment.decline_code} {payment.problem} {payment.changed_at.timestamp()}"
    return f"{payment.state}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def note(payment: Payment, *, for_manager: bool) -> str:
    """The note below a payment in a list: why it is in its state."""
    if payment.state == "pending" and payment.decline_code:
        return f"Last try: {declines.told(payment.decline_code).why}"
    return story.problem(payment, for_manager=for_manager)


def provider_name(payment: Payment) -> str:
    """The same name on its own, not within a sentence."""
    name = payment.provider_name.removeprefix("the ")
    return name[0].upper() + name[1:]
