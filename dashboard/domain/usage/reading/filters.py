"""The filters of usage, parsed strictly from a query string."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement

from dashboard.core import clock, days, lists
from dashboard.core.errors import Invalid

LONGEST = 400
DEFAULT_DAYS = 30
_FIRST, _LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 12, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFilters:
    """Usage that happened from `since` (inclusive) to `until` (exclusive). Sums are of whole UTC days, `first` to
    `last`."""

    since: datetime
    until: datetime
    metric: str | None = None
    app: str | None = None
    member_id: UUID | None = None
    key_id: UUID | None = None

    @classmethod
    def parse(
        cls, values: Mapping[str, str], *, only_of: UUID | None = None, of_all_time: bool = False
    ) -> "UsageFilters":
        """Parse `from to metric app member key`, or `metric_key member_id api_key_id`; `only_of` is the only user whose
        usage is read.

        Without times, the last 30 days, and at most 400; or any, if `of_all_time`. Raises Invalid with the field.
        """
        typed = lists.Typed(values)
        since, until = days.ends(typed)
        if of_all_time:
            since, until = since or _FIRST, until or _LAST
        else:
            first, last = span(typed)
            since, until = since or days.begin(first), until or days.after(last)
        return cls(
            since=since,
            until=until,
            metric=typed.text("metric_key") or typed.text("metric"),
            app=typed.text("app"),
            member_id=only_of or typed.id("member_id") or typed.id("member"),
            key_id=typed.id("api_key_id") or typed.id("key"),
        )

    @property
    def first(self) -> date:
        return self.since.date()

    @property
    def last(self) -> date:
        return (self.until - timedelta(microseconds=1)).date()

    def of_days(self, first: date, last: date) -> "UsageFilters":
        return replace(self, since=days.begin(first), until=days.after(last))

    def of_hour(self, text: str) -> "UsageFilters":
        """The same for one hour of it, such as `2026-11-20T07`. Raises Invalid."""
        try:
            hour = datetime.strptime(text, "%Y-%m-%dT%H").replace(tzinfo=UTC)
        except ValueError:
            raise Invalid("Enter an hour such as 2026-11-20T07.", field="hour", code="not_a_time") from None
        if not self.since <= hour < self.until:
            raise Invalid("This hour is not within these days.", field="hour", code="out_of_range")
        return replace(self, since=hour, until=hour + timedelta(hours=1))

    @property
    def narrowed(self) -> dict[str, str]:
        """By which dimensions of the counters, other than the metric, the usage is narrowed down, and to what."""
        given: dict[str, Any] = {"app": self.app, "member": self.member_id, "key": self.key_id}
        return {name: str(value) for name, value in given.items() if value is not None}

    def indexed(self, row: Any) -> list[ColumnElement[bool]]:
        """The conditions on the entity `row` that an index answers."""
        conditions = [row.occurred_at >= self.since, row.occurred_at < self.until]
        return conditions if self.member_id is None else [*conditions, row.member_id == self.member_id]

    def others(self, row: Any) -> list[ColumnElement[bool]]:
        """The other conditions on the entity `row`."""
        tests = ((row.metric_key, self.metric), (row.app, self.app), (row.api_key_id, self.key_id))
        return [column == value for column, value in tests if value is not None]


def span(values: Mapping[str, str]) -> tuple[date, date]:
    """The UTC days that `from` and `to` ask for; by default the last 30. Raises Invalid with its field."""
    since, until = days.ends(values)
    last = (until - timedelta(microseconds=1)).date() if until else clock.today()
    first = since.date() if since else last - timedelta(days=DEFAULT_DAYS - 1)
    if not 0 <= (last - first).days < LONGEST:
        raise Invalid(f"Choose 1 to {LONGEST} days.", field="from", code="out_of_range")
    return first, last
