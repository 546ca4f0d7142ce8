"""Usage as files: streamed in constant memory, safe to open in a spreadsheet."""

from collections.abc import Iterator
from datetime import timedelta

import orjson

from dashboard.core import lists
from dashboard.domain.usage import reports
from dashboard.domain.usage.reading import event_list
from dashboard.web import usage_figures
from dashboard.web.csv_lines import line, moment, number, text
from dashboard.web.guards import Visit
from dashboard.web.usage_figures import Asked

EVENTS = (
    "id", "time_utc", "reported_utc", "metric", "units", "cost", "currency", "app", "member", "key", "idempotency_key",
    "properties", "transaction_id", "voided_utc",
)  # fmt: skip
DAYS_AT_ONCE = timedelta(days=31)


def groups(visit: Visit, asked: Asked) -> Iterator[str]:
    """One line for each day, metric and key of the group, read a month at a time."""
    word, names = usage_figures.words(asked.group), usage_figures.known(visit.org)
    by_metric = asked.group == reports.METRIC
    yield line(("day_utc", "metric", *(() if by_metric else (text(word), "id")), "units", "events", "cost", "currency"))
    first = asked.filters.first
    while first <= asked.filters.last:
        last = min(first + DAYS_AT_ONCE - timedelta(days=1), asked.filters.last)
        rows = reports.by_time(reports.cells(visit.wallet, asked.filters.of_days(first, last), asked.group))
        labels = usage_figures.labels_of(visit.org.id, asked.group, list({row.key for row in rows}), names)
        for row in rows:
            if row.events:
                key = () if by_metric else (text(labels[row.key]), text(row.key if row.key.isprintable() else ""))
                sums = (str(row.units), str(row.events), number(row.cost), visit.wallet.unit.upper())
                yield line((row.day.isoformat(), text(row.metric_key), *key, *sums))
        first = last + timedelta(days=1)


def events(visit: Visit, asked: Asked) -> Iterator[str]:
    """One line for each event, newest first, read page by page as they are consumed."""
    yield line(EVENTS)
    wanted = asked.hour or asked.filters
    for block in lists.every(lambda cursor: event_list.page(visit.wallet, wanted, cursor, lists.FILE_ROWS)):
        names = reports.names_of(visit.org.id, block)
        for row in block:
            by = [text(names.get(one) if one else "") for one in (row.member_id, row.api_key_id)]
            cost = "" if row.cost is None else number(row.cost)
            given = orjson.dumps(row.properties).decode() if row.properties else ""
            yield line((
                str(row.id), moment(row.occurred_at), moment(row.created_at), text(row.metric_key), str(row.units),
                cost, visit.wallet.unit.upper(), text(row.app), *by, text(row.key), text(given),
                str(row.transaction_id or ""), moment(row.voided_at),
            ))  # fmt: skip
