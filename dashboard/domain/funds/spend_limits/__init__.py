"""Spend limits: the most that an organization, a member, an app or a key may spend per UTC day, week or month.

What is spent is counted in its own transaction, towards every limit that applies. Wallets are locked first, then the
limits' windows in order of id, so that any number of parallel requests cannot pass a limit. `changes` creates and
changes limits.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text, tuple_

from dashboard.core import clock, ids
from dashboard.core.db import db, in_transaction
from dashboard.domain.funds.spend_limits.refusals import KEY, KeyCapExceeded, Limit, LimitReached, refusal
from dashboard.domain.funds.spend_limits.windows import LimitId, LimitUsage, end_of, start_of, usages, with_usage
from dashboard.models import LIMIT_SCOPES, WINDOWS, Organization, SpendLimit

__all__ = [
    "KEY",
    "KeyCapExceeded",
    "Limit",
    "LimitId",
    "LimitReached",
    "LimitUsage",
    "Spender",
    "applicable",
    "by_ids",
    "count",
    "end_of",
    "fitting",
    "for_app",
    "give_back",
    "start_of",
    "take",
    "usages",
    "with_usage",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spender:
    """Who spends: the user to whom it counts (as in `transactions.member_id`), the cap of the key, and the app."""

    member_id: UUID | None = None
    key: LimitId | None = None
    app: str = ""


_COLUMNS = 'l.org_id, l.id, l.scope, l.scope_id, l."window", l.amount, l.hard, l.created_at'
_APPLICABLE = text(f"""SELECT {_COLUMNS}
FROM unnest(CAST(:scopes AS text[]), CAST(:subjects AS text[])) AS s(scope, scope_id)
JOIN limits AS l ON l.org_id = CAST(:org AS uuid) AND l.mode = CAST(:mode AS text) AND l.scope = s.scope
  AND l.scope_id = s.scope_id AND l.ended_at IS NULL
UNION ALL
SELECT {_COLUMNS} FROM limits AS l
WHERE l.org_id = CAST(:key_org AS uuid) AND l.id = CAST(:key AS uuid) AND l.ended_at IS NULL""")  # noqa: S608 - constant parts only

# ON CONFLICT locks and re-reads the row of the window, so that the sum has what others added in the meantime.
_ADD = text("""INSERT INTO limit_windows AS w (org_id, limit_id, window_start, spent)
SELECT n.org_id, n.limit_id, n.start, n.amount
FROM unnest(CAST(:orgs AS uuid[]), CAST(:limits AS uuid[]), CAST(:starts AS date[]), CAST(:amounts AS bigint[]))
  AS n(org_id, limit_id, start, amount)
