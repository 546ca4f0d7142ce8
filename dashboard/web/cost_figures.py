"""The parts of the Cost management page as plain values: chart, shares, changes, the notice, the first steps."""

from dataclasses import dataclass, replace
from typing import Any

from flask import request, url_for

from dashboard.core.money import money
from dashboard.domain.access import keys
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds.reports import costs
from dashboard.domain.funds.reports.costs import Group, Range, Source
from dashboard.domain.funds.reports.forecast import Forecast
from dashboard.models import LOW_MICROS, TRANSACTION_TYPES
from dashboard.web import charts, guards
from dashboard.web.formats import day, percent
from dashboard.web.guards import Visit

RANGES = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("month", "This month"), ("last-month", "Last month"))
PERIODS = {"month": "this month", "last-month": "last month"}
BEFORE = {"month": "same days of last month", "last-month": "month before"}
GROUPS: tuple[tuple[Group, str], ...] = (("app", "By app"), ("type", "By type"))
SOON_DAYS = 7
LONGEST_WITH_TABLE = 31

Share = tuple[str, str, int, str, str, str]
"""Label, URL, micros, colour, left and right note: what the macro `shares` takes."""


@dataclass(frozen=True, slots=True)
class Notice:
    """The only notice at the top of the page."""

    title: str
    text: str
    tone: str


@dataclass(frozen=True, slots=True)
class Change:
    """How a period compares with the one before: `▲ 3%` with its tone, and the text after it."""

    mark: str
    words: str
    up: bool


@dataclass(frozen=True, slots=True)
class Step:
    title: str
    text: str
    href: str
    done: bool


def chosen_group() -> Group:
    return "type" if request.args.get("group") == "type" else "app"


def period_words(range: Range) -> str:
    return PERIODS.get(range.key, f"{range.days} days")


def before_words(range: Range) -> str:
    return BEFORE.get(range.key, f"previous {range.days} days" if range.days > 1 else "day before")


def switches(slug: str, range: Range, group: Group) -> dict[str, list[tuple[str, str, bool]]]:
    """The links that choose the range and the group."""

    def address(**query: Any) -> str:
        chosen: dict[str, Any] = {"range": range.key, "group": group, **query}
        return url_for("costs.show", slug=slug, **chosen)

    return {
        "ranges": [(words, address(range=key), key == range.key) for key, words in RANGES],
        "groups": [(words, address(group=key), key == group) for key, words in GROUPS],
    }


def table_or_chart(slug: str, range: Range, group: Group) -> dict[str, Any]:
    """If a range is too long for a chart with its table on one page, they are on two pages."""
    if range.days <= LONGEST_WITH_TABLE:
        return {"as_table": False, "table_switch": ""}
    as_table = request.args.get("table") == "1"
    query: dict[str, Any] = {"range": range.key, "group": group} | ({} if as_table else {"table": "1"})
    return {"as_table": as_table, "table_switch": url_for("costs.show", slug=slug, **query, _anchor="daily-cost")}


def chart(visit: Visit, source: Source, range: Range, group: Group, ahead: Forecast | None) -> charts.Chart:
    """The daily bars; each day links to its transactions. If the range ends today, the forecast continues from it."""
    rows = costs.daily(source, range.first, range.last, group)
    series = [charts.Series(label(one.key, group), f"s{one.colour}") for one in rows.series]
    days = [
        charts.Day(
            one.day,
            one.values if series else (0,),
            one.partial,
            _rows_of(visit, Range("", one.day, one.day)),
        )
        for one in rows.days
    ]
    going_on = ahead if ahead and range.last == ahead.today else None
    return charts.stacked(days, series or [charts.Series("No cost", "s5")], _ahead(going_on) if going_on else None)


def _ahead(forecast: Forecast) -> charts.Ahead | None:
    if forecast.runs_out_on is None or forecast.earliest is None or not forecast.days:
        return None
    latest = (forecast.latest - forecast.today).days if forecast.latest else None
    earliest = (forecast.earliest - forecast.today).days
    return charts.Ahead(forecast.balance_micros, forecast.days, earliest, latest, forecast.runs_out_on)


def shares(visit: Visit, source: Source, range: Range, group: Group) -> list[Share]:
    items = []
    for one in costs.by_group(source, range, group):
        change = compared(one.micros, one.before_micros, "")
        right = percent(one.micros, one.of_micros) + (f" · {change.mark}" if change.mark else "")
        rows = f"{one.count:,} transaction{'' if one.count == 1 else 's'}"
        # No filter finds rows without an app, or the rest.
        href = _rows_of(visit, range, **{str(group): one.key}) if one.key else ""
        items.append((label(one.key, group), href, one.micros, f"s{one.colour}", rows, right))
    return items


