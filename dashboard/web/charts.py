"""Geometry of the bar chart: x in percent, y in pixels, so that the SVG reflows without script, viewBox or style."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from dashboard.core.money import MICROS_PER_USD, money
from dashboard.web.formats import day as day_text
from dashboard.web.formats import day_range

HEIGHT = 208
BASE = 184
"""Pixels from the top to the zero line; the dates are below it."""

MOST_SERIES = 5
_GRID_LINES = 4
_LINE_TOP = 1_200
"""Where the balance begins, in hundredths of a pixel: it has no axis of its own, because only its end matters."""


@dataclass(frozen=True)
class Series:
    """`css` is `s1` to `s5`: blue, teal, ochre, violet, grey. The same key has the same colour on every page."""

    label: str
    css: str


@dataclass(frozen=True)
class Day:
    """Cost in micros per series, in the order of the series: of a day, of the hour of it that begins at `hour`, or of
    the days up to `last`.

    `partial`: it is not over. `href` is optional. `picked`: it is the one that the page is about.
    """

    day: date
    values: tuple[int, ...]
    partial: bool = False
    href: str = ""
    hour: int | None = None
    last: date | None = None
    picked: bool = False

    @property
    def label(self) -> str:
        """`20 Nov`, `20 Nov, 07:00`, `14 Nov to 20 Nov`."""
        if self.last is not None:
            return day_range(self.day, self.last)
        return day_text(self.day) if self.hour is None else f"{day_text(self.day)}, {self.hour:02}:00"

    @property
    def total(self) -> int:
        return sum(self.values)


@dataclass(frozen=True)
class Segment:
    css: str
    y: str
    height: str


@dataclass(frozen=True)
class Bar:
    day: Day
    left: str
    width: str
    parts: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Tick:
    label: str
    y: str


@dataclass(frozen=True)
class Mark:
    text: str
    x: str
    anchor: str
    minor: bool


@dataclass(frozen=True)
class Ahead:
    """A balance that reaches zero in so many days after the last day of the chart; `earliest` and `latest` likewise,
    None if unknown."""

    balance: int
    days: int
    earliest: int
    latest: int | None
    zero_on: date


@dataclass(frozen=True)
class Line:
    """The balance from the last day on: where the line begins and ends, and the likely range as a share of the width.
    `whole`: it reaches zero inside the chart."""

    ahead: Ahead
    x1: str
    x2: str
    y1: str
    y2: str
    range_x: str
    range_width: str
    whole: bool


@dataclass(frozen=True)
class Chart:
    """`days` are in order and without gaps. Negative amounts are not drawn, but printed."""

    series: tuple[Series, ...]
    days: tuple[Day, ...]
    ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    line: Line | None = None
    unit: str = "day"
    height: int = HEIGHT
    base: int = BASE

    @property
    def total(self) -> int:
        return sum(day.total for day in self.days)

    @property
    def partial(self) -> bool:
        return any(day.partial for day in self.days)

    @property
    def busiest(self) -> Day | None:
        day = max(self.days, key=lambda day: day.total, default=None)
        return day if day and day.total > 0 else None


def stacked(days: Sequence[Day], series: Sequence[Series], ahead: Ahead | None = None) -> Chart:
    """At most five series: smaller ones must be combined in the last. What lies `ahead` gets at most as many days as
    the bars have."""
    if len(series) > MOST_SERIES:
        raise ValueError(f"{len(series)} series; at most {MOST_SERIES} can be told apart")
    top, step = _scale(max((_drawn(day) for day in days), default=0))
    ticks = tuple(Tick(_axis(value), _px(_y(value, top) + 50)) for value in range(top, -1, -step))
    many = len(days) + (min(ahead.days, len(days)) if ahead else 0)
    bars = tuple(_bar(index, day, many, series, top) for index, day in enumerate(days))
    line = _line(ahead, len(days), many) if ahead else None
    unit = "hour" if any(day.hour is not None for day in days) else "week" if any(day.last for day in days) else "day"
    marks = _hour_marks(days) if unit == "hour" else _marks(days, many, line)
    return Chart(tuple(series), tuple(days), ticks, bars, marks, line, unit)


def _line(ahead: Ahead, past: int, many: int) -> Line:
    """From the middle of the last bar down to the middle of the day that reaches zero, or to the chart's edge."""

    def middle(days: int) -> int:
        return min((past - 1 + days) * 100 + 50, many * 100)

    whole, first, last = ahead.days <= many - past, middle(0), middle(ahead.days)
    fallen = (last - first) * (BASE * 100 - _LINE_TOP) // max(ahead.days * 100, 1)
    low, high = middle(ahead.earliest), many * 100 if ahead.latest is None else middle(ahead.latest)
    return Line(
        ahead,
        x1=_share(first, many),
        x2=_share(last, many),
        y1=_px(_LINE_TOP),
        y2=_px(_LINE_TOP + fallen),
        range_x=_share(low, many),
        range_width=_share(max(high - low, 0), many),
        whole=whole,
    )


