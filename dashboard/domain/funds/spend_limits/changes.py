"""Creates, changes and ends limits. Every change locks the organization first; none of them resets a count."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, String, cast, exists, func, select, text, update

from dashboard.core import clock
from dashboard.core.db import db, lock
from dashboard.core.errors import Conflict, Invalid, NotFound
from dashboard.core.money import LARGEST, Micros, parse_credits
from dashboard.domain import audit, org_status
from dashboard.domain.audit import Actor
from dashboard.domain.funds import spend_limits, wallets
from dashboard.domain.funds.spend_limits import KEY, Limit, windows
from dashboard.models import SPENDING, WINDOWS, ApiKey, LimitWindow, Membership, SpendLimit, Wallet, WalletDay

MOST_LIMITS = 1_000
LONGEST_APP = 200


class LimitExists(Conflict):
    code = "limit_exists"


class TooManyLimits(Conflict):
    code = "too_many_limits"


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `amount` in each `window`; what does not fit is refused if `hard`, and only counted otherwise."""

    amount: Micros
    window: str
    hard: bool = True

    @classmethod
    def parse(cls, amount: str, window: str) -> "Cap | None":
        """The amount that was typed, in credits; None for none. Raises Invalid."""
        if not amount.strip():
            return None
        if window not in WINDOWS:
            raise Invalid("Choose day, week or month.", field="cap_window")
        try:
            return cls(parse_credits(amount.strip()), window)
        except Invalid as error:
            raise Invalid(error.detail, field="cap") from None


# The rows of a wallet since a day are its last ones, and the daily totals say how many: no index by time is needed.
_BY_MEMBER = text("""SELECT coalesce(sum(t.amount), 0)
FROM wallets AS w JOIN transactions AS t
  ON t.org_id = w.org_id AND t.member_id = :member AND t.wallet_id = w.id AND t.type = ANY(:types)
  AND t.seq > w.seq - (SELECT coalesce(sum(d.count), 0) FROM wallet_days AS d
    WHERE d.org_id = w.org_id AND d.wallet_id = w.id AND d.day >= :start)
WHERE w.org_id = :org AND w.id = ANY(:wallets)""")


def create(org_id: UUID, *, scope: str, subject: str, cap: Cap, mode: str, by: Actor) -> SpendLimit:
    """Limit the organization (`subject` is ignored), a member (by user id) or an app. It counts from what was already
    spent in the current window; an app's, what is counted by its name (`WalletDay`).

    Needs the organization's transaction. Locks the organization, then its wallets in `mode`. Spending that found the
    organization without any limit and was still under way is not counted. Raises Invalid, LimitExists, TooManyLimits,
    NotFound for a closed organization, OrgSuspended.
    """
    check(cap)
    org = org_status.locked(org_id)
    scope_id = _subject(org_id, scope, subject)
    _require_room(org_id, mode, scope, scope_id, cap)
    now = clock.now()
    spent = _spent(org_id, mode, scope, scope_id, windows.start_of(cap.window, now))
    row = begin(org_id, scope_id, cap, scope=scope, mode=mode)
    org.has_limits = True
    if spent:
        start = windows.start_of(cap.window, now)
        db.session.add(LimitWindow(org_id=org_id, limit_id=row.id, window_start=start, spent=spent))
        db.session.flush()
    _alert_if_passed(row, spent, now)
    audit.record(row, "limit.created", by=by, after=_values(row) | {"scope": scope, "window": cap.window})
    return row