def label(key: str | None, group: Group) -> str:
    if key is None:
        return "Other apps" if group == "app" else "Other types"
    if group == "type":
        return TRANSACTION_TYPES[key].label
    return key or "No app"


def compared(now: int, before: int, period: str) -> Change:
    """A higher cost is marked as bad. If the period before had no cost, there is no percentage."""
    if before <= 0:
        return Change("", f"Nothing in the {period}" if now else f"Nothing in the {period} either", up=False)
    if now == before:
        return Change("", f"The same as in the {period}", up=False)
    arrow = "▲" if now > before else "▼"
    size = "over 999%" if now > before * 10 else percent(abs(now - before), before)
    return Change(f"{arrow} {size}", f"vs. {period} ({money(before)})", up=now > before)


def notice(visit: Visit, forecast: Forecast | None) -> Notice | None:
    """At most one: the most urgent. Those who cannot buy read who can."""
    shown = _notice(visit, forecast)
    if shown is None or visit.may(Verb.BUY) or visit.caller.role is None or visit.wallet.frozen_at:
        return shown
    return replace(shown, text=f"{shown.text} {guards.who_can(visit.org, Verb.BUY)} can buy credits.")


def _notice(visit: Visit, forecast: Forecast | None) -> Notice | None:
    wallet = visit.wallet
    if wallet.frozen_at:
        return Notice("This wallet is frozen", "A payment is disputed. Calls are refused until that is settled.", "bad")
    if wallet.balance < 0:
        text = "Calls are refused until it is above zero." if wallet.blocked else "Calls continue down to its limit."
        return Notice(f"The balance is overdrawn by {money(-wallet.balance)}", text, "bad")
    if wallet.blocked:
        return Notice("Out of credits", "Calls are refused until credits are added.", "bad")
    if forecast and forecast.state == "runs_out" and forecast.days is not None and forecast.days <= SOON_DAYS:
        days = "today" if forecast.days == 0 else f"in {forecast.days} day{'' if forecast.days == 1 else 's'}"
        pace = (
            f"At the pace of {money(forecast.pace_micros)} a day it"
            if forecast.pace_micros
            else "What is left expires: it"
        )
        text = f"{pace} reaches zero about {day(forecast.runs_out_on)}, and calls stop then."
        return Notice(f"Credits run out {days}", text, "warn")
    if wallet.available < LOW_MICROS:
        return Notice(f"Balance is below {money(LOW_MICROS)}", "Calls stop when it reaches zero.", "warn")
    return None


def steps(visit: Visit) -> list[Step]:
    """The steps of a new organization to its first charge, for users who may take them."""
    slug = visit.org.slug
    has_key = any(key.revoked_at is None for key in keys.of_org(visit.org.id, made_by=visit.only_of))
    funded = visit.wallet.balance > 0
    buy = url_for("buy.form", slug=slug) if visit.may(Verb.BUY) else ""
    make = url_for("keys.listing", slug=slug) if visit.may(Verb.MANAGE_OWN_KEYS) else ""
    return [
        Step(
            "Credits on the balance" if funded else "Buy credits",
            "They are on the balance when the payment is confirmed.",
            buy,
            funded,
        ),
        Step("Create an API key", "Your program charges the balance with it.", make, has_key),
        Step("Send the first charge", "It appears here at once.", "", False),
    ]


def forecast_words(forecast: Forecast) -> dict[str, Any]:
    """The figure of the card and the line below it."""
    pace = f"{len(forecast.debits[:7])}-day pace {money(forecast.pace_micros)}/day"
    match forecast.state:
        case "runs_out":
            days = forecast.days or 0
            latest = day(forecast.latest) if forecast.latest else "more than a year away"
            line = f"About {day(forecast.runs_out_on)} · likely {day(forecast.earliest)} to {latest} · {pace}"
            return {"figure": f"{days} day{'' if days == 1 else 's'}", "line": line}
        case "over_a_year":
            return {"figure": "More than a year", "line": pace[:1].upper() + pace[1:], "small": True}
        case "no_usage":
            return {"figure": "No usage in 7 days", "line": "Without usage the balance stays as it is.", "small": True}
        case "needs_data":
            so_far = f"{len(forecast.debits)} so far." if forecast.debits else "None so far."
            return {"figure": "Needs 3 full days of usage", "line": so_far, "small": True}
    return {"figure": "Out of credits", "line": pace if forecast.pace_micros else "", "small": True}


def _rows_of(visit: Visit, range: Range, **filters: str) -> str:
    query: dict[str, Any] = {**filters, "from": range.first.isoformat(), "to": range.last.isoformat()}
    return url_for("transactions.listing", slug=visit.org.slug, **query)
