"""The Jinja filters that format values on pages: times, counts and ids. `core.money` formats amounts."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from flask import Flask
from markupsafe import Markup, escape

from dashboard.core import clock
from dashboard.core.money import exact, money, signed, unit_price
from dashboard.core.readable import readable
from dashboard.web.viewer import viewer

MISSING = "\u2013"
"""A missing value is shown as a dash, never as zero."""

PROGRAMS = (
    ("Edg/", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari"), ("curl/", "curl"),
    ("python-requests", "A Python program"),
)  # fmt: skip
SYSTEMS = (
    ("Windows", "Windows"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"), ("Linux", "Linux"),
)  # fmt: skip
"""Names in browsers' user agents, the most specific first: most browsers also claim to be others."""

_FULL_COUNT_UP_TO = 999_999


def when(moment: datetime | None, *, seconds: bool = False) -> Markup | str:
    """`20 Nov, 09:40` in the viewer's time zone, with the year unless it is this one; seconds, offset and UTC in the
    title."""
    if moment is None:
        return MISSING
    local = moment.astimezone(viewer().zone)
    return _time(moment, f"{_day_text(local)}, {local:{'%H:%M:%S' if seconds else '%H:%M'}}")


def step_times(moments: Iterable[datetime | None]) -> list[Markup | str]:
    """The times of steps in order: with seconds if two steps are in one minute, empty if it was just shown."""
    moments = list(moments)
    minutes = [moment.replace(second=0, microsecond=0) for moment in moments if moment]
    close, last, texts = len(set(minutes)) < len(minutes), "", []
    for moment in moments:
        text = when(moment, seconds=close) if moment else ""
        texts.append("" if text == last else text)
        last = text or last
    return texts


def zones_shown() -> str:
    """In which zones the page shows times and days."""
    zone = viewer().zone
    return "times and days in UTC" if zone.key == "UTC" else f"times in {zone}, days in UTC"


def ago(moment: datetime | None) -> Markup | str:
    """`just now` or `12 min ago` within the last hour, then as `when`; the absolute time is always in the title."""
    if moment is None:
        return MISSING
    age = clock.now() - moment
    if not timedelta(seconds=-5) <= age < timedelta(hours=1):
        return when(moment)
    minutes = int(age.total_seconds() // 60)
    return _time(moment, f"{minutes} min ago" if minutes > 0 else "just now")


def both_zones(moment: datetime | None) -> Markup | str:
    """`1 Dec 2026, 00:00 UTC (01:00 for you)`: for resets and windows, which are UTC."""
    if moment is None:
        return MISSING
    at, local = moment.astimezone(UTC), moment.astimezone(viewer().zone)
    text = f"{at.day} {at:%b %Y, %H:%M} UTC"
    if at.utcoffset() == local.utcoffset():
        return _time(moment, text)
    yours = f"{local:%H:%M}" if local.date() == at.date() else f"{_day_text(local)}, {local:%H:%M}"
    return _time(moment, f"{text} ({yours} for you)")


def day(value: date | None) -> str:
    """`20 Nov`, with the year unless it is this one. Days are UTC; the page says so once."""
    return MISSING if value is None else _day_text(value)


def day_range(first: date, last: date) -> str:
    return f"{day(first)} to {day(last)}"


def count(number: int | None) -> Markup | str:
    """In full with separators up to 999,999, then `1.24M` with the full number in the title."""
    if number is None:
        return MISSING
    short = short_count(number)
    return (
        short if abs(number) <= _FULL_COUNT_UP_TO else Markup('<span title="{}">{}</span>').format(f"{number:,}", short)
    )


def short_count(number: int) -> str:
    """`1.24M` from a million on."""
    for size, unit in ((10**12, "T"), (10**9, "B"), (10**6, "M")):
        if abs(number) >= size:
            hundredths = abs(number) * 100 // size
            return f"{'-' if number < 0 else ''}{hundredths // 100:,}.{hundredths % 100:02d}{unit}"
    return f"{number:,}"


def percent(part: int, whole: int) -> str:
    """No decimals from 10 on, one below; `under 0.1%` instead of a misleading zero."""
    if whole <= 0:
        return MISSING
    tenths = (part * 1000 * 2 + whole) // (whole * 2)
    if part and tenths == 0:
        return "under 0.1%"
    if tenths >= 100 or tenths % 10 == 0:
        return f"{(tenths + 5) // 10}%"
    return f"{tenths // 10}.{tenths % 10}%"


def short_id(value: uuid.UUID | str | None) -> str:
    """Shortened in the middle: `019a3c…7f2e`. A copy button next to it has the whole id."""
    text = str(value or "")
    return MISSING if not text else text if len(text) <= 14 else f"{text[:6]}…{text[-4:]}"


def device(user_agent: str | None) -> str:
    """`Firefox on Linux`: enough to recognize one's own devices. A program can claim any name."""
    text = user_agent or ""
    program = next((name for mark, name in PROGRAMS if mark in text), "")
    system = next((name for mark, name in SYSTEMS if mark in text), "")
    return " on ".join(filter(None, (program, system))) or "Unknown device"


def shown(value: Any) -> Any:
    """What templates print for a value: text from outside cannot change the text around it. Markup is our own."""
    return readable(value) if type(value) is str else value


def typed(value: object) -> Markup:
    """A value as it was typed, for the fields of forms: they send it back unchanged."""
    return escape(value)


def attributes(values: Mapping[str, object]) -> Markup:
    """Attributes of an HTML element; True is a bare name, False and None are left out."""
    given = ((name, value) for name, value in values.items() if value is not None and value is not False)
    return Markup("").join(
        Markup(" {}").format(name) if value is True else Markup(' {}="{}"').format(name, value) for name, value in given
    )


def code_spans(text: str) -> Markup:
    """Escaped text in which text between backticks is code."""
    pieces = str(text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(pieces)
    )


def this_window(window: str) -> str:
    """`today`, `this week`, `this month`."""
    return "today" if window == "day" else f"this {window}"


def init_app(app: Flask) -> None:
    filters: dict[str, Any] = {
        "money": money,
        "signed": signed,
        "exact": exact,
        "unit_price": unit_price,
        "when": when,
        "ago": ago,
        "both_zones": both_zones,
        "day": day,
        "count": count,
        "percent": percent,
        "short_id": short_id,
        "device": device,
        "typed": typed,
        "code_spans": code_spans,
        "this_window": this_window,
        "attributes": attributes,
    }
    app.jinja_env.filters.update(filters)
    app.jinja_env.finalize = shown
    app.jinja_env.globals.update(
        day_range=day_range, percent=percent, step_times=step_times, zones_shown=zones_shown, MISSING=MISSING
    )


def _day_text(value: date) -> str:
    this_year = clock.now().astimezone(viewer().zone).year
    return f"{value.day} {value:%b}" if value.year == this_year else f"{value.day} {value:%b %Y}"


def _time(moment: datetime, text: str) -> Markup:
    at = moment.astimezone(UTC)
    local = at.astimezone(viewer().zone)
    offset = f"{local:%z}"
    title = f"{local:%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]} ({at:%H:%M:%S} UTC)"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(f"{at:%Y-%m-%dT%H:%M:%SZ}", title, text)
