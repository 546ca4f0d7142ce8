"""Usage events on their way into the database. They are plain objects and stored by one statement: the ORM would cost
more than everything else that is done for a batch."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select, text

from dashboard.core.db import db, require_org
from dashboard.domain.funds import ledger_sql
from dashboard.models import UsageEvent


@dataclass(slots=True)
class NewEvent:
    """A `UsageEvent` that is not stored yet."""

    org_id: UUID
    id: UUID
    created_at: datetime
    wallet_id: UUID
    mode: str
    metric_key: str
    units: int
    occurred_at: datetime
    key: str
    body_hash: bytes
    app: str
    member_id: UUID | None
    api_key_id: UUID | None
    properties: dict[str, str]
    state: str
    price_id: UUID | None = None
    period_start: date | None = None
    units_after: int | None = None
    cost: int | None = None
    transaction_id: UUID | None = None


AnyEvent = NewEvent | UsageEvent

_TYPES = {
    "id": "uuid", "created_at": "timestamptz", "wallet_id": "uuid", "mode": "text", "metric_key": "text",
    "units": "bigint", "occurred_at": "timestamptz", "key": "text", "body_hash": "bytea", "app": "text",
    "member_id": "uuid", "api_key_id": "uuid", "properties": "jsonb", "state": "text", "price_id": "uuid",
    "period_start": "date", "units_after": "bigint", "cost": "bigint", "transaction_id": "uuid",
}  # fmt: skip

_STORE = text(f"""INSERT INTO usage_events (org_id, {", ".join(_TYPES)})
SELECT CAST(:org AS uuid), n.*
FROM unnest({", ".join(f"CAST(:{name} AS {type}[])" for name, type in _TYPES.items())}) AS n""")  # noqa: S608 - constant parts only

# A range of one key, in the key's order, is found by the key's index whatever the statistics say (`ledger_sql.PLAN`).
_RECORDED = text("""SELECT e.* FROM unnest(CAST(:keys AS text[])) AS k(key) CROSS JOIN LATERAL (
  SELECT * FROM usage_events AS e
  WHERE e.org_id = CAST(:org AS uuid) AND e.mode = CAST(:mode AS text) AND e.key BETWEEN k.key AND k.key
  ORDER BY e.org_id, e.mode, e.key LIMIT 1
) AS e""")


def recorded(org_id: UUID, mode: str, keys: Collection[str]) -> dict[str, UsageEvent]:
    """The events recorded under these keys. Needs a transaction that holds the wallet's lock."""
    db.session.execute(ledger_sql.PLAN)
    values = {"org": org_id, "mode": mode, "keys": list(keys)}
    query = (
        select(UsageEvent).from_statement(_RECORDED).execution_options(populate_existing=True, planned_each_time=True)
    )
    return {row.key: row for row in db.session.scalars(query, values)}


def store(org_id: UUID, events: Sequence[NewEvent]) -> None:
    """Store new events of the organization."""
    require_org(org_id)
    values: dict[str, list[Any]] = {name: [getattr(event, name) for event in events] for name in _TYPES}
    values["properties"] = [orjson.dumps(event.properties).decode() for event in events]
    db.session.execute(_STORE, values | {"org": org_id})
