"""The parts of the Cost management page as plain values: chart, shares, changes, the notice, the first steps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from flask import request, url_for

from dashboard.core import clock
from dashboard.core.money import money
from dashboard.domain.access import keys
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds.credit_grants import notices
from dashboard.domain.funds.reports import costs
from dashboard.domain.funds.reports.costs import Group, GroupedCosts, OwnCosts, Range, Source
from dashboard.domain.funds.reports.forecast import Forecast
from dashboard.domain.usage import reports
from dashboard.domain.usage.reading import grouped_costs
from dashboard.models import LOW_MICROS, TRANSACTION_TYPES, Wallet
from dashboard.web import charts, comparison, guards, usage_figures
from dashboard.web.formats import day, percent, short_count
from dashboard.web.guards import Visit

RANGES = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("month", "This month"), ("last-month", "Last month"))
PERIODS = {"month": "this month", "last-month": "last month"}
GROUPS: tuple[tuple[Group, str], ...] = (
    ("metric", "By metric"), ("app", "By app"), ("member", "By member"), ("key", "By key"),
)  # fmt: skip
UNMETERED: tuple[tuple[Group, str], ...] = (("app", "By app"), ("type", "By type"))
OWN: tuple[tuple[Group, str], ...] = GROUPS[:2]
"""What a page can be grouped by: with usage, without any, and a member's own."""
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
class Step:
    title: str
    text: str
    href: str
    done: bool


@dataclass(frozen=True, slots=True)
class Grouping:
    """By what the page shows costs: the `group` of `groups`, told by `source`. `names` are those of the metrics."""

    group: Group
    groups: tuple[tuple[Group, str], ...]
    source: Source
    names: usage_figures.Known

    @property
    def by_usage(self) -> bool:
        return isinstance(self.source, GroupedCosts)


def grouping(visit: Visit, own: OwnCosts | None) -> Grouping:
    """The grouping in the URL; by default the first that there is."""
    used = reports.ever(visit.wallet, visit.only_of)
    groups = (OWN if visit.only_of else GROUPS) if used else UNMETERED
    asked = request.args.get("group")
    group = next((key for key, _ in groups if key == asked), groups[0][0])
    source: Source = own or visit.wallet
    if group in ("metric", "member", "key"):
        source = grouped_costs.of(visit.wallet, group, own=own, user_id=visit.only_of)
    return Grouping(group, groups, source, usage_figures.known(visit.org))


def period_words(range: Range) -> str:
    return PERIODS.get(range.key, f"{range.days} days")


def switches(slug: str, range: Range, by: Grouping) -> dict[str, list[tuple[str, str, bool]]]:
    """The links that choose the range and the group."""

    def address(**query: Any) -> str:
        chosen: dict[str, Any] = {"range": range.key, "group": by.group, **query}
        return url_for("costs.show", slug=slug, **chosen)

    return {
        "ranges": [(words, address(range=key), key == range.key) for key, words in RANGES],
        "groups": [(words, address(group=key), key == by.group) for key, words in by.groups],
    }


def table_or_chart(slug: str, range: Range, group: Group) -> dict[str, Any]:
    """If a range is too long for a chart with its table on one page, they are on two pages."""
    if range.days <= LONGEST_WITH_TABLE:
        return {"as_table": False, "table_switch": ""}
    as_table = request.args.get("table") == "1"
    query: dict[str, Any] = {"range": range.key, "group": group} | ({} if as_table else {"table": "1"})
    return {"as_table": as_table, "table_switch": url_for("costs.show", slug=slug, **query, _anchor="daily-cost")}


def chart(visit: Visit, range: Range, by: Grouping, ahead: Forecast | None) -> charts.Chart:
    """The daily bars; each day links to its rows. If the range ends today, the forecast continues from it."""
    rows = costs.daily(by.source, range.first, range.last, by.group)
    labels = labels_of(visit, by, [one.key for one in rows.series])
    series = [charts.Series(labels[one.key], f"s{one.colour}") for one in rows.series]
    days = [
        charts.Day(
            one.day, one.values if series else (0,), one.partial, _rows_of(visit, by, Range("", one.day, one.day))
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


def shares(visit: Visit, range: Range, by: Grouping) -> list[Share]:
    found = costs.by_group(by.source, range, by.group)
    labels, items = labels_of(visit, by, [one.key for one in found]), []
    for one in found:
        change = comparison.compared(one.micros, one.before_micros, "")
        right = percent(one.micros, one.of_micros) + (f" · {change.mark}" if change.mark else "")
        items.append(
            (
                labels[one.key],
                _share_link(visit, range, by, one.key),
                one.micros,
                f"s{one.colour}",
                _how_much(by, one),
                right,
            )
        )
    return items


def _how_much(by: Grouping, share: costs.Share) -> str:
    """`5.14M tokens`, `3 events`, `12 transactions`."""
    if by.group == "metric" and share.key:
        return f"{short_count(share.count)} {by.names.unit(share.key, share.count)}"
    if by.by_usage and not share.count:
        return "Not counted as usage of the day"
    noun = "unit" if by.group == "metric" else "event" if by.by_usage else "transaction"
    return f"{share.count:,} {noun}{'' if share.count == 1 else 's'}"


def _share_link(visit: Visit, range: Range, by: Grouping, key: str | None) -> str:
    """No filter finds rows without an app, or the rest."""
    if key:
        return _rows_of(visit, by, range, **{by.group: key})
    return _transactions_of(visit, range, type="charge") if by.by_usage and key == "" else ""


def labels_of(visit: Visit, by: Grouping, keys: Sequence[str | None]) -> dict[str | None, str]:
    others: dict[str | None, str] = {None: f"Other {by.group}s", "": "Other charges" if by.by_usage else "No app"}
    named = [key for key in keys if key]
    if by.group == "type":
        return others | {key: TRANSACTION_TYPES[key].label for key in named}
    called = usage_figures.labels_of(visit.org.id, by.group, named, by.names) if by.by_usage else {}
    return others | {key: called.get(key, key) for key in named}


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
    return expiring(visit.wallet, forecast.next_lapse) if forecast else None


def expiring(wallet: Wallet, next_lapse: tuple[int, date] | None) -> Notice | None:
    """The credit that expires next, and after which day, once a notice of it was due."""
    if next_lapse is None or not notices.any_for(wallet):
        return None
    micros, last = next_lapse
    days = (last - clock.today()).days
    when = "today" if days == 0 else "tomorrow" if days == 1 else f"in {days} days"
    text = f"What is left of it at the end of {day(last)} (UTC) leaves the balance."
    return Notice(f"{money(micros)} of credit expires {when}", text, "warn" if days <= SOON_DAYS else "info")


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


def _rows_of(visit: Visit, by: Grouping, range: Range, **filters: str) -> str:
    """The usage of these days, or the transactions if the costs are told by the ledger."""
    if not by.by_usage:
        return _transactions_of(visit, range, **filters)
    into = {"group": reports.APP} if filters.keys() == {"metric"} else {} if filters else {"group": by.group}
    query: dict[str, Any] = {**filters, **into, "from": range.first.isoformat(), "to": range.last.isoformat()}
    return url_for("usage.listing", slug=visit.org.slug, **query)


def _transactions_of(visit: Visit, range: Range, **filters: str) -> str:
    query: dict[str, Any] = {**filters, "from": range.first.isoformat(), "to": range.last.isoformat()}
    return url_for("transactions.listing", slug=visit.org.slug, **query)
