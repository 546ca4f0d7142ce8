"""`/admin/mail`: unsent emails, the reason, and sending them again or giving up."""

from uuid import UUID

from flask import Blueprint, Response, url_for

from dashboard.config import settings
from dashboard.core.db import transaction
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit import names
from dashboard.domain.messages import outbox
from dashboard.web import guards, render
from dashboard.web.admin import words

pages = Blueprint("admin_mail", __name__, url_prefix="/admin/mail")
guards.signed_in_only(pages)

SHOWN = 50


@pages.get("")
def listing() -> Response:
    guards.require_platform(Verb.PLATFORM_READ)
    rows = outbox.unsent(SHOWN)
    return render.render(
        "admin/mail/listing.html", rows=rows, orgs=names.orgs_of(rows), tones=words.MAIL_TONES,
        server=bool(settings().smtp.url), most=SHOWN,
    )  # fmt: skip


@pages.post("/<uuid:org_id>/<uuid:mail_id>/retry")
def retry(org_id: UUID, mail_id: UUID) -> Response:
    caller = guards.require_platform(Verb.PLATFORM_GRANT)
    row = outbox.find(org_id, mail_id)
    guards.require_recent()
    with transaction(org=org_id):
        outbox.retry(row, by=caller.actor)
    render.toast_next("Queued. The email leaves this list once it is sent.")
    return render.redirect(url_for(".listing"))


@pages.post("/<uuid:org_id>/<uuid:mail_id>/dismiss")
def dismiss(org_id: UUID, mail_id: UUID) -> Response:
    caller = guards.require_platform(Verb.PLATFORM_GRANT)
    row = outbox.find(org_id, mail_id)
    guards.require_recent()
    with transaction(org=org_id):
        outbox.dismiss(row, by=caller.actor)
    render.toast_next(f"Dismissed. The email to {row.to_address} will not be sent.")
    return render.redirect(url_for(".listing"))
