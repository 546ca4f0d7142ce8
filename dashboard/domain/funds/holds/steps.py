"""What is done to holds: opened, extended, captured, released. Each step counts once for its idempotency key.

Every step locks the wallet first, ends the holds that have expired, and compares with the clock under that lock: a late
capture of an expired hold is refused even if no job has ended it yet. An ended hold never changes again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from dashboard.core import clock, ids
from dashboard.core.db import db, retrying, transaction
from dashboard.core.errors import Conflict, Invalid
from dashboard.core.money import LARGEST
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.domain.funds import expiry, ledger, origins, spend_limits, wallets
from dashboard.domain.funds.holds import ending
from dashboard.domain.funds.ledger import KeyReused
from dashboard.domain.funds.spend_limits import Limit, Spender
from dashboard.domain.org_status import OrgAction, require_state
from dashboard.models import Hold, HoldStep, Organization, Wallet

USUAL_SECONDS = 600
LONGEST = timedelta(days=7)
"""How long a hold may last, counted from when it was made, with all its extensions."""


class HoldNotOpen(Conflict):
    code = "hold_not_open"


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """Who asks for a step, and the idempotency key with which it counts once."""

    origin: str
    key: str
    by: Actor
    body_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class HoldResult:
    """A hold after a step. `replayed`: the step was taken before, and nothing was changed now."""

    hold: Hold
    step: HoldStep
    replayed: bool = False


@retrying
def reserve(
    wallet: Wallet, request: HoldRequest, *, org: Organization, amount: int, seconds: int = USUAL_SECONDS,
    spender: Spender | None = None, description: str = "", app: str = "",
) -> HoldResult:  # fmt: skip
    """Reserve `amount` (above zero, in the wallet's smallest unit) for `seconds`.

    It counts towards every spend limit that applies to `spender`, by default the user behind the request, with `app`.
    Opens its own transaction. Locks the wallet, then the limits' windows. Needs `available >= amount` down to the
    overdraft limit. Raises OrgSuspended, NotFound for a closed organization, InsufficientFunds, WalletFrozen,
    KeyReused, Invalid, LimitReached.
    """
    require_state(OrgAction.SPEND, org)
    if not 0 < amount <= LARGEST:
        raise Invalid("The amount is out of range.", field="amount_micros")
    spender = replace(spender or Spender(request.by.user_id), app=app)
    limits = _limits(wallet, org, spender)
    with transaction(org=wallet.org_id):
        current, now = _entered(wallet.org_id, wallet.id)
        if step := _answered(request, wallet.org_id, current.mode):
            return HoldResult(_find(wallet.org_id, step.hold_id), step, replayed=True)
        _require_free_key(request, current)
        if refusal := ledger.refusal(current, amount, at=now):
            raise refusal
        row = Hold(
            org_id=wallet.org_id, id=ids.new(), created_at=now, wallet_id=wallet.id, mode=current.mode, amount=amount,
            state="open", captured=0, expires_at=_expiry(now, now, seconds), description=description, app=app,
            member_id=spender.member_id, actor_kind=request.by.kind, actor_id=request.by.id,
            limits=[(str(limit.org_id), str(limit.id)) for limit in limits],
        )  # fmt: skip
        ending.hold_less(wallet.org_id, wallet.id, -amount)
        spend_limits.take(limits, amount=amount, at=now)
        db.session.add(row)
        db.session.flush()
        return HoldResult(row, _noted(row, "opened", request, now))


@retrying
def extend(hold: Hold, request: HoldRequest, *, org: Organization, seconds: int) -> HoldResult:
    """Let an open hold expire `seconds` from now; never earlier than before.

    Opens its own transaction. Locks the wallet. Raises HoldNotOpen, KeyReused, Invalid beyond `LONGEST`, OrgSuspended,
    NotFound for a closed organization.
    """
    require_state(OrgAction.SPEND, org)
    with transaction(org=hold.org_id):
        current, row, now = _locked(hold)
        if step := _answered(request, row.org_id, row.mode, row):
            return HoldResult(row, step, replayed=True)
        _require_free_key(request, current)
        _require_open(row)
        row.expires_at = max(row.expires_at, _expiry(row.created_at, now, seconds))
        return HoldResult(row, _noted(row, "extended", request, now))


@retrying
def capture(
    hold: Hold, request: HoldRequest, *, org: Organization, amount: int | None = None, allow_above: bool = False,
) -> HoldResult:  # fmt: skip
    """Charge `amount` of an open hold, without one all of it; the rest becomes available again.

    With `allow_above` it may be more than is held, as far as the wallet has room beside it. Posts one charge, in its
    own transaction together with the hold's end. Locks the wallet, then the limits' windows. Raises HoldNotOpen,
    KeyReused, InsufficientFunds, WalletFrozen, Invalid, OrgSuspended, NotFound for a closed organization, LimitReached
    for what is above the hold.
    """
    require_state(OrgAction.SPEND, org)
    with transaction(org=hold.org_id):
        wallet, row, now = _locked(hold)
        if step := _answered(request, row.org_id, row.mode, row):
            return HoldResult(row, step, replayed=True)
        _require_open(row)
        amount = row.amount if amount is None else amount
        if amount > row.amount and not allow_above:
            raise Invalid("This is more than is held. Send `allow_above`.", field="amount_micros", code="out_of_range")
        row.captured = amount
        step = _end(row, "captured", request, now)
        posting = ledger.post(
            wallet, type="charge", amount=-amount, origin=request.origin, key=request.key,
            by=request.by, member_id=row.member_id, description=row.description, app=row.app,
            body_hash=request.body_hash,
        )  # fmt: skip
        if posting.replayed:
            raise KeyReused("This idempotency key was used for another request.", field="idempotency_key")
        _count(row, _limits(wallet, org, Spender(row.member_id, app=row.app)), amount, at=posting.created_at)
        row.transaction_id = posting.id
        db.session.flush()
        expiry.take_out_what_holds_kept(row.org_id, row.wallet_id, now)
        return HoldResult(row, step)


@retrying
def release(hold: Hold, request: HoldRequest) -> HoldResult:
    """End an open hold without a charge; all of it becomes available again.

    Opens its own transaction. Locks the wallet, then the limits' windows. Raises HoldNotOpen, KeyReused.
    """
    with transaction(org=hold.org_id):
        wallet, row, now = _locked(hold)
        if step := _answered(request, row.org_id, row.mode, row):
            return HoldResult(row, step, replayed=True)
        _require_free_key(request, wallet)
        _require_open(row)
        step = _end(row, "released", request, now)
        if request.origin == ending.ORIGIN:  # a person, on a page; a program's steps are their own record
            audit.record(row, "hold.released", by=request.by, before={"held": row.amount}, after={"held": 0})
        expiry.take_out_what_holds_kept(row.org_id, row.wallet_id, now)
        return HoldResult(row, step)


def _end(row: Hold, state: str, request: HoldRequest, now: datetime) -> HoldStep:
    """From here on the hold is no longer open, so that nothing that follows in the transaction can end it again."""
    row.state, row.ended_at = state, now
    step = _noted(row, state, request, now)
    ending.hold_less(row.org_id, row.wallet_id, row.amount)
    ending.give_back([(row, max(row.amount - row.captured, 0))])
    return step


def _limits(wallet: Wallet, org: Organization, spender: Spender) -> tuple[Limit, ...]:
    if wallet.unit != wallets.USD:
        return ()
    return spend_limits.applicable(org, spender, mode=wallet.mode)


def _count(row: Hold, now_apply: Sequence[Limit], amount: int, *, at: datetime) -> None:
    """Count what is captured above the hold towards the hold's limits, and all of it towards limits that were set
    after it was made: those refuse nothing that was promised before."""
    own = spend_limits.by_ids(ending.limit_ids(row))
    if amount > row.amount:
        spend_limits.take(own, amount=amount - row.amount, at=at)
    later = [limit for limit in now_apply if limit not in own]
    spend_limits.count(later, [(amount, row.app)], at=at)


def _entered(org_id: UUID, wallet_id: UUID) -> tuple[Wallet, datetime]:
    """The wallet, locked, without expired holds and credit, and the time."""
    wallets.lock_one(org_id, wallet_id)
    now = clock.now()
    ending.end_what_expired(org_id, wallet_id, now)
    return wallets.as_of_now(org_id, [wallet_id])[wallet_id], now


def _locked(hold: Hold) -> tuple[Wallet, Hold, datetime]:
    wallet, now = _entered(hold.org_id, hold.wallet_id)
    return wallet, _find(hold.org_id, hold.id), now


def _find(org_id: UUID, hold_id: UUID) -> Hold:
    query = select(Hold).filter_by(org_id=org_id, id=hold_id)
    return db.session.scalars(query, execution_options={"populate_existing": True}).one()


def _answered(request: HoldRequest, org_id: UUID, mode: str, hold: Hold | None = None) -> HoldStep | None:
    """The step that was taken with this key. Raises KeyReused if it was another one."""
    query = select(HoldStep).filter_by(org_id=org_id, mode=mode, origin=request.origin, key=request.key)
    step = db.session.scalar(query)
    if step is not None and (step.body_hash != request.body_hash or (hold and step.hold_id != hold.id)):
        raise KeyReused("This idempotency key was used for another request.", field="idempotency_key")
    return step


def _require_free_key(request: HoldRequest, wallet: Wallet) -> None:
    """Raise KeyReused if a transaction has the key. A capture's own transaction finds that out itself."""
    if origins.booked(wallet.org_id, wallet.mode, request.origin, [request.key]):
        raise KeyReused("This idempotency key was used for another request.", field="idempotency_key")


def _require_open(row: Hold) -> None:
    if row.state != "open":
        raise HoldNotOpen(f"This hold is {row.state}. Nothing was changed.")


def _expiry(since: datetime, now: datetime, seconds: int) -> datetime:
    if not 0 < seconds <= LONGEST.total_seconds() or now + timedelta(seconds=seconds) > since + LONGEST:
        raise Invalid(f"A hold lasts at most {LONGEST.days} days.", field="expires_in", code="out_of_range")
    return now + timedelta(seconds=seconds)


def _noted(row: Hold, kind: str, request: HoldRequest, now: datetime) -> HoldStep:
    step = HoldStep(
        org_id=row.org_id, id=ids.new(), created_at=now, hold_id=row.id, mode=row.mode, kind=kind,
        origin=request.origin, key=request.key, body_hash=request.body_hash, actor_kind=request.by.kind,
        actor_id=request.by.id, expires_at=row.expires_at,
    )  # fmt: skip
    db.session.add(step)
    db.session.flush()
    return step
