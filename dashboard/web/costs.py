"""Cost management: the balance, how long it lasts, and what it was spent on."""

from typing import Any

from flask import Blueprint, Response, request, url_for

from dashboard.core.money import money
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds.reports import costs, credits, forecast
from dashboard.domain.funds.reports.costs import OwnCosts, Range
from dashboard.models import SPENDING
from dashboard.web import comparison, cost_figures, examples, guards, limit_words, recent, render, transaction_list
from dashboard.web.formats import zones_shown
from dashboard.web.guards import Visit
from dashboard.web.sessions import poll
from dashboard.web.transactions import live_address

pages = Blueprint("costs", __name__, url_prefix="/o/<slug>")
guards.signed_in_only(pages)

WORSE = ("", "warn", "bad")


@pages.get("/")
def show(slug: str) -> Response:
    visit = guards.enter(slug, Verb.READ_BALANCE)
    return render.render("costs/show.html", **_frame(visit), **_figures(visit), **recent.shown(visit))


@pages.get("/live")
@poll
def live(slug: str) -> Response:
    """What has changed since the page's version of the ledger; 204 if nothing has."""
    visit = guards.enter(slug, Verb.READ_BALANCE)
    seen, since = (request.args.get(name, type=int) for name in ("v", "since"))
    if seen == visit.wallet.seq:
        return render.unchanged()
    context = _live(visit, seen if since is None else since)
    return render.partials("costs/_live.html", toast=_crossed(), **context)


def _frame(visit: Visit) -> dict[str, Any]:
    """What everyone sees: header and balance."""
    return {
        "spendable": limit_words.spendable_by(visit),
        "slug": visit.org.slug,
        "wallet": visit.wallet,
        "own_only": visit.only_of is not None,
        "may_buy": visit.may(Verb.BUY) and visit.org.suspended_at is None,
        "live_href": live_address(visit, part="costs", state=_state()),
        "context_line": f"{visit.org.name} · {zones_shown()}",
    }


def _figures(visit: Visit) -> dict[str, Any]:
    """Cards, chart and shares: over the whole ledger, or over the visitor's own rows if they may see only these."""
    range = costs.preset(request.args.get("range"))
    own = costs.of_user(visit.wallet, visit.only_of) if visit.only_of else None
    source, by = own or visit.wallet, cost_figures.grouping(visit, own)
    around = _of_everybody(visit, range) if own is None else _of_one(visit, own)
    spent = costs.spent(source, range)
    return {
        **around,
        **cost_figures.switches(visit.org.slug, range, by),
        "group": by.group,
        **cost_figures.table_or_chart(visit.org.slug, range, by.group),
        "period": cost_figures.period_words(range),
        "chosen": range,
        "spent": spent,
        "before": comparison.before_words(range),
        "change": comparison.compared(spent.micros, spent.before_micros, comparison.before_words(range)),
        "first_call": examples.calls(visit.org.id, ["wallet:charge"])[0],
        "chart": cost_figures.chart(visit, range, by, around["forecast"]),
        "shares": cost_figures.shares(visit, range, by),
    }


def _of_everybody(visit: Visit, range: Range) -> dict[str, Any]:
    ever = {key for key, _ in transaction_list.offers(visit.wallet)["types"]}
    return {
        **_ahead(visit),
        "added": credits.added(visit.wallet, range),
        "last_purchase": credits.last_purchase(visit.wallet),
        "steps": [] if ever & SPENDING else cost_figures.steps(visit),
        "left_out": None,
    }


def _of_one(visit: Visit, own: OwnCosts) -> dict[str, Any]:
    """`left_out`: the day before which the user's rows were not read."""
    return {
        "notice": cost_figures.notice(visit, None),
        "forecast": None,
        "steps": [] if own.rows else cost_figures.steps(visit),
        "left_out": None if own.complete else own.since,
    }


def _ahead(visit: Visit) -> dict[str, Any]:
    result = forecast.of(visit.wallet)
    return {
        "forecast": result,
        "forecast_words": cost_figures.forecast_words(result),
        "notice": cost_figures.notice(visit, result),
    }


def _live(visit: Visit, since: int | None) -> dict[str, Any]:
    part = "costs" if request.args.get("part") == "costs" else "list"
    ahead = {"notice": cost_figures.notice(visit, None), "forecast": None} if visit.only_of else _ahead(visit)
    endpoint = "costs.show" if part == "costs" else "transactions.listing"
    return {
        **ahead,
        "part": part,
        "wallet": visit.wallet,
        "spendable": limit_words.spendable_by(visit),
        "slug": visit.org.slug,
        "may_buy": visit.may(Verb.BUY) and visit.org.suspended_at is None,
        "own_only": visit.only_of is not None,
        "new_rows": 0 if visit.only_of else max(visit.wallet.seq - (since or 0), 0),
        "new_rows_href": url_for(endpoint, slug=visit.org.slug),
        "live_href": live_address(visit, part=part, since=since, state=_state()),
    }


def _state() -> str:
    """The balance's state, as in the navigation: empty, `warn` or `bad`."""
    nav = render.shell()
    return nav.balance_state if nav else ""


def _crossed() -> str | None:
    """What to announce if the balance became worse since the page last asked."""
    state, before = _state(), request.args.get("state", "")
    nav = render.shell()
    if nav is None or before not in WORSE or WORSE.index(state) <= WORSE.index(before):
        return None
    return f"The balance is {money(nav.balance_micros or 0)}: {nav.balance_words}."
