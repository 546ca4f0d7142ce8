"""Transactions: the statement of a wallet, and the cause of each transaction."""

from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, url_for

from dashboard.core import clock, units
from dashboard.core.db import transaction
from dashboard.core.errors import NotFound
from dashboard.domain import audit
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds import origins, transactions
from dashboard.domain.funds.credit_grants import used
from dashboard.domain.funds.transactions import Statement, TransactionFilters, explain
from dashboard.domain.usage.reading import explained
from dashboard.models import TRANSACTION_TYPES, Transaction
from dashboard.web import guards, render, statement_csv, transaction_links, transaction_list, zones
from dashboard.web import listing as lists
from dashboard.web.exports import Turn
from dashboard.web.formats import day, day_range, zones_shown
from dashboard.web.guards import Visit
from dashboard.web.listing import Listing
from dashboard.web.price_words import price_words
from dashboard.web.transaction_list import TransactionRow
from dashboard.web.viewer import UTC

pages = Blueprint("transactions", __name__, url_prefix="/o/<slug>")
guards.signed_in_only(pages)


@pages.get("/transactions")
def listing(slug: str) -> Response:
    visit = guards.enter(slug, Verb.READ_OWN_ROWS)
    switched = zones.switch(partial(url_for, ".listing", slug=slug), transaction_list.FIELDS)
    result = _read(visit)
    return render.render(
        "transactions/listing.html",
        fragment="transactions/_filtered.html",
        status=result.status,
        zones=switched,
        **_around(visit, result),
    )


@pages.get("/transactions.csv")
def export(slug: str) -> Response:
    visit = guards.enter(slug, Verb.READ_OWN_ROWS)
    typed = lists.typed(transaction_list.FIELDS)
    filters = TransactionFilters.parse(typed, only_of=visit.only_of)
    name = statement_csv.file_name(visit.org.slug, visit.wallet, filters)
    with Turn() as turn:
        with transaction(org=visit.org.id):
            audit.record(
                visit.wallet, "transactions.exported", by=visit.by,
                after=typed,
            )  # fmt: skip
        return turn.file(name, statement_csv.rows(visit.wallet, filters, for_manager=visit.caller.operator))


@pages.get("/transactions/<uuid:transaction_id>")
def show(slug: str, transaction_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.READ_OWN_ROWS)
    row = transactions.find(visit.org.id, transaction_id)
    if visit.only_of and visit.only_of not in (row.actor_id, row.member_id):
        raise NotFound
    return render.render(
        "transactions/show.html", slug=slug, row=row, links=transaction_links.of(visit, row), **_told(visit, row),
        worked_out=explained.of_transaction(row), used=used.used_by(row), price_words=price_words,
        counted=units.counted, plural=units.plural, grant_words=explain.grant_words,
    )  # fmt: skip


def _read(visit: Visit) -> Listing[TransactionRow]:
    """The transactions that this visitor may see, filtered by the URL."""
    slug = visit.org.slug
    return transaction_list.read(
        visit.wallet,
        here=lambda **query: url_for(".listing", slug=slug, **query),
        row=lambda row_id: url_for(".show", slug=slug, transaction_id=row_id),
        only_of=visit.only_of,
        for_manager=visit.caller.operator,
    )


def _told(visit: Visit, row: Transaction) -> dict[str, Any]:
    """One transaction as text: what it is, who caused it, and why."""
    kind = TRANSACTION_TYPES[row.type]
    for_manager = visit.caller.operator
    explanation = explain.explain(row, for_manager=for_manager)
    steps = (*explanation.cause, *explanation.followed)
    return {
        "word": kind.label,
        "tone": kind.tone,
        "name": transactions.names_of([row], for_manager=for_manager)[row.id],
        "moment": row.created_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "chain": [(step.text, "", "done", step.at) for step in steps],
        "payment": explanation.payment if visit.may(Verb.READ_PAYMENTS) else None,
        "hold": explanation.hold,
        "caller_key": origins.caller_key(row),
        "raw": transaction_list.as_json(row),
    }


def _around(visit: Visit, result: Listing[TransactionRow]) -> dict[str, Any]:
    """What surrounds the list on its own page. The statement is the wallet's, so it needs access to the whole
    ledger."""
    slug, own_only = visit.org.slug, visit.only_of is not None
    statement, title = (None, "") if own_only or result.error else _statement(visit, result)
    return {
        "listing": result,
        "choices": {"types": [], "apps": [], "by": []} if own_only else transaction_list.offers(visit.wallet),
        "own_only": own_only,
        "statement": statement,
        "statement_title": title,
        "filter_action": url_for(".listing", slug=slug),
        "export_href": "" if result.error else url_for(".export", slug=slug, **result.typed),
        "export_words": _how_many(statement, result),
        "live_href": "" if own_only else live_address(visit, part="list"),
        "context_line": f"{visit.org.name} · {zones_shown()}",
    }


def live_address(visit: Visit, *, part: str, since: int | None = None, state: str = "") -> str:
    """The URL that a page polls; empty for a platform manager, whose every visit is recorded.

    `since` is the number of rows when the page was opened: later ones are new to its reader.
    """
    if visit.caller.role is None:
        return ""
    seq = visit.wallet.seq
    opened = seq if since is None else since
    return url_for("costs.live", slug=visit.org.slug, v=seq, since=opened, part=part, state=state or None)


def _statement(visit: Visit, result: Listing[TransactionRow]) -> tuple[Statement, str]:
    filters = TransactionFilters.parse({name: result.typed.get(name, "") for name in ("from", "to")})
    first, last = filters.from_day, filters.to_day
    statement = transactions.statement(visit.wallet, filters)
    if not filters.whole_days:
        return statement, " ".join(_bounds(filters))
    if first and last:
        return statement, f"Statement, {day_range(first, last)}"
    if first or last:
        return statement, f"Statement from {day(first)}" if first else f"Statement up to {day(last)}"
    return statement, "Statement, all time"


def _bounds(filters: TransactionFilters) -> Iterator[str]:
    """A time range as text; its ends may lie within a UTC day."""
    yield "Statement"
    if filters.since:
        yield f"from {clock.in_words(filters.since)}"
    if filters.until:
        yield f"until {clock.in_words(filters.until)}"


def _how_many(statement: Statement | None, result: Listing[TransactionRow]) -> str:
    """How many rows the file will have, if the daily counts tell."""
    if statement and not result.typed.keys() - {"from", "to"}:
        return f"{statement.rows:,} row{'' if statement.rows == 1 else 's'}"
    return "all rows that match"
