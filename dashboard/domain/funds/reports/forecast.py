"""Forecasts when the balance runs out. Uses only integers: pace, range and dates come from the daily totals in
`wallet_days`.

The pace is the mean net debit of the last 7 full UTC days: charges and consumption, without purchases, grants, refunds
and reversals. If usage began less than 7 days ago, it uses the days since then. The range is computed in the same way
from the 20th and 80th percentile (nearest rank) of the daily debits of the last 28 days. The balance runs out on the
first day on which the projected balance is zero or less. Credit with an expiry date is spent in its order, and what is
left of it then expires.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select, tuple_

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain.funds import expiry
from dashboard.domain.funds.credit_grants import settlement
from dashboard.models import SPENDING, Transaction, Wallet, WalletDay

State = Literal["out_of_credits", "needs_data", "no_usage", "over_a_year", "runs_out"]

Parts = tuple[tuple[int, date | None], ...]
"""Micros and their last day; None without one."""

PACE_DAYS = 7
RANGE_DAYS = 28
LEAST_DAYS = 3
HORIZON_DAYS = 365
LOOK_BACK_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Forecast:
    """`days`, `runs_out_on`, `earliest` and `latest` are set only in state `runs_out`; `latest` is None beyond a year.

    `pace_micros` is per day, rounded up, 0 without usage. `since` is set only when out of credits: the moment the
    balance crossed zero, or None if that is more than 20,000 rows ago. `debits`: the cost of each of the last full
    days, newest first, at most 28, back to the first day of use.
    """

    state: State
    balance_micros: int
    pace_micros: int
    today: date
    debits: tuple[int, ...]
    days: int | None = None
    runs_out_on: date | None = None
    earliest: date | None = None
    latest: date | None = None
    since: datetime | None = None
    parts: Parts = ()

    def after(self, extra_micros: int, last_day: date | None = None) -> "Forecast":
        """The same forecast with `extra_micros` more in the wallet, until `last_day` if they have one: for the preview
        of a purchase, a grant or a removal."""
        balance, parts = self.balance_micros + extra_micros, self.parts
        if last_day and extra_micros > 0:
            added = min(extra_micros, max(balance, 0))
            parts = ((added, last_day), *(parts or ((balance - added, None),)))
        elif parts and extra_micros > 0:
            parts = (*parts, (extra_micros, None))
        elif parts:
            parts = tuple(_spent(parts, -extra_micros))
        return project(balance, self.debits, self.today, parts)

    @property
    def next_lapse(self) -> tuple[int, date] | None:
        """How much of today's balance expires next, and after which day."""
        first = min((last_day for micros, last_day in self.parts if last_day and micros), default=None)
        return (sum(micros for micros, last_day in self.parts if last_day == first), first) if first else None


def of(wallet: Wallet) -> Forecast:
    """The forecast of one wallet as of now."""
    result = of_many([wallet])[wallet.id]
    return replace(result, since=_since(wallet)) if result.state == "out_of_credits" else result


def of_many(wallets: Sequence[Wallet]) -> dict[UUID, Forecast]:
    """The forecasts of many wallets by wallet id, in three queries however many there are; without `since`."""
    today = clock.today()
    earliest = today - timedelta(days=RANGE_DAYS)
    spent: dict[UUID, dict[date, int]] = {wallet.id: {} for wallet in wallets}
    rows = db.session.execute(
        select(WalletDay.wallet_id, WalletDay.day, -func.sum(WalletDay.amount))
        .where(tuple_(WalletDay.org_id, WalletDay.wallet_id).in_([(wallet.org_id, wallet.id) for wallet in wallets]))
        .where(WalletDay.type.in_(SPENDING), WalletDay.day < today, WalletDay.day >= earliest)
        .group_by(WalletDay.wallet_id, WalletDay.day)
    )
    for wallet_id, day, micros in rows:
        spent[wallet_id][day] = int(micros)
    used_before, parts = _used_before(wallets, earliest), _parts(wallets)
    return {
        wallet.id: project(
            wallet.balance,
            _debits(spent[wallet.id], today, wallet.id in used_before),
            today,
            parts.get(wallet.id, ()),
        )
        for wallet in wallets
    }