def begin(
    org_id: UUID, scope_id: UUID | str, cap: Cap, *, mode: str, scope: str = KEY, imposed: bool = False
) -> SpendLimit:
    """Write a limit that counts from now on, whatever was spent before. Needs the organization's transaction."""
    row = SpendLimit(
        org_id=org_id, scope=scope, scope_id=str(scope_id), window=cap.window, amount=cap.amount, hard=cap.hard,
        mode=mode, imposed=imposed,
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    return row


def find(org_id: UUID, limit_id: UUID | None) -> SpendLimit | None:
    return db.session.get(SpendLimit, (org_id, limit_id)) if limit_id else None


def change(limit: SpendLimit, *, amount: Micros, hard: bool, by: Actor) -> SpendLimit:
    """Another amount or kind; what was spent still counts. It applies to the next charge in every process.

    Needs the organization's transaction; locks the organization. A key's limit binds its member from now on, as one
    that was set for them. Raises Invalid, NotFound if it has ended, LimitExists, OrgSuspended.
    """
    check(Cap(amount, limit.window, hard))
    org_status.locked(limit.org_id)
    row = _living(limit)
    if (row.amount, row.hard) == (amount, hard):
        return row
    if row.hard != hard and row.scope != KEY:
        _require_room(row.org_id, row.mode, row.scope, row.scope_id, Cap(amount, row.window, hard))
    before = _values(row)
    row.amount, row.hard, row.imposed = amount, hard, row.scope == KEY
    db.session.flush()
    now = clock.now()
    spent = windows.spent_in([(row.org_id, row.id, row.window)], at=now).get(row.id, 0)
    _alert_if_passed(row, spent, now)
    audit.record(row, "limit.changed", by=by, before=before, after=_values(row))
    return row


def remove(limit: SpendLimit, *, by: Actor) -> None:
    """End a limit, for all keys that share it. Needs the organization's transaction; locks the organization. Raises
    NotFound if it has ended, OrgSuspended."""
    org = org_status.locked(limit.org_id)
    row = _living(limit)
    row.ended_at = clock.now()
    db.session.execute(
        update(ApiKey).where(ApiKey.org_id == row.org_id, ApiKey.limit_id == row.id).values(limit_id=None)
    )
    db.session.flush()
    org.has_limits = bool(db.session.scalar(select(exists().where(*_living_ones(row.org_id), SpendLimit.scope != KEY))))
    audit.record(row, "limit.removed", by=by, before=_values(row) | {"window": row.window})


def check(cap: Cap) -> None:
    """Raise Invalid for a window or an amount that no limit has."""
    if cap.window not in WINDOWS:
        raise Invalid("Choose day, week or month.", field="window")
    if not 0 < cap.amount <= LARGEST:
        raise Invalid("Enter an amount above zero.", field="amount_micros")


def _subject(org_id: UUID, scope: str, subject: str) -> str:
    """What `scope_id` says. Raises Invalid."""
    if scope == "org":
        return str(org_id)
    if scope == "app" and 0 < len(subject) <= LONGEST_APP and subject.isprintable():
        return subject
    if scope == "app":
        raise Invalid(f"Enter the name of an app, up to {LONGEST_APP} characters.", field="subject")
    query = select(Membership.user_id).filter_by(org_id=org_id, removed_at=None)
    member_id = db.session.scalar(query.where(cast(Membership.user_id, String) == subject))
    if scope != "member" or member_id is None:
        raise Invalid("There is no such member.", field="subject")
    return str(member_id)


def _living_ones(org_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return SpendLimit.org_id == org_id, SpendLimit.ended_at.is_(None)


def _require_room(org_id: UUID, mode: str, scope: str, scope_id: str, cap: Cap) -> None:
    """Raise LimitExists for a second limit of the same kind, TooManyLimits."""
    same = select(SpendLimit.id).filter_by(mode=mode, scope=scope, scope_id=scope_id, window=cap.window, hard=cap.hard)
    if db.session.scalar(same.where(*_living_ones(org_id))):
        raise LimitExists("There is a limit of this kind already. Change its amount.")
    if (db.session.scalar(select(func.count(SpendLimit.id)).where(*_living_ones(org_id))) or 0) >= MOST_LIMITS:
        raise TooManyLimits(f"There are {MOST_LIMITS:,} limits already. Remove some first.")


def _living(limit: SpendLimit) -> SpendLimit:
    row = lock(select(SpendLimit).filter_by(org_id=limit.org_id, id=limit.id))
    if row is None or row.ended_at is not None:
        raise NotFound("There is no such limit.")
    return row


def _spent(org_id: UUID, mode: str, scope: str, scope_id: str, start: date) -> int:
    """What was spent since `start`. Locks the organization's dollar wallets in `mode`, so that nothing is missed."""
    mine = select(Wallet.id).where(Wallet.org_id == org_id, Wallet.mode == mode, wallets.in_dollars())
    ids = list(db.session.scalars(mine.order_by(Wallet.id).with_for_update()))
    if scope == "member":
        values = {"org": org_id, "wallets": ids, "member": UUID(scope_id), "start": start, "types": sorted(SPENDING)}
        return -int(db.session.scalar(_BY_MEMBER, values) or 0)
    query = select(func.sum(WalletDay.amount)).where(
        WalletDay.org_id == org_id, WalletDay.wallet_id.in_(ids), WalletDay.day >= start, WalletDay.type.in_(SPENDING)
    )
    return -int(db.session.scalar(query.where(WalletDay.app == scope_id) if scope == "app" else query) or 0)


def _alert_if_passed(row: SpendLimit, spent: int, at: datetime) -> None:
    if not row.hard and spent > row.amount:
        spend_limits.alert(_limit(row), spent=spent, at=at)


def _limit(row: SpendLimit) -> Limit:
    return Limit(row.org_id, row.id, row.scope, row.scope_id, row.window, row.amount, row.hard, row.created_at)


def _values(row: SpendLimit) -> dict[str, object]:
    return {"limit_micros": row.amount, "hard": row.hard}
