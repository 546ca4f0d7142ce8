"""First answers to POSTs that move no money, kept so that a repeated request gets the same answer again.

A request claims its key before it acts. The claim is checked in the transaction that acts: a request that lost it,
because it took too long, changes nothing. So a request is carried out at most once, even if a process is killed at any
moment.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Delete, Insert, Update, and_, delete, update
from sqlalchemy.dialects.postgresql import insert

from dashboard.core import clock, ids
from dashboard.core.db import db, lock
from dashboard.core.errors import Conflict, Forbidden
from dashboard.domain.funds.ledger import KeyReused
from dashboard.models import FirstAnswer

KEPT = timedelta(days=2)
RUNS_AT_MOST = timedelta(minutes=1)
"""After this time, a claim without an answer can be taken over."""


class RequestInProgress(Conflict):
    code, retry_after = "request_in_progress", 1


class OutcomeUnknown(Conflict):
    code = "outcome_unknown"


class AlreadyCreated(Conflict):
    """The answer held a secret, which was not stored. `id` is of what was made."""

    code = "already_created"


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request with its idempotency key. `owner_id` and `space` say in whose keys, `path` for which call; `scopes` are
    those of its caller."""

    owner_id: UUID
    space: str
    path: str
    key: str
    body_hash: bytes
    scopes: Collection[str]

    @property
    def digest(self) -> bytes:
        return hashlib.sha256("\0".join((self.space, self.path, self.key)).encode()).digest()


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to carry out a request now."""

    owner_id: UUID
    digest: bytes
    id: UUID

    @property
    def held(self) -> ColumnElement[bool]:
        return and_(
            FirstAnswer.owner_id == self.owner_id, FirstAnswer.digest == self.digest, FirstAnswer.claim_id == self.id
        )


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    status: int
    body: str


def claim(wanted: KeyedRequest) -> Claim | StoredAnswer:
    """Claim the key, or return the first answer. Needs a transaction.

    Raises KeyReused for another body, RequestInProgress, AlreadyCreated, OutcomeUnknown if the first request was cut
    off after it changed something, and Forbidden if the first caller had scopes that this one lacks.
    """
    claimed = Claim(wanted.owner_id, wanted.digest, ids.new())
    values = {
        "owner_id": wanted.owner_id, "digest": wanted.digest, "body_hash": wanted.body_hash, "claim_id": claimed.id,
        "claimed_at": clock.now(), "scopes": sorted(wanted.scopes),
    }  # fmt: skip
    if _touched(insert(FirstAnswer).values(values).on_conflict_do_nothing()):
        return claimed
    row = lock(db.select(FirstAnswer).filter_by(owner_id=wanted.owner_id, digest=wanted.digest))
    if row is None:  # the first one was refused in this moment
        raise RequestInProgress("The first request with this idempotency key ends in this moment.")
    if row.body_hash != wanted.body_hash:
        raise KeyReused("This idempotency key was used for another request.", field="idempotency_key")
    if row.status is not None:
        return _stored(row, wanted)
    if row.claimed_at > clock.now() - RUNS_AT_MOST:
        raise RequestInProgress("The first request with this idempotency key is still running.")
    if row.acted:
        raise OutcomeUnknown("The first request with this key was cut off after it changed something. Look first.")
    row.claim_id, row.claimed_at, row.scopes = claimed.id, clock.now(), sorted(wanted.scopes)
    return claimed


def acting(claimed: Claim) -> None:
    """Record that the request changes something, in the transaction that does. Raises RequestInProgress if another
    request has taken over the claim."""
    if not _touched(update(FirstAnswer).where(claimed.held).values(acted=True)):
        raise RequestInProgress("Another request with this idempotency key has taken over.")


def keep(claimed: Claim, status: int, body: str, *, made_id: UUID | None) -> None:
    """Keep the answer; of one that held a secret, only `made_id`. Needs a transaction."""
    values = {"status": status, "body": "" if made_id else body, "made_id": made_id}
    _touched(update(FirstAnswer).where(claimed.held).values(values))


def release(claimed: Claim, *, failed: bool) -> None:
    """Forget a request that was refused; one that `failed` only if it changed nothing. Needs a transaction."""
    _touched(delete(FirstAnswer).where(claimed.held, *([FirstAnswer.acted.is_(False)] if failed else [])))


def purge() -> None:
    """Needs a transaction."""
    db.session.execute(delete(FirstAnswer).where(FirstAnswer.claimed_at < clock.now() - KEPT))


def _stored(row: FirstAnswer, wanted: KeyedRequest) -> StoredAnswer:
    if missing := sorted(set(row.scopes) - set(wanted.scopes)):
        raise Forbidden(f"This key lacks the scope {missing[0]} of the key that made the first request.")
    if row.made_id:
        raise AlreadyCreated("This was made by the first request with this key.", id=str(row.made_id))
    return StoredAnswer(row.status or 0, row.body or "")


def _touched(statement: Insert | Update | Delete) -> bool:
    """Whether the statement changed a row."""
    return db.session.scalar(statement.returning(FirstAnswer.claim_id)) is not None
