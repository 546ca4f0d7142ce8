"""`/admin/orgs`: all organizations, and one as a platform manager sees it."""

from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, url_for

from dashboard.core import clock
from dashboard.core.money import of_currency
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds import transactions, wallets
from dashboard.domain.funds.reports import costs, forecast
from dashboard.domain.organizations import memberships
from dashboard.domain.platform import external_keys, organizations, people
from dashboard.domain.platform.organizations import OrganizationFilters
from dashboard.models import Organization, Wallet
from dashboard.web import charts, guards, payment_list, render, transaction_list
from dashboard.web import listing as lists
from dashboard.web.admin import grants, org_status, words

pages = Blueprint("admin_orgs", __name__, url_prefix="/admin/orgs")
guards.signed_in_only(pages)
pages.register_blueprint(grants.pages)
pages.register_blueprint(org_status.pages)

STATES = (
    ("", "All states"),
    ("overdrawn", "Overdrawn"),
    ("out", "Out of credits"),
    ("low", "Low balance"),
    ("review", "Payment in review"),
    ("uncredited", "Paid, not credited"),
    ("unknown", "Payment unknown"),
    ("no_keys", "No keys"),
    ("suspended", "Suspended"),
    ("closed", "Closed"),
)
KINDS = (("", "Teams and personal"), ("team", "Teams"), ("personal", "Personal"))
FIELDS = {"q": "", "state": "", "kind": ""}
RECENT_ROWS = 10


@pages.get("")
def listing() -> Response:
    guards.require_platform(Verb.PLATFORM_READ)
    page = partial(organizations.page, mode=guards.platform_mode())
    result = lists.read(
        lambda typed, cursor: page(OrganizationFilters.parse(typed), cursor=cursor),
        FIELDS,
        here=partial(url_for, ".listing"),
    )
    return render.render(
        "admin/orgs/listing.html", fragment="admin/orgs/_list.html", status=result.status, listing=result,
        states=STATES, kinds=KINDS, badges=_badges, runs_out=words.runs_out,
    )  # fmt: skip


@pages.get("/<uuid:org_id>")
def show(org_id: UUID) -> Response:
    org, _ = guards.look_into(org_id, Verb.PLATFORM_READ)
    wallet = wallets.of_organization(org.id, guards.platform_mode(), fresh=True)
    ahead, acts = forecast.of(wallet), organizations.manager_acts(org.id)
    keys = organizations.keys_of(org.id)
    return render.render(
        "admin/orgs/show.html", org=org, wallet=wallet, keys=keys, now=clock.now(), directory=external_keys.of(org),
        members=memberships.of_org(org.id), payments=organizations.payments_of(org.id),
        acts=words.acts(acts, people.names(acts)), runs_out=words.runs_out(ahead), pace=words.pace(ahead),
        credited=organizations.credited(wallet),
        badges=words.org_badges(
            org, wallet, keys=len([key for key in keys if not key.revoked_at])
        ),
        payment_states=payment_list.STATES, amount_of=of_currency, **_chart(wallet, org.slug), **_recent(org, wallet),
    )  # fmt: skip


def _badges(row: organizations.Row) -> list[tuple[str, str]]:
    return words.org_badges(row.org, row.wallet, keys=row.keys)


def _chart(wallet: Wallet, slug: str) -> dict[str, Any]:
    span = costs.preset("30")
    daily = costs.daily(wallet, span.first, span.last, "app")
    series = [charts.Series(_label(one.key), f"s{one.colour}") for one in daily.series]
    days = [charts.Day(one.day, one.values or (0,), one.partial, _rows_on(slug, one.day)) for one in daily.days]
    return {"chart": charts.stacked(days, series or [charts.Series("Usage", "s1")]), "spent": daily.micros}


def _rows_on(slug: str, day: date) -> str:
    query: dict[str, Any] = {"from": day.isoformat(), "to": day.isoformat()}
    return url_for("transactions.listing", slug=slug, **query)


def _label(app: str | None) -> str:
    return "Other apps" if app is None else app or "No app"


def _recent(org: Organization, wallet: Wallet) -> dict[str, Any]:
    here = url_for(".show", org_id=org.id)
    page = transactions.page(wallet, limit=RECENT_ROWS)
    return {
        "listing": lists.Listing(
            transaction_list.lines(page.rows, row=lambda row_id: _row_href(org, row_id), for_manager=True), reset=here
        ),
        "words": f"The newest {len(page.rows)}",
    }


def _row_href(org: Organization, row_id: UUID) -> str:
    return f"{url_for('transactions.listing', slug=org.slug)}/{row_id}"
