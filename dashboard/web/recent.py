"""The newest transactions on the start page: charges by hour, or single entries."""

from dataclasses import replace
from typing import Any

from flask import request, url_for

from dashboard.domain.funds import transactions
from dashboard.domain.funds.transactions import TransactionFilters, recent
from dashboard.domain.funds.transactions.recent import Hour
from dashboard.models import SPENDING
from dashboard.web import transaction_list
from dashboard.web.guards import Visit
from dashboard.web.transaction_list import TransactionRow

LINES = 10


def shown(visit: Visit) -> dict[str, Any]:
    """The lines, and the switch between the two ways of showing them."""
    slug = visit.org.slug
    single = request.args.get("entries") == "1"
    hours = [] if single else recent.hours(visit.wallet, only_of=visit.only_of, most=LINES)
    kept = {name: text for name in ("range", "group") if (text := request.args.get(name))}
    query: dict[str, Any] = kept if single else {**kept, "entries": "1"}
    return {
        "recent": [_line(visit, hour) for hour in hours] or _single(visit),
        "recent_switch": url_for("costs.show", slug=slug, **query, _anchor="recent") if single or hours else "",
        "single": single,
    }


def _single(visit: Visit) -> list[TransactionRow]:
    page = transactions.page(visit.wallet, TransactionFilters(only_of=visit.only_of), limit=LINES)
    return _rows(visit, page.rows)


def _line(visit: Visit, hour: Hour) -> TransactionRow:
    row = _rows(visit, [hour.newest])[0]
    if hour.count == 1:
        return row
    query: dict[str, Any] = {"type": hour.newest.type, "app": hour.newest.app, "by": hour.newest.actor_id}
    query |= {"from": hour.begins.isoformat(), "to": hour.ends.isoformat()}
    href = url_for(
        "transactions.listing", slug=visit.org.slug, **{name: value for name, value in query.items() if value}
    )
    return replace(row, title=f"{hour.count:,} charges", detail=hour.newest.app, amount=hour.amount, href=href)


def _rows(visit: Visit, rows: list[Any]) -> list[TransactionRow]:
    """A type is named only where it is not the usual one."""
    lines = transaction_list.lines(
        rows,
        row=lambda row_id: url_for("transactions.show", slug=visit.org.slug, transaction_id=row_id),
        for_manager=visit.caller.operator,
    )
    return [replace(line, word="") if row.type in SPENDING else line for line, row in zip(lines, rows, strict=True)]
