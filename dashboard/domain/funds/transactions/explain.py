"""What caused a transaction and what followed from it, as plain steps in chronological order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from dashboard.core.db import db
from dashboard.core.money import exact, shown
from dashboard.domain.audit.names import names_of
from dashboard.domain.funds import credit_grants, expiry, origins
from dashboard.domain.funds.holds import listing
from dashboard.models import TRANSACTION_TYPES, CreditGrant, Hold, Payment, Transaction

CAME_FROM = {
    "usage": "Usage was reported",
    "void": "Usage was voided",
    "payment": "A payment was completed",
    "signup": "Initial credits on signing up",
    expiry.ORIGIN: "Credit reached its last day",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `kind`: actor, origin, payment, hold, posted, grant. `ref` is the id of the object that it is about."""

    kind: str
    text: str
    at: datetime | None = None
    ref: UUID | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """`cause` are the steps that led to the row, `followed` those after it; `grants` are the credit grants it opened,
    `payment` is what paid for it, `hold` what it captured."""

    cause: tuple[Step, ...]
    followed: tuple[Step, ...]
    grants: tuple[CreditGrant, ...]
    payment: Payment | None
    hold: Hold | None = None


def explain(row: Transaction, *, for_manager: bool = False) -> Explanation:
    """Explain one row, in at most seven queries. Customers do not see which platform manager acted."""
    payment = _payment(row)
    query = select(CreditGrant).filter_by(org_id=row.org_id, transaction_id=row.id)
    grants = db.session.scalars(query.order_by(CreditGrant.kind.desc(), CreditGrant.id)).all()
    hold = listing.captured_by(row.org_id, row.id) if row.type == "charge" else None
    cause = [*(_held(hold) if hold else ()), _actor(row, for_manager)]
    cause += _lapsed(row) if row.origin == expiry.ORIGIN else _directed(row) if row.grant_id else []
    cause += _paid(payment, row) if payment else [_origin(row)]
    return Explanation(tuple(cause), (_posted(row), *_slices(grants)), tuple(grants), payment, hold)


def _payment(row: Transaction) -> Payment | None:
    if row.payment_id is None:
        return None
    return db.session.scalar(select(Payment).filter_by(org_id=row.org_id, id=row.payment_id))


def _actor(row: Transaction, for_manager: bool) -> Step:
    name = names_of([row], for_manager=for_manager)[row.id]
    known = {"key": f"The key {name} was used", "system": "Coffer did this by itself"}
    text = known.get(row.actor_kind, f"Started by {name}")
    at = row.created_at if row.origin in origins.SENT else None
    return Step("actor", text, at, row.actor_id if row.actor_kind != "manager" or for_manager else None)


def _origin(row: Transaction) -> Step:
    text = CAME_FROM.get(row.origin, f"Origin: {row.origin}")
    if row.origin in origins.OF_CALLERS:
        asked = f"A platform manager {TRANSACTION_TYPES[row.type].request}"
        text = asked if row.actor_kind == "manager" else "Requested through the API"
    return Step("origin", f"{text}, idempotency key {row.key}" if origins.caller_key(row) else text)


def _held(hold: Hold) -> list[Step]:
    part = "all of it" if hold.captured == hold.amount else shown(hold.captured)
    text = f"{shown(hold.amount)} was held; this captured {part}"
    return [Step("hold", text, hold.created_at, hold.id)]


def _lapsed(row: Transaction) -> list[Step]:
    """The expired credit grant: what opened it, what was spent of it, and its last day."""
    grant = db.session.scalar(select(CreditGrant).filter_by(org_id=row.org_id, id=expiry.grant_of(row.key)))
    if grant is None or grant.expires_at is None:
        return []
    opened = f"{grant_words(grant)} came in"
    until = f"Its last day was {expiry.last_day(grant.expires_at):%-d %B %Y} (UTC)"
    spent = grant.amount + row.amount
    used = f"{shown(spent)} of it had been spent" if spent else "none of it had been spent"
    return [Step("grant", opened, grant.created_at, grant.transaction_id), Step("grant", f"{until}; {used}")]


def _directed(row: Transaction) -> list[Step]:
    """The credit grant that a removal named."""
    grant = db.session.scalar(select(CreditGrant).filter_by(org_id=row.org_id, id=row.grant_id))
    return [Step("grant", f"Taken from {grant_words(grant)}", None, grant.id)] if grant else []


def _paid(payment: Payment, row: Transaction) -> list[Step]:
    steps = [Step("payment", f"{payment.sold} was ordered: payment {payment.id}", payment.created_at, payment.id)]
    if payment.paid_at:
        steps.append(Step("payment", f"Paid through {payment.provider_name}", payment.paid_at, payment.id))
    if row.actor_kind == "manager":
        steps.append(Step("payment", f"Held for review, and accepted: {row.reason}", row.created_at, payment.id))
    return steps


def _posted(row: Transaction) -> Step:
    text = f"The balance went from {exact(row.balance_before)} to {exact(row.balance_after)}"
    return Step("posted", text, row.created_at, row.id)


def _slices(grants: Sequence[CreditGrant]) -> list[Step]:
    steps = []
    for grant in grants:
        until = f", expires after {expiry.last_day(grant.expires_at):%-d %B %Y} (UTC)" if grant.expires_at else ""
        text = f"{grant_words(grant)}{until}"
        steps.append(Step("grant", text, grant.created_at, grant.id))
    return steps


def grant_words(grant: CreditGrant) -> str:
    """`$25.00 purchased credit`."""
    name = credit_grants.name_of(grant)
    return f"{shown(grant.amount)} {name[0].lower()}{name[1:]}"
