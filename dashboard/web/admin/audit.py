"""`/admin/audit`: the audit log of all organizations and of the platform itself, and the state of the ledger's
seals."""

from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, url_for

from dashboard.core.db import transaction
from dashboard.domain import audit
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit import names, trail
from dashboard.domain.audit.trail import AuditFilters
from dashboard.domain.funds import seals
from dashboard.domain.funds.seals import checkpoints
from dashboard.domain.organizations import organizations
from dashboard.models import PLATFORM_ORG_ID
from dashboard.web import audit_links, audit_list, guards, render, zones
from dashboard.web import listing as lists
from dashboard.web.exports import Turn
from dashboard.web.formats import zones_shown

pages = Blueprint("admin_audit", __name__, url_prefix="/admin")
guards.signed_in_only(pages)


@pages.get("/audit")
def listing() -> Response:
    guards.require_platform(Verb.PLATFORM_READ)
    here = partial(url_for, ".listing")
    switched = zones.switch(here, audit_list.EVERY_FIELDS)
    rows = audit_list.read(AuditFilters.parse, audit_list.EVERY_FIELDS, here=here)
    return render.render(
        "admin/audit/listing.html", fragment="audit/_filtered.html", status=rows.status,
        listing=rows, action=here(), zones=switched, groups=audit_list.groups(),
        orgs=names.orgs_of([line.view.entry for line in rows.rows]),
        export_href="" if rows.error else url_for(".export", **rows.typed),
        address=lambda view: url_for(".show", entry_id=view.entry.id),
        context_line=f"Platform · {zones_shown()}", **({} if render.is_htmx() else _sealed()),
    )  # fmt: skip


@pages.get("/audit.csv")
def export() -> Response:
    caller = guards.require_platform(Verb.PLATFORM_READ)
    typed = lists.typed(audit_list.EVERY_FIELDS)
    filters = AuditFilters.parse(typed)
    platform = organizations.by_id(PLATFORM_ORG_ID)
    assert platform
    with Turn() as turn:
        with transaction(org=PLATFORM_ORG_ID):
            audit.record(
                audit.Ref("organization", filters.org_id or PLATFORM_ORG_ID), "audit.exported", by=caller.actor,
                org=PLATFORM_ORG_ID, after=typed,
            )  # fmt: skip
        return audit_list.file(turn, filters, name="platform-audit", first=platform.created_at)


@pages.get("/audit/<uuid:entry_id>")
def show(entry_id: UUID) -> Response:
    guards.require_platform(Verb.PLATFORM_READ)
    entry = trail.find(None, entry_id)
    here = partial(url_for, ".listing")
    return render.render(
        "admin/audit/show.html", view=trail.entry_views([entry], for_manager=True)[0], back=here(),
        org=names.orgs_of([entry])[entry.org_id], object_href=audit_links.of_platform(entry),
        about_href=here(object=entry.object_id), request_href=here(object=entry.request_id),
    )  # fmt: skip


def _sealed() -> dict[str, Any]:
    lag = seals.lag()
    return {"seals": lag, "sealing_late": lag.seconds > seals.LATE_SECONDS, "head": checkpoints.recorded()}
