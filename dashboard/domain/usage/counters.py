"""Units and cost by metric, UTC day and hour, moved in the transaction of the events under their wallet's lock."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import select, text

from dashboard.core.db import db
from dashboard.domain.funds import wallets
from dashboard.domain.usage.new_events import AnyEvent
from dashboard.models import UsageEvent
from dashboard.models.funds import OTHER_APPS

BATCH = 1_000
MOST_APPS = 100
"""How many apps of a metric and day are counted by name; the rest are added up as OTHER_APPS."""

Cell = tuple[date, str, str, str]
"""Day, metric, dimension, value."""

_ADD = text("""INSERT INTO usage_counters AS c
  (org_id, wallet_id, day, metric_key, dimension, value, units, cost, events)
SELECT CAST(:org AS uuid), CAST(:wallet AS uuid), n.day, n.metric_key, n.dimension, n.value, n.units, n.cost, n.events
FROM unnest(CAST(:days AS date[]), CAST(:metrics AS text[]), CAST(:dimensions AS text[]), CAST(:values AS text[]),
  CAST(:units AS bigint[]), CAST(:costs AS bigint[]), CAST(:events AS bigint[]))
  AS n(day, metric_key, dimension, value, units, cost, events)
ON CONFLICT (org_id, wallet_id, day, metric_key, dimension, value) DO UPDATE
SET units = c.units + excluded.units, cost = c.cost + excluded.cost, events = c.events + excluded.events""")

_CLEAR = text("""UPDATE usage_counters SET units = 0, cost = 0, events = 0
WHERE org_id = :org AND wallet_id = :wallet AND day = :day""")

_APPS = text("""SELECT day, metric_key, value FROM usage_counters
WHERE org_id = :org AND wallet_id = :wallet AND day = ANY (CAST(:days AS date[])) AND metric_key = ANY (:metrics)
  AND dimension = 'app'""")


@dataclass(slots=True)
class Move:
    """What one event adds to the counters of its day, or takes from them."""

    event: AnyEvent
    units: int = 0
    cost: int = 0
    events: int = 0


def add(org_id: UUID, wallet_id: UUID, moves: Sequence[Move]) -> None:
    """Count these events, their cost, or that they count no more. Needs the wallet's lock."""
    if not moves:
        return
    moves = _merged(moves)
    names = _Names(org_id, wallet_id, [move.event for move in moves])
    cells: defaultdict[Cell, list[int]] = defaultdict(lambda: [0, 0, 0])
    for move in moves:
        for cell in _cells(move.event, names):
            sums = cells[cell]
            sums[0] += move.units
            sums[1] += move.cost
            sums[2] += move.events
    keys, sums_of = list(cells), list(cells.values())
    db.session.execute(
        _ADD,
        {
            "org": org_id, "wallet": wallet_id,
            "days": [key[0] for key in keys], "metrics": [key[1] for key in keys],
            "dimensions": [key[2] for key in keys], "values": [key[3] for key in keys],
            "units": [sums[0] for sums in sums_of], "costs": [sums[1] for sums in sums_of],
            "events": [sums[2] for sums in sums_of],
        },
    )  # fmt: skip


def _merged(moves: Sequence[Move]) -> list[Move]:
    """One move for all events that count in the same cells: in a batch, most do."""
    merged: dict[tuple[object, ...], Move] = {}
    for move in moves:
        event = move.event
        same = event.occurred_at, event.metric_key, event.app, event.member_id, event.api_key_id
        so_far = merged.setdefault(same, Move(event))
        so_far.units, so_far.cost, so_far.events = (
            so_far.units + move.units, so_far.cost + move.cost, so_far.events + move.events,
        )  # fmt: skip
    return list(merged.values())


def rebuild(org_id: UUID, wallet_id: UUID, day: date) -> None:
    """Count the events of a UTC day again, from zero. Needs the organization's transaction; locks the wallet."""
    wallets.lock_one(org_id, wallet_id)
    db.session.execute(_CLEAR, {"org": org_id, "wallet": wallet_id, "day": day})
    begin = datetime.combine(day, time(), UTC)
    query = select(UsageEvent).filter_by(org_id=org_id, wallet_id=wallet_id).order_by(UsageEvent.id)
    query = query.where(UsageEvent.occurred_at >= begin, UsageEvent.occurred_at < begin + timedelta(days=1))
    for events in db.session.scalars(query.execution_options(yield_per=BATCH)).partitions():
        add(org_id, wallet_id, [_counts(event) for event in events])


def _counts(event: UsageEvent) -> Move:
    counted = event.voided_at is None
    return Move(event, event.units * counted, (event.cost or 0) - (event.credited or 0), int(counted))


def day_of(event: AnyEvent) -> date:
    """The UTC day in which the event counts: when it was used, not when it was reported."""
    return event.occurred_at.astimezone(UTC).date()


def _cells(event: AnyEvent, names: "_Names") -> Iterable[Cell]:
    day, metric = day_of(event), event.metric_key
    yield day, metric, "all", ""
    yield day, metric, "hour", f"{event.occurred_at.astimezone(UTC):%H}"
    if event.app:
        yield day, metric, "app", names.of(day, metric, event.app)
    if event.member_id:
        yield day, metric, "member", str(event.member_id)
    if event.api_key_id:
        yield day, metric, "key", str(event.api_key_id)


class _Names:
    """Under which name an app is counted: its own, or OTHER_APPS once a day has MOST_APPS of them."""

    def __init__(self, org_id: UUID, wallet_id: UUID, events: Sequence[AnyEvent]) -> None:
        self._known: defaultdict[tuple[date, str], set[str]] = defaultdict(set)
        with_app = [event for event in events if event.app]
        if with_app:
            days, metrics = sorted({day_of(one) for one in with_app}), sorted({one.metric_key for one in with_app})
            values = {"org": org_id, "wallet": wallet_id, "days": days, "metrics": metrics}
            for day, metric, app in db.session.execute(_APPS, values):
                self._known[day, metric].add(app)

    def of(self, day: date, metric: str, app: str) -> str:
        apps = self._known[day, metric]
        if app not in apps and len(apps - {OTHER_APPS}) >= MOST_APPS:
            return OTHER_APPS
        apps.add(app)
        return app
