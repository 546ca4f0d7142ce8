"""The audit log of an organization: who did what, for its owners, admins and viewers."""

from functools import partial
from uuid import UUID

from flask import Blueprint, Response, url_for

from dashboard.core.db import transaction
from dashboard.domain import audit
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit import trail
from dashboard.domain.audit.trail import AuditFilters
from dashboard.web import audit_links, audit_list, guards, render, zones
from dashboard.web import listing as lists
from dashboard.web.exports import Turn
from dashboard.web.formats import zones_shown
from dashboard.web.guards import Visit

pages = Blueprint("audit", __name__, url_prefix="/o/<slug>")
guards.signed_in_only(pages)


@pages.get("/audit")
def listing(slug: str) -> Response:
    visit = guards.enter(slug, Verb.READ_AUDIT)
    here = partial(url_for, ".listing", slug=slug)
    switched = zones.switch(here, audit_list.FIELDS)
    result = audit_list.read(partial(_filters, visit), audit_list.FIELDS, here=here)
    return render.render(
        "audit/listing.html", fragment="audit/_filtered.html", status=result.status, listing=result,
        action=here(), zones=switched, groups=audit_list.groups(), actors=_actors(visit),
        export_href="" if result.error else url_for(".export", slug=slug, **result.typed),
        address=lambda view: url_for(".show", slug=slug, entry_id=view.entry.id),
        context_line=f"{visit.org.name} · {zones_shown()}",
    )  # fmt: skip


@pages.get("/audit.csv")
def export(slug: str) -> Response:
    visit = guards.enter(slug, Verb.READ_AUDIT)
    typed = lists.typed(audit_list.FIELDS)
    filters = _filters(visit, typed)
    with Turn() as turn:
        with transaction(org=visit.org.id):
            audit.record(visit.org, "audit.exported", by=visit.by, after=typed)
        return audit_list.file(turn, filters, name=f"{visit.org.slug}-audit", first=visit.org.created_at)


@pages.get("/audit/<uuid:entry_id>")
def show(slug: str, entry_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.READ_AUDIT)
    entry = trail.find(visit.org.id, entry_id)
    view = trail.entry_views([entry], for_manager=visit.caller.operator)[0]
    here = partial(url_for, ".listing", slug=slug)
    return render.render(
        "audit/show.html", slug=slug, view=view, back=here(), object_href=audit_links.of_org(entry, visit),
        about_href=here(object=entry.object_id), request_href=here(object=entry.request_id),
    )  # fmt: skip


def _filters(visit: Visit, typed: dict[str, str]) -> AuditFilters:
    """Raises Invalid."""
    return AuditFilters.parse(typed, org_id=visit.org.id, named=visit.caller.operator)


def _actors(visit: Visit) -> list[lists.Choice]:
    people = [(str(key), name) for key, name in trail.everyone(visit.org.id)]
    return [("", "Everyone"), *people, ("manager", "Platform manager"), ("system", "System")]
