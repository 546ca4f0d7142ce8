"""What the usage of the last 30 days would have cost at another price, computed from the counters."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Date, cast, func, literal, select

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain.usage.pricing.formula import Formula
from dashboard.domain.usage.pricing.terms import PriceTerms
from dashboard.domain.usage.pricing.versions import DAYS, counted_for
from dashboard.models import PER_EVENT, PLATFORM_ORG_ID, Organization, Price, UsageCounter


@dataclass(frozen=True, slots=True)
class PricePreview:
    """Micros for the usage from `first` to `last`: what was `charged`, and what the price in force (`before`, None if
    there is none) and the new one (`after`) make of it. `estimated`: a price per event was applied to the average event
    of each day, because counters do not keep single events."""

    first: date
    last: date
    units: int
    events: int
    wallets: int
    charged: int
    before: int | None
    after: int
    estimated: bool


class _Segment(NamedTuple):
    """What one wallet used in one period: before the 30 days, and in them."""

    earlier: int
    units: int
    events: int


def preview(org: Organization, key: str, now: Price | None, new: PriceTerms, *, mode: str) -> PricePreview:
    """Both prices for all wallets that would pay the new one: the organization's, or if it is the platform, those of
    every organization without a price of its own."""
    last = clock.today()
    first = last - timedelta(days=DAYS - 1)
    columns = (UsageCounter.units, UsageCounter.events, UsageCounter.cost)
    wallets = func.count(UsageCounter.wallet_id.distinct())
    query = _of_payers(org, key, mode, select(*map(func.sum, columns), wallets)).where(UsageCounter.day >= first)
    units, events, charged, count = db.session.execute(query).one()
    prices = [PriceTerms.of(now)] if now else []
    costs = [_cost(org, key, terms, first, mode=mode) for terms in (*prices, new)]
    return PricePreview(
        first, last, int(units or 0), int(events or 0), count, int(charged or 0), before=costs[0] if now else None,
        after=costs[-1], estimated=any(terms.kind == PER_EVENT for terms in (*prices, new)),
    )  # fmt: skip


def _cost(org: Organization, key: str, terms: PriceTerms, first: date, *, mode: str) -> int:
    formula = Formula.of(terms)
    segments = _segments(org, key, "day" if terms.kind == PER_EVENT else terms.period, first, mode=mode)
    if terms.kind == PER_EVENT:
        return sum(_of_average_events(formula, one) for one in segments)
    return sum(formula.between(one.earlier, one.earlier + one.units) for one in segments)


def _of_average_events(formula: Formula, day: _Segment) -> int:
    size, larger = divmod(day.units, day.events)
    return larger * formula.cost(size + 1) + (day.events - larger) * formula.cost(size) if size else 0


def _segments(org: Organization, key: str, period: str, first: date, *, mode: str) -> Iterable[_Segment]:
    """By wallet and period. Positions of a period that began before the 30 days go on from where they were."""
    day = UsageCounter.day
    starts = {"day": day, "month": cast(func.date_trunc("month", day), Date), "none": literal(0)}
    begin = {"day": first, "month": first.replace(day=1), "none": date.min}[period]
    inside = day >= first
    sums = (
        func.sum(UsageCounter.units).filter(~inside),
        func.sum(UsageCounter.units).filter(inside),
        func.sum(UsageCounter.events).filter(inside),
    )
    query = _of_payers(org, key, mode, select(*sums)).where(day >= begin)
    query = query.group_by(UsageCounter.org_id, UsageCounter.wallet_id, starts[period]).having(sums[1] > 0)
    for earlier, units, events in db.session.execute(query):
        yield _Segment(int(earlier or 0), int(units), int(events))


def _of_payers(org: Organization, key: str, mode: str, query: Any) -> Any:
    query = counted_for(org, mode, query).where(UsageCounter.metric_key == key)
    if org.id != PLATFORM_ORG_ID:
        return query
    own = select(Price.org_id).where(Price.metric_key == key, Price.org_id != PLATFORM_ORG_ID)
    return query.where(UsageCounter.org_id.not_in(own))
