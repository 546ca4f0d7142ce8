"""An organization's settings: name and addresses, transferring ownership, and deleting it."""

from typing import Any

from flask import Response, request, url_for

from dashboard.core.db import retrying, transaction
from dashboard.core.errors import Conflict, NotFound
from dashboard.domain.access.permissions import Verb
from dashboard.domain.org_status import OrgAction
from dashboard.domain.organizations import lifecycle, memberships, org_settings
from dashboard.domain.organizations.organizations import SlugTaken
from dashboard.domain.platform import external_keys
from dashboard.models import Organization
from dashboard.web import guards, render
from dashboard.web.guards import Visit
from dashboard.web.settings.blueprint import pages

LABELS = {"slug": "Address", "tax_id": "Tax ID", "billing_email": "Billing email", "return_hosts": "Return hosts"}


@pages.get("")
def show(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_ORG)
    return _page(visit, _values(visit.org), {})


@pages.post("")
def save(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_ORG, act=OrgAction.MEMBERS)
    values = {name: request.form[name] for name in org_settings.FIELDS if name in request.form}
    if errors := org_settings.problems(values):
        return _page(visit, _values(visit.org) | values, errors, status=422)
    guards.require_recent()
    try:
        with transaction(org=visit.org.id):
            org = org_settings.change(visit.org, values, by=visit.by)
    except SlugTaken as refusal:
        return _page(visit, _values(visit.org) | values, _taken(refusal, values), status=422)
    render.toast_next("Settings saved.")
    return render.redirect(url_for("settings.show", slug=org.slug))


@pages.get("/transfer")
def choose(slug: str) -> Response:
    """Choose the new owner: each member leads to the review."""
    visit = guards.enter(slug, Verb.MANAGE_ORG, act=OrgAction.MEMBERS)
    able = [row for row in memberships.of_org(visit.org.id) if row.role != "owner" and row.user.is_active]
    return render.render("settings/choose.html", visit=visit, members=able)


@pages.get("/delete")
def ask_delete(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_ORG, act=OrgAction.MEMBERS)
    return _delete_page(visit, {})


@pages.post("/delete")
def delete(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_ORG, act=OrgAction.MEMBERS)
    if request.form.get("name", "").strip() != visit.org.name:
        return _delete_page(visit, {"name": "This is not the organization's name. Nothing was deleted."}, status=422)
    guards.require_recent()
    try:
        _carry_out(visit)
    except Conflict as refusal:
        return _delete_page(visit, {"": refusal.detail}, status=refusal.status)
    render.toast_next(f"{visit.org.name} is deleted.")
    return render.redirect(url_for("orgs.listing"))


@retrying
def _carry_out(visit: Visit) -> None:
    with transaction(org=visit.org.id):
        lifecycle.delete(visit.org, by=visit.by)


def _values(org: Organization) -> dict[str, Any]:
    return {name: getattr(org, name) for name in org_settings.FIELDS} | {"return_hosts": "\n".join(org.return_hosts)}


def _taken(refusal: SlugTaken, values: dict[str, str]) -> dict[str, str]:
    return {"slug": f"{refusal.detail} {org_settings.suggestion(values['slug'].strip())} is free."}


def _page(visit: Visit, values: dict[str, Any], errors: dict[str, str], *, status: int = 200) -> Response:
    return render.render(
        "settings/show.html", status=status, visit=visit, values=values, errors=errors, labels=LABELS,
        now=_values(visit.org), directory=external_keys.of(visit.org),
    )  # fmt: skip


def _delete_page(visit: Visit, errors: dict[str, str], *, status: int = 200) -> Response:
    if visit.org.kind != "team":
        raise NotFound
    obstacles = lifecycle.obstacles(visit.org)
    return render.render("settings/delete.html", status=status, visit=visit, errors=errors, obstacles=obstacles)
