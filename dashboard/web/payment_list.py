"""Payments on pages: their labels, the filters in the URL, one page of a list."""

import hashlib
from uuid import UUID

from dashboard.domain.payments import declines, listing, states, timeline
from dashboard.domain.payments.listing import PaymentFilters
from dashboard.models import Payment
from dashboard.web import listing as lists
from dashboard.web.listing import Address, Listing

STATES = {
    "created": ("Created", ""),
    "unknown": ("Checking", "warn"),
    "pending": ("Pending", "warn"),
    "paid": ("Paid", "warn"),
    "credited": ("Credited", "ok"),
    "failed": ("Failed", "bad"),
    "expired": ("Expired", ""),
    "review": ("In review", "warn"),
}
"""The label of each state and the tone of its badge."""

CHOICES = [("", "All states"), *((state, word) for state, (word, _) in STATES.items())]
FIELDS = {"q": "Search", "state": "State", "from": "From", "to": "To"}
EVERY_FIELDS = FIELDS | {"org": ""}
"""Those of the platform's list."""


def read(*, mode: str, here: Address, org_id: UUID | None = None) -> Listing[Payment]:
    """The list that the request asks for, of all organizations without `org_id`. `here` builds its URL."""
    return lists.read(
        lambda typed, cursor: listing.page(PaymentFilters.parse(typed, org_id=org_id), mode=mode, cursor=cursor),
        FIELDS if org_id else EVERY_FIELDS, here=here,
    )  # fmt: skip


def is_open(rows: list[Payment]) -> bool:
    """Whether a payment on the list may still settle."""
    return any(row.state in states.UNSETTLED for row in rows)


def version_of(rows: list[Payment]) -> str:
    """Changes with what is shown."""
    shown = "".join(f"{row.id}{version(row)}" for row in rows)
    return hashlib.sha256(shown.encode()).hexdigest()[:16]


def version(payment: Payment) -> str:
    """Changes with what a page shows of the payment."""
    state_text = f"{payment.decline_code} {payment.problem} {payment.changed_at.timestamp()}"
    return f"{payment.state}-{hashlib.sha256(state_text.encode()).hexdigest()[:12]}"


def note(payment: Payment, *, for_manager: bool) -> str:
    """The note below a payment in a list: why it is in its state."""
    if payment.state == "pending" and payment.decline_code:
        return f"Last try: {declines.explain(payment.decline_code).why}"
    return timeline.problem(payment, for_manager=for_manager)


def provider_name(payment: Payment) -> str:
    """The same name on its own, not within a sentence."""
    name = payment.provider_name.removeprefix("the ")
    return name[0].upper() + name[1:]
