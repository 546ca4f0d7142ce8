"""Charges usage that was recorded before: what a program left for later, and what was parked without a price.

Events are charged as they are at once (`charges`): each once, in order, and a refused one stays as it is.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select

from dashboard.core import clock
from dashboard.core.db import db, retrying, transaction
from dashboard.core.errors import CofferError, Conflict, Invalid, NotFound
from dashboard.domain import org_status
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.funds import spend_limits, wallets
from dashboard.domain.funds.spend_limits import Limit, LimitId, Spender
from dashboard.domain.org_status import OrgAction
from dashboard.domain.usage import counters, metrics
from dashboard.domain.usage.charging import charges
from dashboard.domain.usage.counters import Move
from dashboard.domain.usage.recording import Recorded, Result
from dashboard.models import PLATFORM_ORG_ID, ApiKey, Organization, Price, UsageEvent, Wallet

DRAIN = "dashboard.jobs.usage.charge_parked"
AT_ONCE = 1_000


class EventVoided(Conflict):
    code = "event_voided"


def charge(
    org: Organization, event_ids: Sequence[UUID], *, mode: str, by: Actor, only_of: UUID | None = None
) -> tuple[list[Result], int]:  # fmt: skip
    """Charge these recorded events, in order, at the price that was in force when they occurred.

    Returns their results in order, and the balance of the wallet that pays; of the organization's own, if several do.
    An event that was charged before is a duplicate. `only_of`: the only user whose events the caller may charge.
    Opens its own transaction. Locks the wallets in order of id, then the windows of the spend limits that apply to who
    used it. A rejected event is returned as its error: NotFound, EventVoided, Invalid for one that is named twice, and
    what `recording.record` returns. Raises OrgSuspended, NotFound for a closed organization.
    """
    org_status.require_state(OrgAction.SPEND, org)
    return _once(org, event_ids, mode=mode, by=by, only_of=only_of)


@retrying
def _once(
    org: Organization, event_ids: Sequence[UUID], *, mode: str, by: Actor, only_of: UUID | None
) -> tuple[list[Result], int]:  # fmt: skip
    query = select(UsageEvent).filter_by(org_id=org.id, mode=mode).where(UsageEvent.id.in_(event_ids))
    if only_of is not None:
        query = query.where(UsageEvent.member_id == only_of)
    with transaction(org=org.id):
        paying = set(db.session.scalars(query.with_only_columns(UsageEvent.wallet_id)))
        shown = next(iter(paying)) if len(paying) == 1 else None
        locked = wallets.lock_all(org.id, mode, paying | {shown})
        rows = {row.id: row for row in db.session.scalars(query, execution_options={"populate_existing": True})}
        results = _sorted(event_ids, rows)
        fresh = [rows[one.event.id] for one in results if isinstance(one, Recorded) and not one.duplicate]
        refused, balances = _charge(org, locked, fresh, by=by)
        db.session.flush()
        return [refused.get(one.event.id, one) if isinstance(one, Recorded) else one for one in results], balances.get(
            locked[shown].id, locked[shown].balance
        )


def _sorted(event_ids: Sequence[UUID], rows: dict[UUID, UsageEvent]) -> list[Result]:
    """Tell apart what cannot be charged, what was charged before, and what is to be charged."""
    results: list[Result] = []
    seen = set[UUID]()
    for event_id in event_ids:
        row = rows.get(event_id)
        if row is None:
            results.append(NotFound("There is no such usage event."))
        elif event_id in seen:
            results.append(Invalid("This event is named twice.", field="event_ids", code="repeated_event"))
        elif row.voided_at is not None:
            results.append(EventVoided("This event is voided. Nothing was charged."))
        else:
            results.append(Recorded(row, duplicate=row.state == "charged"))
        seen.add(event_id)
    return results


def _charge(
    org: Organization, locked: dict[UUID | None, Wallet], events: Sequence[UsageEvent], *, by: Actor
) -> tuple[dict[UUID, CofferError], dict[UUID, int]]:  # fmt: skip
    """Charge events of the locked wallets. Returns the refused ones, and the balances afterwards."""
    known = metrics.known(org, {event.metric_key for event in events}, archived=True)
    limits = _limits(org, events)
    refused, balances = dict[UUID, CofferError](), dict[UUID, int]()
    by_wallet = defaultdict[UUID, list[UsageEvent]](list)
    for event in events:
        by_wallet[event.wallet_id].append(event)
    for wallet_id in sorted(by_wallet):
        mine = by_wallet[wallet_id]
        result = charges.charge(
            locked[wallet_id], mine, known, by=by, limits_of=lambda event: limits[event.id], now=clock.now()
        )
        refused |= result.refused
        balances[wallet_id] = result.balance
        done = [Move(event, cost=event.cost or 0) for event in mine if event.id not in result.refused]
        counters.add(org.id, wallet_id, done)
    return refused, balances


def _limits(org: Organization, events: Sequence[UsageEvent]) -> dict[UUID, tuple[Limit, ...]]:
    """The spend limits that apply to who used it: the member, the key and the app of each event."""
    keys = select(ApiKey).where(
        ApiKey.id.in_({event.api_key_id for event in events if event.api_key_id}),
        ApiKey.org_id.in_({org.id, PLATFORM_ORG_ID}),
    )
    caps: dict[UUID | None, LimitId] = {
        key.id: LimitId(key.org_id, key.limit_id) for key in db.session.scalars(keys) if key.limit_id
    }
    spenders = {event.id: Spender(event.member_id, caps.get(event.api_key_id), event.app) for event in events}
    mode = events[0].mode if events else ""
    found = {one: spend_limits.applicable(org, one, mode=mode) for one in set(spenders.values())}
    return {event_id: found[one] for event_id, one in spenders.items()}


def due() -> Iterable[UUID]:
    """Organizations with parked usage whose metric has a price now. A plain read."""
    now = clock.now()
    priced = (
        select(Price.id)
        .where(Price.metric_key == UsageEvent.metric_key, Price.effective_from <= now)
        .where(or_(Price.org_id == UsageEvent.org_id, Price.org_id == PLATFORM_ORG_ID))
    )
    open_ = and_(Organization.closed_at.is_(None), Organization.suspended_at.is_(None))
    query = select(UsageEvent.org_id).join(Organization, Organization.id == UsageEvent.org_id).where(*is_parked())
    return db.session.scalars(query.where(open_, priced.exists()).distinct())


def charge_parked(org: Organization) -> int:
    """Charge the organization's parked usage as far as prices and balances reach. Returns how many events were."""
    charged = 0
    for mode in wallets.MODES:
        for metric_key, wallet_id in _waiting_places(org.id, mode):
            charged += _drain(org, mode, metric_key, wallet_id)
    return charged


