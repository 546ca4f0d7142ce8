"""The outbox: an email is a row, written with what causes it and sent later by the worker that claims it.

If a worker dies between sending an email and recording it, the email is sent twice with the same Message-ID.
"""

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from dashboard.config import settings
from dashboard.core import clock, crypto, ids, mail, queue
from dashboard.core.db import db, in_transaction, lock, require_org
from dashboard.core.errors import Conflict, Invalid, NotFound
from dashboard.core.mail import Attachment, MailError, Rendered
from dashboard.core.work_queue import Claim, Outcome, WorkQueue, backoff
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.models import OutboxEmail

DRAIN = "dashboard.jobs.outbox.drain"
queue.ROUTES[DRAIN] = queue.MAIL
MAX_ATTEMPTS = 20
AWAY_PAUSE_SECONDS = 60
FIRST_PAUSE_SECONDS = 15
LONGEST_PAUSE_SECONDS = 3600
ORGS_AT_ONCE = 200
"""About as many emails as are sent between two ticks. Those about accounts are in an organization of one person each,
so after an outage there are many organizations with one email."""

Attach = Mapping[str, Callable[[dict[str, Any]], list[Attachment]]]
"""The attachments of an event's emails, created from their context."""

log = logging.getLogger(__name__)

WORK = WorkQueue(
    OutboxEmail,
    job=DRAIN,
    open_states=("waiting", "failed"),
    due_at=OutboxEmail.next_attempt_at,
    attempts=OutboxEmail.attempts,
)


def send(
    org_id: UUID, *, key: str, event: str, to: str, context: dict[str, Any], secret: str | None = None
) -> UUID | None:
    """Queue an email, once per (organization, `key`). It is sent after the open transaction commits.

    `event` names its templates. `context` is all that they see: JSON values, never a secret. The `secret` of a link is
    passed to them as `token`; the row stores it encrypted, and only until the email is sent. Returns the row's id, or
    None if the email was already queued. Raises Invalid unless the recipient is one address on one line.
    """
    if not in_transaction():
        raise RuntimeError("a mail is owed in the transaction of what it tells of")
    require_org(org_id)
    try:
        mail.require_address(to)
    except ValueError:
        raise Invalid("This is not one email address.", field="to", code="invalid_address") from None
    if not event.replace("_", "").isalpha() or mail.one_line(key) != key:
        raise Invalid("A mail's event is a word, its key one line.", code="invalid_mail")
    row = {"org_id": org_id, "id": ids.new(), "created_at": clock.now(), "state": "waiting", "attempts": 0}
    sealed = crypto.encrypt(secret, org_id=org_id, purpose=f"mail {event}") if secret else None
    made: UUID | None = db.session.scalar(
        insert(OutboxEmail)
        .values(**row, key=key, event=event, to_address=to, context=context, secret=sealed)
        .on_conflict_do_nothing(index_elements=["org_id", "key"])
        .returning(OutboxEmail.id)
    )
    if made and settings().smtp.url:
        WORK.wake(org_id)
    return made


def owed(org_id: UUID, key: str) -> OutboxEmail | None:
    """The email for a fact, in any state."""
    return db.session.scalar(select(OutboxEmail).filter_by(org_id=org_id, key=key))


def find(org_id: UUID, mail_id: UUID) -> OutboxEmail:
    """Raises NotFound."""
    row = db.session.scalar(
        select(OutboxEmail).filter_by(org_id=org_id, id=mail_id), execution_options={"populate_existing": True}
    )
    if row is None:
        raise NotFound("There is no such email.")
    return row


def newest(most: int) -> list[OutboxEmail]:
    """Emails of all organizations, in any state. Reads all of them: for development."""
    return list(db.session.scalars(select(OutboxEmail).order_by(OutboxEmail.id.desc()).limit(most)))


def unsent(most: int) -> list[OutboxEmail]:
    """Unsent emails of all organizations: parked ones, then those that wait or are retried, oldest first; at most
    `most` of each."""
    parked = select(OutboxEmail).where(OutboxEmail.state == "parked")
    owing = select(OutboxEmail).where(OutboxEmail.state.in_(("waiting", "failed")))
    return [row for query in (parked, owing) for row in db.session.scalars(query.order_by(OutboxEmail.id).limit(most))]


