"""Credits: the parts of the balance, what is left of each, when it expires, and what it paid for."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, url_for

from dashboard.core.lists import Page, Typed
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds import credit_grants, expiry
from dashboard.domain.funds.credit_grants import CurrentGrant, calendar, paid
from dashboard.domain.funds.credit_grants.paid import PaidRange
from dashboard.models import Transaction
from dashboard.web import cost_figures, guards, render
from dashboard.web import listing as lists
from dashboard.web.formats import zones_shown
from dashboard.web.guards import Visit
from dashboard.web.listing import Listing

pages = Blueprint("credit_grants", __name__, url_prefix="/o/<slug>")
guards.signed_in_only(pages)

STATES = {"open": ("Open", "ok"), "expired": ("Expired", "warn"), "used": ("Used", "")}
FIELDS = {"state": "State"}
CHOICES = [("", "All states"), *((state, word) for state, (word, _) in STATES.items())]
MOST_OPEN = 100
"""How many open grants the page shows in the order in which they are spent; the list has all."""


@pages.get("/grants")
def index(slug: str) -> Response:
    visit = guards.enter(slug, Verb.READ_BALANCE)
    spendable = credit_grants.spendable(visit.wallet)
    result = _read(visit)
    return render.render(
        "credit_grants/listing.html",
        fragment="credit_grants/_list.html",
        status=result.status,
        slug=slug,
        listing=result,
        choices=CHOICES,
        states=STATES,
        open_grants=spendable[:MOST_OPEN],
        more=len(spendable) - MOST_OPEN,
        totals=_totals(spendable),
        wallet=visit.wallet,
        months=calendar.ahead(spendable),
        notice=cost_figures.expiring(visit.wallet, calendar.next_expiry(spendable)),
        last_day=last_day,
        reads_ledger=visit.may(Verb.READ_LEDGER),
        may_buy=visit.may(Verb.BUY) and visit.org.suspended_at is None,
        context_line=f"{visit.org.name} · {zones_shown()}",
    )


@pages.get("/grants/<uuid:grant_id>")
def show(slug: str, grant_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.READ_LEDGER)
    current = credit_grants.find(visit.wallet, grant_id)
    here = partial(url_for, ".show", slug=slug, grant_id=grant_id)
    result = lists.read(lambda _, cursor: paid.page(visit.wallet, current, cursor), {}, here=here)
    return render.render(
        "credit_grants/show.html",
        fragment="credit_grants/_paid.html",
        status=result.status,
        slug=slug,
        current=current,
        last_day=last_day(current),
        state=STATES[current.state],
        listing=result,
        rows_of=partial(_rows_of, slug),
    )


def last_day(current: CurrentGrant) -> date | None:
    """The last UTC day on which it can be spent; None if it does not expire."""
    return expiry.last_day(current.grant.expires_at) if current.grant.expires_at else None


def _read(visit: Visit) -> Listing[CurrentGrant]:
    def page(given: dict[str, Any], cursor: str | None) -> Page[CurrentGrant]:
        chosen = Typed(given).one_of("state", credit_grants.STATES)
        state = next((one for one in credit_grants.STATES if one == chosen), None)
        return credit_grants.page(visit.wallet, state, cursor)

    return lists.read(page, FIELDS, here=partial(url_for, ".index", slug=visit.org.slug))


def _totals(grants: Sequence[CurrentGrant]) -> Counter[str]:
    """What is left in micros, by kind; `dated`: how much of it has an expiry date."""
    totals = Counter[str]()
    for one in grants:
        totals[one.grant.kind] += one.remaining
        totals["dated"] += one.remaining if one.grant.expires_at else 0
    return totals


def _rows_of(slug: str, paid_range: PaidRange) -> str:
    """The transaction, or the statement from the first to the last of the range."""
    first, last = paid_range.first, paid_range.last
    if first.id == last.id:
        return url_for("transactions.show", slug=slug, transaction_id=first.id)
    times: dict[str, Any] = {"from": _moment(first), "to": _moment(last)}
    return url_for("transactions.listing", slug=slug, **times)


def _moment(row: Transaction) -> str:
    return row.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