def _waiting_places(org_id: UUID, mode: str) -> list[tuple[str, UUID]]:
    query = select(UsageEvent.metric_key, UsageEvent.wallet_id).filter_by(org_id=org_id, mode=mode).where(*is_parked())
    return [(key, wallet_id) for key, wallet_id in db.session.execute(query.distinct())]


def _drain(org: Organization, mode: str, metric_key: str, wallet_id: UUID) -> int:
    """One metric in one wallet, so that an empty wallet and a metric without a price hold up nothing else."""
    query = select(UsageEvent.id).filter_by(org_id=org.id, mode=mode, metric_key=metric_key, wallet_id=wallet_id)
    charged, more = 0, True
    while more:
        event_ids = db.session.scalars(query.where(*is_parked()).order_by(UsageEvent.id).limit(AT_ONCE)).all()
        results = charge(org, event_ids, mode=mode, by=SYSTEM)[0] if event_ids else []
        done = sum(isinstance(one, Recorded) for one in results)
        charged, more = charged + done, len(event_ids) == AT_ONCE == done
    return charged


def is_parked() -> tuple[ColumnElement[bool], ...]:
    """Conditions that the index of waiting events fits."""
    return UsageEvent.state != "charged", UsageEvent.state == "unpriced", UsageEvent.voided_at.is_(None)