def due() -> list[UUID]:
    """Organizations with emails due now. None if there is no mail server: emails then wait, and nothing is tried."""
    return WORK.due(most=ORGS_AT_ONCE) if settings().smtp.url else []


def drain(org_id: UUID, *, attach: Attach, seconds: int = 20) -> bool:
    """Send due emails one at a time for up to `seconds`. Returns True if there may be more.

    Opens its own transactions before and after each call of the server, never during it. Call it outside a transaction.
    """
    if not settings().smtp.url:
        return False
    attempt = functools.partial(_attempt, attach=attach)
    return WORK.drain(org_id, attempt, claim_seconds=settings().jobs.claim_seconds, seconds=seconds)


def retry(row: OutboxEmail, *, by: Actor) -> None:
    """Send a parked or failing email again, at once. Locks it. Raises Conflict."""
    current = _locked(row)
    if current.state not in ("parked", "failed"):
        raise Conflict(f"The email is {current.state}; there is nothing to retry.", code="not_retryable")
    audit.record(
        current, "email.retried", by=by, before={"state": current.state, "error": current.error},
        after={"state": "waiting"},
    )  # fmt: skip
    WORK.repeat(current, state="waiting")


def dismiss(row: OutboxEmail, *, by: Actor) -> None:
    """Give up a parked email: it is never sent. Locks it. Raises Conflict."""
    current = _locked(row)
    if current.state != "parked":
        raise Conflict(f"The email is {current.state}; only parked emails can be dismissed.", code="not_parked")
    audit.record(
        current, "email.dismissed", by=by, before={"state": current.state, "error": current.error},
        after={"state": "dismissed"},
    )  # fmt: skip
    current.state, current.secret = "dismissed", None


def rendered(row: OutboxEmail) -> Rendered:
    """The content of the email. The token of its link is shown as dots after it was sent. Raises CannotDecrypt."""
    token = crypto.decrypt(row.secret, org_id=row.org_id, purpose=f"mail {row.event}") if row.secret else "..."
    return mail.render(row.event, row.context | {"token": token})


def _locked(row: OutboxEmail) -> OutboxEmail:
    current = lock(select(OutboxEmail).filter_by(org_id=row.org_id, id=row.id))
    if current is None:
        raise NotFound
    return current


def _attempt(row: OutboxEmail, claim: Claim, *, attach: Attach) -> Outcome:
    """One attempt. If the server accepts no email at all, it does not count: the email is sent when the server is
    back."""
    refusal = _try(row, attach)
    if refusal is None:
        return Outcome({"state": "sent", "error": None, "sent_at": clock.now(), "secret": None})
    if refusal.away:
        return Outcome({"state": "failed", "error": refusal.detail}, pause=AWAY_PAUSE_SECONDS, stop=True, counts=False)
    if not refusal.final and claim.attempt < MAX_ATTEMPTS:
        pause = backoff(claim.attempt, first=FIRST_PAUSE_SECONDS, longest=LONGEST_PAUSE_SECONDS)
        return Outcome({"state": "failed", "error": refusal.detail}, pause=pause)
    reason = refusal.detail if refusal.final else f"Tried {claim.attempt} times. Last: {refusal.detail}"
    log.error("mail parked", extra={"mail": str(row.id), "event_name": row.event})
    return Outcome({"state": "parked", "error": reason})


def _try(row: OutboxEmail, attach: Attach) -> MailError | None:
    """Why the email was not sent; None if it was. Never raises for anything that a server or a template can cause."""
    smtp = settings().smtp
    if row.attempts > MAX_ATTEMPTS:
        return MailError(f"Tried {MAX_ATTEMPTS} times without an end; a worker may have died of it.", final=True)
    try:
        message = mail.compose(
            rendered(row), sender=str(smtp.sender), to=row.to_address,
            message_id=str(row.id), attachments=attach[row.event](row.context) if row.event in attach else [],
        )  # fmt: skip
        mail.post(message, url=smtp.url.get_secret_value() if smtp.url else "")
    except MailError as error:
        return error
    except Exception as error:
        log.exception("mail failed", extra={"mail": str(row.id)})
        db.session.rollback()
        return MailError(f"Unexpected {type(error).__name__}; see the log.")
    return None