def _scale(largest: int) -> tuple[int, int]:
    """The top of the axis and its step, in micros: 1, 2 or 5 times a power of ten, at most four steps."""
    if largest == 0:
        return MICROS_PER_USD, MICROS_PER_USD
    step = 1
    while True:
        for factor in (1, 2, 5):
            if step * factor * _GRID_LINES >= largest:
                size = step * factor
                return max(-(-largest // size), 2) * size, size
        step *= 10


def _bar(index: int, day: Day, many: int, series: Sequence[Series], top: int) -> Bar:
    y, segments = BASE * 100, []
    for one, value in zip(series, day.values, strict=True):
        tall = BASE * 100 * value // top if value > 0 else 0
        y -= tall
        if value > 0:
            # One pixel between segments, but never an invisible amount.
            segments.append(Segment(one.css, _px(y), _px(max(tall - 100, 50))))
    named = zip(series, day.values, strict=True)
    return Bar(
        day=day,
        left=_share(index * 100, many),
        width=_share(100, many),
        parts=" · ".join(f"{one.label} {money(value)}" for one, value in named if value) or "no cost",
        segments=tuple(segments),
    )


def _marks(days: Sequence[Day], many: int, line: Line | None) -> tuple[Mark, ...]:
    """Dates below the bars, counted back from the newest so that today always has one; and the day at zero, if there is
    room for it."""
    past = len(days)
    every = 1 if past <= 8 else 7 if many <= 31 else 14 if many <= 62 else 21
    marks = []
    for index in range(past - 1, -1, -every):
        newest = index == many - 1 and many > 8
        x = "100" if newest else _share(index * 100 + 50, many)
        minor = ((past - 1 - index) // every) % 2 == 1
        marks.append(Mark(_date(days[index].day), x, "end" if newest else "middle", minor))
    if line and line.whole and (many - past) * 8 >= many:
        marks.append(Mark(_date(line.ahead.zero_on), "100", "end", minor=False))
    return tuple(marks)


def _hour_marks(days: Sequence[Day]) -> tuple[Mark, ...]:
    """Below the bars of hours: each day at its first hour, and every sixth hour."""
    marks = []
    for index, one in enumerate(days):
        if one.hour is not None and one.hour % 6 == 0:
            text = f"{one.hour:02}:00" if one.hour else _date(one.day)
            marks.append(Mark(text, _share(index * 100 + 50, len(days)), "middle", one.hour % 12 == 6))
    return tuple(marks)


def _date(day: date) -> str:
    return f"{day.day} {day:%b}"


def _drawn(day: Day) -> int:
    return sum(value for value in day.values if value > 0)


def _y(value: int, top: int) -> int:
    return BASE * 100 * (top - value) // top


def _axis(micros: int) -> str:
    return "$0" if micros == 0 else money(micros).removesuffix(".00")


def _px(hundredths: int) -> str:
    """With one decimal, which is enough for the eye."""
    return f"{hundredths // 100}.{hundredths % 100 // 10}".removesuffix(".0")


def _share(hundredths: int, many: int) -> str:
    """Percent with three decimals: `hundredths` of one bar's width out of `many` bars."""
    thousandths = hundredths * 1000 // many
    return f"{thousandths // 1000}.{thousandths % 1000:03d}"
