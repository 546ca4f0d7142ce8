"""The outbox: a mail is a row written with what causes it, and sent afterwards by whoever claims it first.

Between sending and noting that it was sent a worker may die; the mail then goes twice, under the same Message-ID.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import insert

from dashboard.config import settings
from dashboard.core import clock, crypto, ids, mail, queue
from dashboard.core.db import autocommit, db, in_transaction, lock, require_org, transaction
from dashboard.core.errors import Conflict, Invalid, NotFound
from dashboard.core.mail import Attachment, MailError, Rendered
from dashboard.domain import audit
from dashboard.domain.audit import Actor
from dashboard.models import OutboxEmail

DRAIN = "dashboard.jobs.outbox.drain"
queue.ROUTES[DRAIN] = queue.MAIL
MAX_ATTEMPTS = 20
AWAY_PAUSE_SECONDS = 60
FIRST_PAUSE_SECONDS = 15
LONGEST_PAUSE_SECONDS = 3600

Attach = Mapping[str, Callable[[dict[str, Any]], list[Attachment]]]
"""What goes with the mails of an event, made from their context."""

log = logging.getLogger(__name__)

_DUE = text("""SELECT DISTINCT org_id FROM outbox_emails
WHERE state IN ('waiting', 'failed') AND (next_attempt_at IS NULL OR next_attempt_at <= now())
  AND (claimed_until IS NULL OR claimed_until < now())""")

_CLAIM = text("""UPDATE outbox_emails SET claimed_until = now() + make_interval(secs => :seconds), claim_token = :token,
  attempts = attempts + 1
