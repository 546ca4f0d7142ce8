"""The inbox as platform managers see it: what was received, what it did, and which parts of it may be shown."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, literal_column, select, text, tuple_

from dashboard.core import clock, ids, lists, logs
from dashboard.core.db import db
from dashboard.core.errors import NotFound
from dashboard.domain.funds.wallets import MODES
from dashboard.models import (
    INBOX_STATES,
    PLATFORM_ORG_ID,
    InboxEvent,
    InboxTry,
    Organization,
    Transaction,
)

COUNTED = timedelta(days=30)
MOST_COUNTED = 10_000
LONGEST_PAYLOAD = 60_000

_COUNTS = text("""SELECT s.state, (SELECT count(*) FROM (
  SELECT FROM inbox_events AS e WHERE e.org_id = :org AND e.state = s.state AND e.id >= :since LIMIT :most) AS few)
FROM unnest(CAST(:states AS text[])) AS s(state)""")

_REPEATED = text("""SELECT CAST(coalesce(sum(deliveries - 1), 0) AS bigint) FROM (
  SELECT deliveries FROM inbox_events
  WHERE org_id = :org AND deliveries > 1 AND id >= :since ORDER BY id DESC LIMIT :most) AS few""")


# The newest payments in which no event took part. Stops at the first payment that an event reported.
_SILENT = text("""WITH newest AS (
  SELECT p.id, p.credited_at, EXISTS (
    SELECT FROM inbox_events e
    WHERE e.org_id = :org AND e.effects ->> 'org_id' = CAST(p.org_id AS text)
      AND e.effects ->> 'payment_id' = CAST(p.id AS text)) AS reported
  FROM payments p
  WHERE p.state = 'credited' AND p.mode = :mode AND p.provider <> 'dummy' AND p.id >= :since
    AND p.credited_at <= :until
  ORDER BY p.id DESC LIMIT :most)
