"""The timeline of one payment: what happened, from the times in its row and its audit log, in chronological order."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from dashboard.core.db import db
from dashboard.core.money import money, of_currency
from dashboard.domain.funds.transactions import names_of
from dashboard.domain.payments import declines
from dashboard.models import AuditEntry, Payment

PAGE_LIVES = timedelta(hours=24)
"""How long a payment page can be paid."""

MOST_ENTRIES = 100
CREATED = "payment.created"
TITLES = {
    "payment.unknown": ("No answer", "bad"),
    "payment.failed": ("Failed", "bad"),
    "payment.expired": ("Expired", "bad"),
    "payment.review": ("Held for review", "bad"),
    "payment.accepted": ("Accepted", "done"),
    "payment.rejected": ("Rejected", "bad"),
}
"""The audit entries that are shown, and how they look; the rest is in the row with its own times."""

DELAYED = "The bank may need days to confirm this payment."
NO_ANSWER = "We're waiting for the payment provider to confirm."
DO_NOT_PAY = "Wait, and do not pay again: the credits are added automatically when the bank confirms the payment."

ENDINGS = ("failed", "expired", "review", "unknown")


@dataclass(frozen=True, slots=True)
class Step:
    """`state`: done, bad, or now for what is being waited for. `at` is None if it has not happened yet."""

    title: str
    detail: str
    state: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Taken:
    """What the provider says it took, in minor units of `currency`; None if it was not reported."""

    subtotal_minor: int | None
    total_minor: int | None
    discount_minor: int | None
    tax_minor: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """`advice`: what the payer can do; empty if nothing."""

    steps: tuple[Step, ...]
    advice: str
    taken: Taken | None


def of(payment: Payment, *, for_manager: bool = False) -> Timeline:
    """The payment's timeline, in at most four queries. Customers do not see which platform manager acted."""
    query = select(AuditEntry).filter_by(org_id=payment.org_id, object_kind="payment", object_id=str(payment.id))
    entries = list(db.session.scalars(query.order_by(AuditEntry.id).limit(MOST_ENTRIES)))
    names = names_of([payment], for_manager=for_manager) | names_of(entries, for_manager=for_manager)
    steps = [*_row(payment, names[payment.id]), *_trail(payment, entries, names, for_manager)]
    steps.sort(key=lambda step: step.at or payment.created_at)
    return Timeline((*steps, *_now(payment, for_manager)), advice(payment), _taken(payment, entries))


def advice(payment: Payment) -> str:
    """What its payer can do now."""
    if payment.state == "failed" and not payment.rejected:
        if payment.session_id:
            return declines.explain(payment.decline_code).advice
        return declines.opening(payment.decline_code).advice
    if delayed(payment):
        return DO_NOT_PAY
    if payment.state == "pending" and payment.decline_code:
        return declines.explain(payment.decline_code).advice
    return {
        "expired": "Buy again if you still need the credits.",
        "paid": "Wait, and do not pay again.",
        "review": "Wait for support, and do not pay again.",
    }.get(payment.state, "")


def delayed(payment: Payment) -> bool:
    """Whether it was paid by a method that takes time, so that nobody should pay again."""
    return payment.state == "pending" and payment.problem == DELAYED


def problem(payment: Payment, *, for_manager: bool = False) -> str:
    """The reason for its state; empty if nothing is wrong."""
    return _why(payment, payment.state, payment.problem, for_manager)


def amount(minor: int | None, currency: str | None) -> str:
    """A provider's amount as text, or that it was not reported."""
    return "an unknown amount" if minor is None or not currency else of_currency(minor, currency)


def _row(payment: Payment, payer: str) -> Iterator[Step]:
    price = amount(payment.amount_minor, payment.currency)
    yield Step("Created", f"{payment.sold} for {price}, ordered by {payer}", "done", payment.created_at)
    if payment.opened_at:
        yield Step("Sent to the provider", f"Payment page opened at {payment.provider_name}", "done", payment.opened_at)
    if payment.paid_at:
        yield Step("Paid", _paid(payment), "done", payment.paid_at)
    if payment.credited_at:
        credited = money(payment.grant_micros + payment.bonus_micros)
        bonus = f", {money(payment.bonus_micros)} of it bonus" if payment.bonus_micros else ""
        yield Step("Credited", f"{credited} added to the balance{bonus}", "done", payment.credited_at)


def _paid(payment: Payment) -> str:
    if payment.total_minor is None:
        return f"Through {payment.provider_name}"
    parts = [f"{amount(payment.total_minor, payment.paid_currency)} through {payment.provider_name}"]
    if payment.discount_minor:
        parts.append(f"{amount(payment.discount_minor, payment.paid_currency)} off")
    if payment.tax_minor:
        parts.append(f"{amount(payment.tax_minor, payment.paid_currency)} of it tax")
    return ", ".join(parts)


def _why(payment: Payment, state: str, note: str | None, for_manager: bool) -> str:
    """A provider's reason for rejecting us is about us, so only operators see it."""
    if not for_manager:
        if state == "unknown":
            return NO_ANSWER
        if state == "failed" and payment.session_id is None:
            return declines.opening(payment.decline_code).why
        if state == "pending" and note != DELAYED:
            return ""
    return note or ""


def _trail(payment: Payment, entries: list[AuditEntry], names: dict[Any, str], for_manager: bool) -> Iterator[Step]:
    known = set()
    for entry in entries:
        if entry.action not in TITLES:
            continue
        known.add(entry.action)
        title, state = TITLES[entry.action]
        after = entry.after or {}
        why = _why(payment, entry.action.removeprefix("payment."), after.get("problem"), for_manager)
        detail = f"{names[entry.id]}: {entry.reason}" if entry.reason else why
        yield Step(title, detail, state, entry.created_at)
    # A row may be older than its audit log.
    if payment.state in ENDINGS and not payment.rejected and f"payment.{payment.state}" not in known:
        title, state = TITLES[f"payment.{payment.state}"]
        yield Step(title, problem(payment, for_manager=for_manager), state, payment.changed_at)


def _now(payment: Payment, for_manager: bool) -> Iterator[Step]:
    """What is being waited for."""
    if payment.state == "pending":
        last = (
            f"The last try did not succeed. {declines.explain(payment.decline_code).why} "
            if payment.decline_code
            else ""
        )
        yield Step("Waiting for the payment", f"{last}{problem(payment, for_manager=for_manager)}".strip(), "now", None)
    elif payment.state in ("created", "unknown"):
        yield Step("Asking the provider", "We keep asking until it answers.", "now", None)
    elif payment.state == "paid":
        why = problem(payment, for_manager=for_manager) if for_manager else ""
        yield Step(
            "Adding the credits",
            f"We received the payment. The credits are added automatically. {why}".strip(),
            "now",
            None,
        )
    elif payment.state == "review":
        yield Step("Waiting for support", "A platform manager accepts or rejects it.", "now", None)


def _taken(payment: Payment, entries: list[AuditEntry]) -> Taken | None:
    """From the audit log, as reported when the money arrived; older rows have only the total."""
    if payment.paid_at is None:
        return None
    for entry in reversed(entries):
        facts = entry.after or {}
        if entry.action in ("payment.review", "payment.credited") and "subtotal_minor" in facts:
            names = ("subtotal_minor", "total_minor", "discount_minor", "tax_minor", "currency")
            return Taken(**{name: facts.get(name) for name in names})
    return Taken(None, payment.total_minor, payment.discount_minor, payment.tax_minor, payment.paid_currency)
