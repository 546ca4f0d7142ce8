"""The only writer of money. A wallet changes only by a row posted here; rows never change, and corrections are new
rows.

One posting is one statement: it locks the wallet, inserts the row unless its business fact was already posted, and
updates the balance and the daily total. Under READ COMMITTED, the lock re-reads the newest balance, and ON CONFLICT
sees rows that the statement's snapshot does not.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, TextClause
from sqlalchemy.exc import DataError

from dashboard.core import clock, ids, metrics
from dashboard.core.db import after_commit, autocommit, db, in_transaction, require_org, sqlstate
from dashboard.core.errors import CofferError, InsufficientFunds, Invalid, NotFound
from dashboard.core.money import LARGEST
from dashboard.domain.audit import Actor
from dashboard.domain.funds import ledger_sql, origins, wallets
from dashboard.domain.funds.holds import ending
from dashboard.models import SPENDING, TRANSACTION_TYPES, Transaction, TransactionType, Wallet

BATCH_LIMIT = 5_000


class WalletFrozen(CofferError):
    status, code = 402, "wallet_frozen"


class RemovalTooLarge(CofferError):
    status, code = 409, "removal_too_large"


class KeyReused(Invalid):
    code = "idempotency_key_reused"


NUMBER_OUT_OF_RANGE = "22003"


@dataclass(frozen=True, slots=True)
class NewGrant:
    """A part of a credit: `paid` or `promotional`, and what it was given for. Lower priority is spent first.

    What is left of it expires at `expires_at`.
    """

    kind: str
    category: str
    amount: int
    priority: int = 0
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Posting:
    """A posted row. `replayed`: its business fact was posted before, and nothing was moved now."""

    id: UUID
    wallet_id: UUID
    seq: int
    type: str
    amount: int
    balance_before: int
    balance_after: int
    created_at: datetime
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One charge of a batch. `amount` is what it costs, above zero. `member_id`: the user to whom it counts, if not the
    one who acts."""

    wallet_id: UUID
    amount: int
    key: str
    description: str = ""
    app: str = ""
    body_hash: bytes | None = None
    member_id: UUID | None = None


def body_hash(path: str, fields: dict[str, Any]) -> bytes:
    """A hash of what a request asked for, without its key: SHA-256 over the path and the parsed fields in order of
    name."""
    return hashlib.sha256(path.encode() + b"\n" + orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).digest()


def post(
    wallet: Wallet,
    *,
    type: str,
    amount: int,
    origin: str,
    key: str,
    by: Actor,
    description: str = "",
    reason: str | None = None,
    app: str = "",
    body_hash: bytes | None = None,
    member_id: UUID | None = None,
    payment_id: UUID | None = None,
    grant_id: UUID | None = None,
    slices: Sequence[NewGrant] = (),
    allow_negative: bool = False,
) -> Posting:
    """Post one row of `amount` (signed, in the wallet's smallest unit) and return it.

    Once per (organization, mode, `origin`, `key`), forever: a repeated call with the same wallet, type, amount and body
    hash returns the first row; with different values it raises KeyReused. Locks the wallet until the end of the
    transaction, or for the statement if none is open. A credit opens `slices`, which must add up to it. A charge needs
    `available >= amount` down to the overdraft limit (InsufficientFunds, WalletFrozen). A removal needs it down to zero
    (RemovalTooLarge) unless `allow_negative`, which affects no other type. Only `credit_grants.removal` passes
    `grant_id`. A refund and a dispute may go below. Before a debit, what has expired ends (holds, then credit), in its
    own transaction if none is open. The row counts to `member_id`, by default to whom the actor's actions count.
    """
    require_org(wallet.org_id)
    if not -LARGEST <= amount <= LARGEST or not amount or amount * TRANSACTION_TYPES[type].sign < 0:
        raise Invalid("The amount is out of range.", field="amount")
    if amount > 0 and sum(part.amount for part in slices) != amount:
        raise ValueError("the slices of a credit must add up to it")
    now = clock.now()
    values = {
        "org": wallet.org_id, "wallet": wallet.id, "id": ids.new(), "at": now, "type": type, "amount": amount,
        "origin": origin, "key": key, "body_hash": body_hash, "description": description, "reason": reason,
        "actor_kind": by.kind, "actor_id": by.id, "app": app, "member_id": member_id or by.user_id,
        "payment_id": payment_id, "grant_id": grant_id,
    }  # fmt: skip
    if amount > 0:
        late = any(part.expires_at and part.expires_at <= now for part in slices)
        row = None if late else _execute(ledger_sql.CREDIT, values | _columns(slices))
    else:
        row = _debit(values | _floor(TRANSACTION_TYPES[type], lifted=allow_negative))
    if row is not None:
        after_commit(partial(metrics.posted, type))
        return Posting(row.id, wallet.id, row.seq, type, amount, row.balance_before, row.balance_after, row.created_at)
    return _replay_or_refuse(wallet.org_id, wallet.id, type, amount, origin, key, body_hash)