def project(balance: int, debits: Sequence[int], today: date, parts: Parts = ()) -> Forecast:
    """The forecast from a balance and the costs of the last full days, newest first (at most 28 count).

    `parts` make up the balance if some of it has a last day, in the order in which they are spent.
    """
    recent = debits[:PACE_DAYS]
    total = sum(recent)
    pace = _divided_up(total, len(recent)) if recent else 0
    base = Forecast("needs_data", balance, pace, today, tuple(debits[:RANGE_DAYS]), parts=parts)
    if balance <= 0:
        return replace(base, state="out_of_credits")
    if len(debits) < LEAST_DAYS:
        return base
    days = _lasts(base, max(total, 0), len(recent))
    if days > HORIZON_DAYS:
        return replace(base, state="over_a_year" if total > 0 else "no_usage")
    slow, fast = (max(_percentile(base.debits, percent), 0) for percent in (20, 80))
    soonest, longest = min(days, _lasts(base, fast, 1)), max(days, _lasts(base, slow, 1))
    return replace(
        base,
        state="runs_out",
        days=days,
        runs_out_on=today + timedelta(days=days),
        earliest=today + timedelta(days=soonest),
        latest=today + timedelta(days=longest) if longest <= HORIZON_DAYS else None,
    )


def _lasts(base: Forecast, total: int, per_days: int) -> int:
    """The number of days until nothing is left at this pace of `total` in so many days; more than the horizon if some
    is left."""
    if not base.parts:
        return _divided_up(base.balance_micros * per_days, total) if total else HORIZON_DAYS + 1
    parts = list(base.parts)
    for day in range(1, HORIZON_DAYS + 1):
        use = total * day // per_days - total * (day - 1) // per_days
        over = base.today + timedelta(days=day)
        parts = [part for part in _spent(parts, use) if part[1] is None or part[1] >= over]
        if not parts:
            return day
    return HORIZON_DAYS + 1


def _spent(parts: Sequence[tuple[int, date | None]], amount: int) -> list[tuple[int, date | None]]:
    """What is left of the parts after `amount` was spent of them in their order."""
    left = []
    for micros, last_day in parts:
        taken = min(micros, amount)
        amount -= taken
        if micros > taken:
            left.append((micros - taken, last_day))
    return left


def _parts(wallets: Sequence[Wallet]) -> dict[UUID, Parts]:
    """Only for wallets with an expiry date: the others need no query."""
    dated = [wallet for wallet in wallets if wallet.next_expiry_at is not None]
    now = clock.now()  # what expired before and is still there is kept by a hold
    return {
        wallet_id: tuple(
            (part.remaining, expiry.last_day(part.expires_at) if part.expires_at and part.expires_at > now else None)
            for part in parts
        )
        for wallet_id, parts in (settlement.open_grants_of(dated) if dated else {}).items()
    }


def _debits(spent: dict[date, int], today: date, used_before: bool) -> tuple[int, ...]:
    """The full days back to the first with usage, newest first; days without usage in between count as zero."""
    first = today - timedelta(days=RANGE_DAYS) if used_before else min(spent, default=today)
    return tuple(spent.get(today - timedelta(days=back), 0) for back in range(1, (today - first).days + 1))


def _used_before(wallets: Sequence[Wallet], day: date) -> set[UUID]:
    used = (
        select(WalletDay.wallet_id)
        .where(WalletDay.org_id == Wallet.org_id, WalletDay.wallet_id == Wallet.id)
        .where(WalletDay.day < day, WalletDay.type.in_(SPENDING))
        .exists()
    )
    wanted = tuple_(Wallet.org_id, Wallet.id).in_([(wallet.org_id, wallet.id) for wallet in wallets])
    return set(db.session.scalars(select(Wallet.id).where(wanted, used)))


def _since(wallet: Wallet) -> datetime | None:
    """When the balance last crossed zero, among the newest 20,000 rows."""
    newest = (
        select(Transaction.created_at, Transaction.seq, Transaction.balance_before, Transaction.balance_after)
        .where(Transaction.org_id == wallet.org_id, Transaction.wallet_id == wallet.id)
        .order_by(Transaction.seq.desc())
        .limit(LOOK_BACK_ROWS)
        .subquery()
    )
    return db.session.scalar(
        select(newest.c.created_at)
        .where(newest.c.balance_before > 0, newest.c.balance_after <= 0)
        .order_by(newest.c.seq.desc())
        .limit(1)
    )


def _percentile(values: Sequence[int], percent: int) -> int:
    """Nearest rank: the smallest value that at least `percent` of them do not exceed."""
    return sorted(values)[max(_divided_up(len(values) * percent, 100), 1) - 1]


def _divided_up(amount: int, by: int) -> int:
    return -(-amount // by)
