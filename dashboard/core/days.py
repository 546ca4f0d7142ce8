"""The ends of a time range as users type them: UTC days or RFC 3339 moments, both inclusive."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from dashboard.core.errors import Invalid

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def begin(day: date) -> datetime:
    """The first moment of a UTC day."""
    return datetime.combine(day, time.min, UTC)


def after(day: date) -> datetime:
    """The first moment after a UTC day."""
    return begin(day + timedelta(days=1))


def ends(values: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
    """The range in `from` and `to`: its start (inclusive) and end (exclusive). An empty value leaves that end open.
    Raises Invalid with the field."""
    since, until = _moment(values, "from"), _moment(values, "to")
    if since and until and since >= until:
        raise Invalid("The range ends before it begins.", field="to", code="out_of_range")
    return since, until


def _moment(values: Mapping[str, str], field: str) -> datetime | None:
    text = values.get(field, "").strip()
    if not text:
        return None
    try:
        if len(text) > 40 or not text.isascii():
            raise ValueError
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text)
            return after(day) if field == "to" else begin(day)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
        moment = moment.astimezone(UTC)
        return moment + timedelta(microseconds=1) if field == "to" else moment
    except (ValueError, OverflowError):
        sentence = "Enter a day such as 2026-11-20, or a moment with its offset."
        raise Invalid(sentence, field=field, code="not_a_time") from None