def post_batch(
    org_id: UUID, entries: Sequence[LedgerEntry], *, mode: str, origin: str, by: Actor, type: str = "charge"
) -> list[Posting | CofferError]:
    """Post many charges of one organization. The results are in the order of `entries`; rejected charges are returned
    as their errors.

    Needs an open transaction. Locks the wallets in order of id, for the rest of it, before it reads what it decides on.
    Within a wallet, the charges are applied in order, and none after the first that does not fit. At most 5,000
    entries.
    """
    if not in_transaction():
        raise RuntimeError("a batch needs a transaction")
    require_org(org_id)
    if type not in SPENDING or len(entries) > BATCH_LIMIT or any(not 0 < e.amount <= LARGEST for e in entries):
        raise Invalid("The batch is too large or holds an amount that is out of range.")
    row_ids, now = ids.many(len(entries)), clock.now()
    values = {
        "org": org_id, "mode": mode, "origin": origin, "type": type, "at": now,
        "actor_kind": by.kind, "actor_id": by.id, "members": [e.member_id or by.user_id for e in entries],
        "ids": row_ids, "wallets": [e.wallet_id for e in entries],
        "amounts": [-e.amount for e in entries], "keys": [e.key for e in entries], "apps": [e.app for e in entries],
        "descriptions": [e.description for e in entries], "hashes": [e.body_hash for e in entries],
    }  # fmt: skip
    connection = db.session.connection()
    connection.execute(ledger_sql.PLAN)
    locked = {"org": org_id, "wallets": sorted({e.wallet_id for e in entries}), "at": now}
    for wallet in connection.execute(ledger_sql.LOCK, locked).all():
        if wallet.holding or wallet.lapsed:
            ending.end_what_expired(org_id, wallet.id, now)
    posted = {row.id: row for row in connection.execute(ledger_sql.BATCH, values)}
    after_commit(partial(metrics.posted, type, len(posted)))
    return _in_order(org_id, entries, row_ids, posted, mode=mode, type=type, origin=origin)


def refusal(wallet: Wallet, amount: int, *, at: datetime) -> InsufficientFunds | WalletFrozen | None:
    """Why the wallet, which is locked, would refuse to be charged this much; None if it would not. Ends what has
    expired, as a charge does."""
    ending.end_what_expired(wallet.org_id, wallet.id, at)
    current = wallets.as_of_now(wallet.org_id, [wallet.id])[wallet.id]
    if current.frozen_at is None and current.available + current.overdraft_limit >= amount:
        return None
    return _refused(current, amount)


def _in_order(
    org_id: UUID,
    entries: Sequence[LedgerEntry],
    row_ids: Sequence[UUID],
    posted: dict[UUID, Row[Any]],
    *,
    mode: str,
    type: str,
    origin: str,
) -> list[Posting | CofferError]:
    """Each entry's result. Two queries tell apart all entries that moved nothing."""
    left = [entry for entry, row_id in zip(entries, row_ids, strict=True) if row_id not in posted]
    result, booked = _current_and_booked(org_id, left, mode, origin) if left else ({}, {})
    results: list[Posting | CofferError] = []
    for entry, row_id in zip(entries, row_ids, strict=True):
        try:
            row = posted.get(row_id)
            results.append(
                _posting(row, replayed=False)
                if row
                else _judge(result.get(entry.wallet_id), booked.get(entry.key), type, -entry.amount, entry.body_hash)
            )
        except CofferError as refusal:
            results.append(refusal)
    return results