SELECT count(*) AS payments, min(credited_at) AS since FROM newest
WHERE NOT reported AND id > coalesce((SELECT id FROM newest WHERE reported ORDER BY id DESC LIMIT 1), :since)""")
SILENT_DAYS, SILENT_GRACE, MOST_SILENT = timedelta(days=7), timedelta(minutes=10), 50


@dataclass(frozen=True, slots=True)
class Silence:
    """How many of the newest payments were credited without any webhook, and since when."""

    payments: int
    since: datetime


@dataclass(frozen=True, slots=True)
class WebhookFilters(lists.Times):
    """A filter of None matches everything."""

    state: str | None = None
    type: str | None = None
    event: str | None = None
    org: UUID | None = None

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> "WebhookFilters":
        """Parse `state type event org from to`; `org` is an id. Raises Invalid with the field."""
        typed = lists.Typed(values)
        return cls(
            state=typed.one_of("state", INBOX_STATES),
            type=typed.text("type", verb="Search for"),
            event=typed.text("event", verb="Search for"),
            org=typed.id("org", "an organization's id"),
            **typed.times(),
        )


@dataclass(frozen=True, slots=True)
class Effect:
    """What an event did, and in which organization. Any part may be missing."""

    org: Organization | None = None
    payment_id: UUID | None = None
    payment_state: str = ""
    transaction: Transaction | None = None


@dataclass(frozen=True, slots=True)
class Row:
    event: InboxEvent
    effect: Effect

    @property
    def lag(self) -> timedelta | None:
        """From the first delivery until it was finished; None while it is open."""
        return self.event.finished_at - self.event.created_at if self.event.finished_at else None


@dataclass(frozen=True, slots=True)
class Counts:
    """Events by state in the last 30 days, and how many deliveries repeated a known event.

    Each state is counted up to `MOST_COUNTED` events plus one, and repeated deliveries over the same number of newest
    events.
    """

    by_state: dict[str, int]
    duplicates: int


def counts() -> Counts:
    values = {"org": PLATFORM_ORG_ID, "since": ids.lowest(clock.now() - COUNTED), "most": MOST_COUNTED + 1}
    rows = db.session.execute(_COUNTS, values | {"states": list(INBOX_STATES)})
    return Counts(dict(rows.all()), db.session.execute(_REPEATED, values).scalar_one())


def page(filters: WebhookFilters, *, cursor: str | None = None) -> lists.Page[Row]:
    """Newest first. Raises Invalid for a malformed cursor."""
    query = select(InboxEvent).where(InboxEvent.org_id == PLATFORM_ORG_ID, *_narrowed(filters))
    rows = lists.page(query, InboxEvent.id, cursor, "inbox", filters)
    effects = effects_of(rows.rows)
    return rows.of([Row(event, effects[event.id]) for event in rows.rows])


def silence(mode: str) -> Silence | None:
    """Whether the provider's webhooks stopped arriving: the newest payments were credited only by asking the provider.

    Checks up to 50 payments of the last 7 days, each by index. A payment may be 10 minutes ahead of its webhook.
    """
    now = clock.now()
    values = {
        "org": PLATFORM_ORG_ID, "mode": mode, "since": ids.lowest(now - SILENT_DAYS), "until": now - SILENT_GRACE,
        "most": MOST_SILENT,
    }  # fmt: skip
    row = db.session.execute(_SILENT, values).one()
    return Silence(int(row.payments), row.since) if row.payments else None


def find(event_id: UUID) -> InboxEvent:
    """Raises NotFound."""
    event = db.session.scalar(
        select(InboxEvent).filter_by(org_id=PLATFORM_ORG_ID, id=event_id),
        execution_options={"populate_existing": True},
    )
    if event is None:
        raise NotFound("There is no such event.")
    return event


def tries_of(event: InboxEvent) -> list[InboxTry]:
    """Newest first, at most 100."""
    query = select(InboxTry).filter_by(org_id=event.org_id, inbox_event_id=event.id)
    return list(db.session.scalars(query.order_by(InboxTry.id.desc()).limit(100)))


def effects_of(events: Iterable[InboxEvent]) -> dict[UUID, Effect]:
    """What each event did, by its id. An event without effect still names the organization that it claims to be
    from."""
    reported = {event.id: event.effects or _claimed(event) for event in events}
    org_ids = {org_id for values in reported.values() if (org_id := _id(values, "org_id"))}
    orgs = {org.id: org for org in db.session.scalars(select(Organization).where(Organization.id.in_(org_ids)))}
    rows = {(row.org_id, row.id): row for row in _transactions(reported.values())}
    effects = {}
    for event_id, values in reported.items():
        org_id, row_id = _id(values, "org_id"), _id(values, "transaction_id")
        effects[event_id] = Effect(
            org=orgs.get(org_id) if org_id else None,
            payment_id=_id(values, "payment_id"),
            payment_state=str(values.get("state") or ""),
            transaction=rows.get((org_id, row_id)) if org_id and row_id else None,
        )
    return effects


def payload_of(event: InboxEvent) -> str:
    """The payload for a page: formatted, with secrets and card data masked, at most 60,000 characters."""
    try:
        parsed = json.loads(event.payload)
    except (ValueError, RecursionError):
        return "The payload is not JSON; it is kept as it came, and not shown."
    text = json.dumps(masked(parsed), indent=2, ensure_ascii=False)
    return text if len(text) <= LONGEST_PAYLOAD else f"{text[:LONGEST_PAYLOAD]}\n(cut here)"


MASK = "•••• masked"

_CARD_NAMES = re.compile(
    r"(.*_)?(number|cvc|cvv|iban|fingerprint|iin|last4|exp_month|exp_year|sort_code)(_hash)?", re.IGNORECASE
)
_NO_CARD = re.compile(r"(invoice|receipt|phone|attempt|confirmation)_number", re.IGNORECASE)
_DIGITS = re.compile(r"(?<![\w.-])(?:[0-9][ -]?){12,18}[0-9](?![\w.-])", re.ASCII)


def masked(value: Any, name: str = "") -> Any:
    """`value` without secrets and card data, recognized by field name and by pattern."""
    if isinstance(value, dict):
        return {key: masked(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [masked(part, name) for part in value]
    if value is None or isinstance(value, bool):
        return value
    if logs.is_secret(name) or (_CARD_NAMES.fullmatch(name) and not _NO_CARD.fullmatch(name)):
        return MASK
    if isinstance(value, str):
        return _DIGITS.sub(_card, logs.clean(value))
    return value


def _card(rows: re.Match[str]) -> str:
    """Card numbers have a check digit (Luhn), which one in ten other long numbers also passes."""
    digits = [int(char) for char in rows[0] if char.isdigit()][::-1]
    total = sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return MASK if total % 10 == 0 else rows[0]


def _narrowed(filters: WebhookFilters) -> list[ColumnElement[bool]]:
    conditions = [*filters.id_range(InboxEvent), *filters.moments(InboxEvent)]
    if filters.state:
        conditions.append(InboxEvent.state == filters.state)
    if filters.type:
        conditions.append(lists.newest(InboxEvent.id, InboxEvent.org_id == PLATFORM_ORG_ID))
        conditions.append(InboxEvent.type.icontains(filters.type, autoescape=True))
    if filters.event:
        own = ids.parse(filters.event)
        theirs = and_(InboxEvent.mode.in_(MODES), InboxEvent.event_id == filters.event)
        conditions.append(InboxEvent.id == own if own else theirs)
    if filters.org:
        conditions.append(literal_column("(effects ->> 'org_id')") == str(filters.org))
    return conditions


def _claimed(event: InboxEvent) -> dict[str, Any]:
    """What the payload's metadata claims. Used only to name the organization."""
    try:
        metadata = json.loads(event.payload)["data"]["object"]["metadata"]
        return {"org_id": metadata.get("org_id"), "payment_id": metadata.get("order_id")}
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return {}


def _id(values: Mapping[str, Any], name: str) -> UUID | None:
    text = values.get(name)
    return ids.parse(text) if isinstance(text, str) else None


def _transactions(effects: Iterable[Mapping[str, Any]]) -> list[Transaction]:
    wanted = {(_id(values, "org_id"), _id(values, "transaction_id")) for values in effects}
    pairs = [(org_id, row_id) for org_id, row_id in wanted if org_id and row_id]
    if not pairs:
        return []
    return list(db.session.scalars(select(Transaction).where(tuple_(Transaction.org_id, Transaction.id).in_(pairs))))
