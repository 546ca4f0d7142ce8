"""`/orgs`: the user's organizations, and creating one."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request, url_for
from flask_login import current_user

from dashboard.core import cursors, ids
from dashboard.core.db import transaction
from dashboard.core.errors import Invalid, TooManyRequests
from dashboard.domain.access.permissions import ROLE_WORDS, Verb, allowed, of_person
from dashboard.domain.funds import wallets
from dashboard.domain.organizations import invites, org_settings, user_organizations
from dashboard.domain.organizations.memberships import OrgMembership
from dashboard.domain.organizations.organizations import SlugTaken
from dashboard.models import Organization, Wallet
from dashboard.web import guards, navigation, render

pages = Blueprint("orgs", __name__, url_prefix="/orgs")
guards.account_pages(pages)

LONGEST_SEARCH = 200
TYPED = ("name", "slug", "billing_email")


@dataclass(frozen=True, slots=True)
class Card:
    """An organization with the user's role; `wallet` if they may see the balance."""

    org: Organization
    role: str
    wallet: Wallet | None
    tone: str
    words: str


@pages.get("")
def listing() -> Response:
    q = "".join(filter(str.isprintable, request.args.get("q", "")))[:LONGEST_SEARCH].strip()
    cursor = request.args.get("cursor")
    scope = ("my organizations", current_user.id, q)
    try:
        after = cursors.decode_id(cursor, *scope)
    except Invalid:
        after = None  # an outdated link starts at the beginning
    rows = user_organizations.listed(current_user.id, q=q, after=after, limit=user_organizations.PAGE + 1)
    shown = rows[: user_organizations.PAGE]
    more = cursors.encode(shown[-1].org.id.bytes, *scope) if len(rows) > len(shown) else ""
    return render.render(
        "orgs/listing.html", fragment="orgs/_list.html", cards=_cards(shown), q=q, searchable=bool(q or after or more),
        newer=url_for(".listing", q=q or None) if after else "",
        older=url_for(".listing", q=q or None, cursor=more) if more else "",
        my_invites=invites.open_to(current_user), words=ROLE_WORDS,
    )  # fmt: skip


@pages.get("/new")
def new() -> Response:
    return _form({}, {})


@pages.post("")
def create() -> Response:
    values = {name: request.form.get(name, "").strip() for name in TYPED}
    errors = org_settings.problems({name: text for name, text in values.items() if text or name == "name"})
    if errors:
        return _form(values, errors, status=422)
    try:
        org = _make(values)
    except SlugTaken as refusal:
        text = f"{refusal.detail} {org_settings.suggestion(values['slug'])} is free."
        return _form(values, {"slug": text}, status=422)
    except TooManyRequests as refusal:
        return _form(values, {"": refusal.detail}, status=refusal.status)
    render.toast_next(f"{org.name} is created. You are its owner.")
    return render.redirect(url_for("costs.show", slug=org.slug))


def _make(values: dict[str, str]) -> Organization:
    org_id, by = ids.new(), of_person(current_user, "owner").actor
    with transaction(org=org_id):
        return org_settings.create_team(values, org_id=org_id, owner=current_user, by=by)


def _cards(entries: list[OrgMembership]) -> list[Card]:
    own = wallets.of_organizations([entry.org.id for entry in entries], guards.platform_mode())
    return [_card(entry.org, entry.role or "", own[entry.org.id]) for entry in entries]


def _card(org: Organization, role: str, wallet: Wallet) -> Card:
    if not allowed(Verb.READ_BALANCE, of_person(current_user, role)):
        return Card(org, role, None, "", "")
    return Card(org, role, wallet, *navigation.balance_state(wallet))


def _form(values: dict[str, Any], errors: dict[str, str], *, status: int = 200) -> Response:
    return render.render("orgs/new.html", status=status, values=values, errors=errors)