def _current_and_booked(
    org_id: UUID, entries: Sequence[LedgerEntry], mode: str, origin: str
) -> tuple[dict[UUID, Wallet], dict[str, Transaction]]:
    """The current wallets, and the rows posted under the entries' keys."""
    current = wallets.as_of_now(org_id, {entry.wallet_id for entry in entries})
    booked = origins.booked(org_id, mode, origin, {entry.key for entry in entries})
    return {wallet_id: wallet for wallet_id, wallet in current.items() if wallet.mode == mode}, booked


def _debit(values: dict[str, Any]) -> Row[Any] | None:
    """The debit's row. If nothing was moved, what has expired ends first, and the debit is tried again."""
    row = _execute(ledger_sql.DEBIT, values)
    if row is None and ending.end_what_expired(values["org"], values["wallet"], values["at"]):
        row = _execute(ledger_sql.DEBIT, values)
    return row


def _floor(kind: TransactionType, *, lifted: bool) -> dict[str, bool]:
    """Whether the debit has a floor, and whether that is the overdraft limit and applies to a frozen wallet."""
    floored = kind.floor != "none" and not (kind.liftable and lifted)
    return {"floored": floored, "spending": kind.spending}


def _execute(statement: TextClause, values: dict[str, Any]) -> Row[Any] | None:
    connection = db.session.connection() if in_transaction() else autocommit()
    try:
        return connection.execute(statement, values).one_or_none()
    except DataError as error:
        if sqlstate(error) != NUMBER_OUT_OF_RANGE:
            raise Invalid("The text contains characters that can't be stored.") from error
        raise Invalid("The balance cannot hold this amount.", field="amount") from error


def _columns(slices: Sequence[NewGrant]) -> dict[str, Any]:
    return {
        "slice_ids": [ids.new() for _ in slices],
        "slice_kinds": [part.kind for part in slices],
        "slice_categories": [part.category for part in slices],
        "slice_amounts": [part.amount for part in slices],
        "slice_priorities": [part.priority for part in slices],
        "slice_expiries": [part.expires_at for part in slices],
        "expires_at": min((part.expires_at for part in slices if part.expires_at), default=None),
    }


def _replay_or_refuse(
    org_id: UUID, wallet_id: UUID, type: str, amount: int, origin: str, key: str, body_hash: bytes | None
) -> Posting:
    """Why the statement moved nothing: the fact was already posted, or the wallet did not allow it."""
    wallet = wallets.as_of_now(org_id, [wallet_id]).get(wallet_id)
    booked = origins.booked(org_id, wallet.mode, origin, [key]).get(key) if wallet else None
    return _judge(wallet, booked, type, amount, body_hash)


def _judge(
    wallet: Wallet | None, booked: Transaction | None, type: str, amount: int, body_hash: bytes | None
) -> Posting:
    if wallet is None:
        raise NotFound("There is no such wallet.")
    if booked is not None:
        if (booked.wallet_id, booked.type, booked.amount, booked.body_hash) != (wallet.id, type, amount, body_hash):
            raise KeyReused("This idempotency key was used for another request.", field="idempotency_key")
        return _posting(booked, replayed=True)
    if amount > 0:
        raise Invalid("The credit would already have expired.", field="expires_at")
    if TRANSACTION_TYPES[type].liftable:
        raise RemovalTooLarge("This is more than the balance. Nothing was changed.", available_micros=wallet.available)
    raise _refused(wallet, -amount, spending=type in SPENDING)


def _refused(wallet: Wallet, amount: int, *, spending: bool = True) -> InsufficientFunds | WalletFrozen:
    if spending and wallet.frozen_at is not None:
        return WalletFrozen("This wallet is frozen while a payment is disputed. Nothing was changed.")
    return InsufficientFunds(available_micros=wallet.available + wallet.overdraft_limit, required_micros=amount)


def _posting(row: Any, *, replayed: bool) -> Posting:
    return Posting(
        row.id, row.wallet_id, row.seq, row.type, row.amount, row.balance_before, row.balance_after, row.created_at,
        replayed,
    )  # fmt: skip
