"""How far a wallet has come with each price of a metric in a period. Read and stored under the wallet's lock."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, select, text

from dashboard.core.db import db, require_org
from dashboard.domain.usage.pricing.formula import Formula
from dashboard.models import PER_EVENT, Price, UsagePosition, Wallet

NO_PERIOD = date(1970, 1, 1)
"""The start of the only period of a price that has none."""

Place = tuple[str, date, UUID]
"""Metric, start of the period, price: what a position belongs to."""

_STORE = text("""INSERT INTO usage_positions (org_id, wallet_id, metric_key, period_start, price_id, start, units, cost)
SELECT CAST(:org AS uuid), CAST(:wallet AS uuid), n.metric_key, n.period_start, n.price_id, n.start, n.units, n.cost
FROM unnest(CAST(:metrics AS text[]), CAST(:periods AS date[]), CAST(:prices AS uuid[]), CAST(:starts AS bigint[]),
  CAST(:units AS bigint[]), CAST(:costs AS bigint[]))
  AS n(metric_key, period_start, price_id, start, units, cost)
ON CONFLICT (org_id, wallet_id, metric_key, period_start, price_id) DO UPDATE
SET units = excluded.units, cost = excluded.cost""")


@dataclass(slots=True)
class Position:
    """A `UsagePosition` in memory."""

    start: int
    units: int
    cost: int


def period_start(period: str, moment: datetime) -> date:
    """The first UTC day of the period that holds a moment."""
    day = moment.astimezone(UTC).date()
    return {"none": NO_PERIOD, "day": day, "month": day.replace(day=1)}[period]


def read(wallet: Wallet, places: Collection[Place]) -> dict[Place, Position]:
    """The wallet's positions at these places. A price that is used for the first time starts at the position that the
    others of its metric have reached in the period."""
    query = select(UsagePosition).filter_by(org_id=wallet.org_id, wallet_id=wallet.id)
    rows = db.session.scalars(
        query.where(
            UsagePosition.metric_key.in_({place[0] for place in places}),
            UsagePosition.period_start.in_({place[1] for place in places}),
        ),
        execution_options={"populate_existing": True},
    ).all()
    known = {(row.metric_key, row.period_start, row.price_id): Position(row.start, row.units, row.cost) for row in rows}
    for place in places:
        if place not in known:
            reached = [one.start + one.units for other, one in known.items() if other[:2] == place[:2]]
            known[place] = Position(max(reached, default=0), 0, 0)
    return {place: known[place] for place in places}


def store(wallet: Wallet, positions: dict[Place, Position]) -> None:
    """In one statement, whatever their number. Needs the wallet's lock."""
    require_org(wallet.org_id)
    places, rows = list(positions), list(positions.values())
    db.session.execute(
        _STORE,
        {
            "org": wallet.org_id, "wallet": wallet.id,
            "metrics": [place[0] for place in places], "periods": [place[1] for place in places],
            "prices": [place[2] for place in places], "starts": [one.start for one in rows],
            "units": [one.units for one in rows], "costs": [one.cost for one in rows],
        },
    )  # fmt: skip


class Mispriced(NamedTuple):
    org_id: UUID
    wallet_id: UUID
    detail: str


def mispriced(connection: Connection, org_id: UUID | None) -> Iterator[Mispriced]:
    """Positions whose cost is not what their price makes of their units; of one organization, or of all. A price per
    event makes it of each event, which `invariants.sql` checks."""
    prices = {row.id: Formula.of(row) for row in connection.execute(select(Price.__table__))}
    query = select(UsagePosition.__table__)
    if org_id is not None:
        query = query.where(UsagePosition.org_id == org_id)
    for row in connection.execute(query.order_by(UsagePosition.org_id, UsagePosition.wallet_id)):
        formula = prices[row.price_id]
        right = formula.between(row.start, row.start + row.units)
        if right != row.cost and formula.kind != PER_EVENT:
            detail = f"{row.metric_key} since {row.period_start}: {row.units} units were {row.cost}, not {right}"
            yield Mispriced(row.org_id, row.wallet_id, detail)