WHERE org_id = :org AND id = (
  SELECT id FROM outbox_emails
  WHERE org_id = :org AND state IN ('waiting', 'failed') AND (next_attempt_at IS NULL OR next_attempt_at <= now())
    AND (claimed_until IS NULL OR claimed_until < now())
  ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, attempts, claim_token""")

_FINISH = text("""UPDATE outbox_emails SET state = :state, error = :error, attempts = attempts - :given_back,
  sent_at = CASE WHEN :state = 'sent' THEN CAST(:now AS timestamptz) END,
  next_attempt_at = CASE WHEN :state = 'failed' THEN now() + make_interval(secs => :pause) END,
  secret = CASE WHEN :state <> 'sent' THEN secret END, claimed_until = NULL, claim_token = NULL
WHERE org_id = :org AND id = :id AND claim_token = :token""")


def send(
    org_id: UUID, *, key: str, event: str, to: str, context: dict[str, Any], secret: str | None = None
) -> UUID | None:
    """Owe a mail, once per (organization, `key`): it goes out when the open transaction has committed.

    `event` names its templates; `context` is all they get to see: JSON values, never a secret. The `secret` of a link
    is theirs as `token`; its row keeps it encrypted, and only until the mail is sent. Returns the row's id, None where
    it was owed before. Raises Invalid for what is not one address on one line.
    """
    if not in_transaction():
        raise RuntimeError("a mail is owed in the transaction of what it tells of")
    require_org(org_id)
    try:
        mail.require_address(to)
    except ValueError:
        raise Invalid("This is not one e-mail address.", field="to", code="invalid_address") from None
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
        queue.enqueue(DRAIN, str(org_id))
    return made


def owed(org_id: UUID, key: str) -> OutboxEmail | None:
    """The mail of a fact, whatever became of it."""
    return db.session.scalar(select(OutboxEmail).filter_by(org_id=org_id, key=key))


def find(org_id: UUID, mail_id: UUID) -> OutboxEmail:
    """Raises NotFound."""
    row = db.session.scalar(
        select(OutboxEmail).filter_by(org_id=org_id, id=mail_id), execution_options={"populate_existing": True}
    )
    if row is None:
        raise NotFound("There is no such mail.")
    return row


def newest(most: int) -> list[OutboxEmail]:
    """Of all organizations, in any state. Reads every mail: for development."""
    return list(db.session.scalars(select(OutboxEmail).order_by(OutboxEmail.id.desc()).limit(most)))


def unsent(most: int) -> list[OutboxEmail]:
    """Of all organizations: parked mails, then those that wait or are tried again, oldest first; `most` of each."""
    parked = select(OutboxEmail).where(OutboxEmail.state == "parked")
    owing = select(OutboxEmail).where(OutboxEmail.state.in_(("waiting", "failed")))
    return [row for query in (parked, owing) for row in db.session.scalars(query.order_by(OutboxEmail.id).limit(most))]


def due() -> list[UUID]:
    """Organizations with a mail to be sent now; none without a mail server: then mails wait, and nothing is tried."""
    return [row.org_id for row in autocommit().execute(_DUE)] if settings().smtp.url else []


def drain(org_id: UUID, *, attach: Attach, seconds: int = 20) -> bool:
    """Send due mails one by one for up to `seconds`. True when there may be more.

    Opens its own transactions around each call of the server, never during it; call it where none is open.
    """
    end = time.monotonic() + seconds
    while settings().smtp.url and time.monotonic() < end:
        claimed = claim(org_id)
        if claimed is None or not _work(org_id, claimed, attach):
            return False
    return bool(settings().smtp.url)


def claim(org_id: UUID) -> Row[Any] | None:
    """Take the oldest due mail, and count the attempt: its `id`, `attempts` and `claim_token`; None when none is due.

    Until the claim runs out, on the database's clock, nobody else gets it. One statement.
    """
    values = {"org": org_id, "seconds": settings().jobs.claim_seconds, "token": ids.new()}
    return autocommit().execute(_CLAIM, values).one_or_none()


def retry(row: OutboxEmail, *, by: Actor) -> None:
    """Have a parked or failing mail sent again, at once. Locks it. Raises Conflict."""
    found = _locked(row)
    if found.state not in ("parked", "failed"):
        raise Conflict(f"The mail is {found.state}; there is nothing to repeat.", code="not_retryable")
    audit.record(
        found.org_id, by=by, action="email.retried", object_kind="email", object_id=found.id,
        before={"state": found.state, "error": found.error}, after={"state": "waiting"},
    )  # fmt: skip
    found.state, found.attempts, found.next_attempt_at = "waiting", 0, None
    queue.enqueue(DRAIN, str(found.org_id))


def dismiss(row: OutboxEmail, *, by: Actor) -> None:
    """Give a parked mail up: it is never sent. Locks it. Raises Conflict."""
    found = _locked(row)
    if found.state != "parked":
        raise Conflict(f"The mail is {found.state}; only parked mails are dismissed.", code="not_parked")
    audit.record(
        found.org_id, by=by, action="email.dismissed", object_kind="email", object_id=found.id,
        before={"state": found.state, "error": found.error}, after={"state": "dismissed"},
    )  # fmt: skip
    found.state, found.secret = "dismissed", None


def letter(row: OutboxEmail) -> Rendered:
    """What the mail says. The token of its link reads as dots once it was sent. Raises CannotDecrypt."""
    token = crypto.decrypt(row.secret, org_id=row.org_id, purpose=f"mail {row.event}") if row.secret else "..."
    return mail.render(row.event, row.context | {"token": token})


def _locked(row: OutboxEmail) -> OutboxEmail:
    found = lock(select(OutboxEmail).filter_by(org_id=row.org_id, id=row.id))
    if found is None:
        raise NotFound
    return found


def _work(org_id: UUID, claimed: Row[Any], attach: Attach) -> bool:
    """One attempt, and a note of how it ended. False when the server takes no mail at all now: that is no attempt at
    this mail, which is sent whenever the server is back."""
    row = db.session.scalars(
        select(OutboxEmail).filter_by(org_id=org_id, id=claimed.id), execution_options={"populate_existing": True}
    ).one()
    refusal = _try(row, attach)
    state = "sent" if refusal is None else "parked" if refusal.final else "failed"
    reason = refusal.detail if refusal else None
    away = bool(refusal and refusal.away)
    if state == "failed" and claimed.attempts >= MAX_ATTEMPTS and not away:
        state, reason = "parked", f"Tried {claimed.attempts} times. Last: {reason}"
    pause = min(FIRST_PAUSE_SECONDS * 2 ** (claimed.attempts - 1), LONGEST_PAUSE_SECONDS)
    with transaction(org=org_id) as session:  # changes nothing where the claim ran out and another took it over
        session.execute(
            _FINISH,
            {
                "org": org_id, "id": row.id, "token": claimed.claim_token, "state": state, "error": reason,
                "now": clock.now(), "pause": AWAY_PAUSE_SECONDS if away else pause, "given_back": int(away),
            },
        )  # fmt: skip
    if state == "parked":
        log.error("mail parked", extra={"mail": str(row.id), "event_name": row.event})
    return not away


def _try(row: OutboxEmail, attach: Attach) -> MailError | None:
    """Why the mail was not sent; None when it was. Never raises for what the world outside or a template can cause."""
    smtp = settings().smtp
    if row.attempts > MAX_ATTEMPTS:
        return MailError(f"Tried {MAX_ATTEMPTS} times without an end; a worker may have died of it.", final=True)
    try:
        message = mail.compose(
            letter(row), sender=str(smtp.sender), to=row.to_address,
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