ORDER BY n.org_id, n.limit_id
ON CONFLICT (org_id, limit_id, window_start) DO UPDATE SET spent = w.spent + excluded.spent
RETURNING limit_id, spent""")

_SUBTRACT = text("""UPDATE limit_windows SET spent = greatest(spent - :amount, 0)
WHERE org_id = :org AND limit_id = :limit AND window_start = :start""")

_ALERT = text("""INSERT INTO limit_alerts (org_id, id, created_at, limit_id, window_start, amount, spent)
VALUES (:org, :id, :at, :limit, :start, :amount, :spent) ON CONFLICT (org_id, limit_id, window_start) DO NOTHING""")


def applicable(org: Organization, spender: Spender, *, mode: str, apps: Collection[str] = ()) -> tuple[Limit, ...]:
    """The limits that apply to the dollars that `spender` spends, with its app or one of `apps` (`for_app`), in the
    order in which a refusal names one: by LIMIT_SCOPES, the longest window first.

    One query; none if the organization has no limits and the key has no cap. `org` is as the request loaded it.
    """
    subjects = [("org", str(org.id))]
    subjects += [("member", str(spender.member_id))] if spender.member_id else []
    subjects += [("app", app) for app in sorted({spender.app, *apps} - {""})]
    if not org.has_limits:
        subjects = []
    if not subjects and spender.key is None:
        return ()
    key_org, key = spender.key or (None, None)
    values = {
        "org": org.id, "mode": mode, "scopes": [scope for scope, _ in subjects], "key_org": key_org, "key": key,
        "subjects": [subject for _, subject in subjects],
    }  # fmt: skip
    return tuple(sorted((Limit(*row) for row in db.session.execute(_APPLICABLE, values)), key=_rank))


def by_ids(wanted: Iterable[LimitId]) -> list[Limit]:
    """These limits as they are now, without those that have ended."""
    keys = sorted(set(wanted))
    columns = (getattr(SpendLimit, name) for name in Limit.__dataclass_fields__)
    query = select(*columns).where(tuple_(SpendLimit.org_id, SpendLimit.id).in_(keys))
    query = query.where(SpendLimit.ended_at.is_(None))
    return [Limit(*row) for row in db.session.execute(query)] if keys else []


def for_app(limits: Iterable[Limit], app: str) -> tuple[Limit, ...]:
    """Those that apply to what is spent with `app`."""
    return tuple(limit for limit in limits if limit.scope != "app" or limit.scope_id == app)


def take(limits: Sequence[Limit], *, amount: int, at: datetime) -> None:
    """Count `amount` micros, spent at `at`, towards each of these limits.

    Raises LimitReached (KeyCapExceeded for a key's cap) if a hard one has no room. Needs the transaction that spends,
    so that an error rolls it back, and must follow the posting: wallets are locked before windows. Locks the windows.
    What first passes a soft limit in a window writes a LimitAlert.
    """
    _require_transaction()
    taken = dict.fromkeys(limits, amount)
    spent = _add(taken, at)
    error = refusal(limits, {limit: spent[limit] - amount for limit in limits}, amount, at)
    if error is not None:
        raise error
    _alert(taken, spent, at)


def fitting(
    limits: Sequence[Limit], charges: Sequence[tuple[int, str]], *, at: datetime
) -> tuple[int, LimitReached | None]:
    """How many of these charges (amount and app), in order, the limits have room for, and the refusal of the next one.

    Counts nothing (`count` does). Needs the transaction that spends; locks the windows, after the wallets.
    """
    _require_transaction()
    spent = _add(dict.fromkeys(limits, 0), at)
    for number, (amount, app) in enumerate(charges):
        tested = for_app(limits, app)
        if error := refusal(tested, spent, amount, at):
            return number, error
        for limit in tested:
            spent[limit] += amount
    return len(charges), None


def count(limits: Sequence[Limit], charges: Iterable[tuple[int, str]], *, at: datetime) -> None:
    """Count charges that `fitting` found to fit, in its transaction, which has the windows locked."""
    sums = dict.fromkeys(limits, 0)
    for amount, app in charges:
        for limit in for_app(limits, app):
            sums[limit] += amount
    taken = {limit: amount for limit, amount in sums.items() if amount}
    _alert(taken, _add(taken, at), at)


def give_back(limits: Iterable[Limit], *, amount: int, at: datetime) -> None:
    """Take `amount` off the windows in which it was counted at `at`: a hold was released, or a charge was voided.

    `limits` are those that apply now. A key's counts from its creation, so nothing earlier is given back to it. Needs a
    transaction. Locks the windows, after the wallets.
    """
    _require_transaction()
    counted = [limit for limit in limits if limit.scope != KEY or limit.created_at <= at]
    for limit in sorted(counted, key=lambda one: (one.org_id, one.id)):
        values = {"org": limit.org_id, "limit": limit.id, "start": start_of(limit.window, at), "amount": amount}
        db.session.execute(_SUBTRACT, values)


def alert(limit: Limit, *, spent: int, at: datetime) -> None:
    """Write down that a soft limit is passed in the window around `at`, unless this was done before."""
    values = {
        "org": limit.org_id, "id": ids.new(), "at": clock.now(), "limit": limit.id, "amount": limit.amount,
        "start": start_of(limit.window, at), "spent": spent,
    }  # fmt: skip
    db.session.execute(_ALERT, values)


def _rank(limit: Limit) -> tuple[int, int, UUID]:
    return LIMIT_SCOPES.index(limit.scope), -WINDOWS.index(limit.window), limit.id


def _require_transaction() -> None:
    if not in_transaction():
        raise RuntimeError("spending with a limit needs a transaction")


def _add(sums: Mapping[Limit, int], at: datetime) -> dict[Limit, int]:
    """Add to the limits' windows and lock them. Returns what is spent in each."""
    if not sums:
        return {}
    values = {
        "orgs": [limit.org_id for limit in sums], "limits": [limit.id for limit in sums],
        "starts": [start_of(limit.window, at) for limit in sums], "amounts": list(sums.values()),
    }  # fmt: skip
    spent = {row.limit_id: row.spent for row in db.session.execute(_ADD, values)}
    return {limit: spent[limit.id] for limit in sums}


def _alert(taken: Mapping[Limit, int], spent: Mapping[Limit, int], at: datetime) -> None:
    for limit in taken:
        if not limit.hard and spent[limit] - taken[limit] <= limit.amount < spent[limit]:
            alert(limit, spent=spent[limit], at=at)
