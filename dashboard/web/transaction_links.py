"""Where the page of a transaction leads: its API key, the charges beside it, and a mail that asks about it."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flask import url_for

from dashboard.core.money import money, signed
from dashboard.domain.access import keys
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds import credit_grants
from dashboard.domain.people import users
from dashboard.models import Transaction
from dashboard.web.formats import day
from dashboard.web.guards import Visit
from dashboard.web.render import support
from dashboard.web.viewer import UTC


@dataclass(frozen=True, slots=True)
class Links:
    """Each is empty if it does not apply to this row or this visitor. `holder` is the name of the key's user then;
    `beside` and `grants`, the credit grants that it opened or takes from, are (text, URL)."""

    key: str
    holder: str
    beside: list[tuple[str, str]]
    grants: list[tuple[str, str]]
    ask: str


def _grants(visit: Visit, row: Transaction) -> list[tuple[str, str]]:
    return [
        (
            f"{credit_grants.name_of(grant)}, {money(grant.amount)}",
            url_for("credit_grants.show", slug=visit.org.slug, grant_id=grant.id),
        )
        for grant in credit_grants.of_row(row)
    ]


def of(visit: Visit, row: Transaction) -> Links:
    slug = visit.org.slug
    key = keys.find(visit.org.id, row.actor_id) if row.actor_kind == "key" and row.actor_id else None
    holder = users.by_id(row.member_id) if key and row.member_id else None
    reachable = key is not None and (visit.may(Verb.MANAGE_KEYS) or key.created_by == visit.by.id)
    on = row.created_at.astimezone(UTC).date()
    same: dict[str, Any] = {"from": on.isoformat(), "to": on.isoformat()}
    beside: list[tuple[str, dict[str, Any]]] = [("this key", {"by": row.actor_id})] if key else []
    beside += [("this app", {"app": row.app})] if row.app else []
    text = f"{signed(row.amount)} on {on:%-d %B %Y}, {row.description or row.type} (ID {row.id}): "
    return Links(
        key=url_for("keys.show", slug=slug, key_id=row.actor_id) if reachable else "",
        holder=holder.name if holder else "",
        beside=[
            (f"Other charges by {what} on {day(on)}", url_for("transactions.listing", slug=slug, **query, **same))
            for what, query in beside
        ],
        grants=_grants(visit, row) if visit.may(Verb.READ_LEDGER) else [],
        ask=_ask(f"Question about charge {row.id}", text) if row.amount < 0 else "",
    )


def _ask(subject: str, text: str) -> str:
    """A mail to the operator's support, or to anyone if it has no address."""
    return f"{support(subject) or f'mailto:?subject={quote(subject)}'}&body={quote(text)}"
