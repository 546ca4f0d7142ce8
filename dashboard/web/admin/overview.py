"""`/admin/`: what needs a platform manager's attention, today's money, and whether the ledger is consistent."""

import re
from typing import Any

from flask import Blueprint, Response

from dashboard.core import clock
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit import names
from dashboard.domain.platform import figures, overview, verify
from dashboard.domain.platform.overview import WorkItem
from dashboard.domain.platform.verify import Violation
from dashboard.models import PLATFORM_ORG_ID, Organization
from dashboard.web import audit_links, guards, render
from dashboard.web.sessions import poll

pages = Blueprint("admin", __name__, url_prefix="/admin")
guards.signed_in_only(pages)

SHOWN_VIOLATIONS = 20

KINDS = {
    "tick_late": ("Worker is late", "Nothing is swept up until worker.py runs again", "/admin/system"),
    "seals_late": ("Seals are late", "Transactions unsealed for over 15 minutes", "/admin/system"),
    "webhooks_silent": ("Webhooks stopped coming", "Payments credited without one", "/admin/webhooks"),
    "payment_review": ("Payments in review", "Paid amount doesn't match the order", "/admin/payments?state=review"),
    "inbox_parked": ("Webhooks parked", "Won't retry automatically", "/admin/webhooks?state=parked"),
    "payment_uncredited": ("Paid, not credited", "For over 5 minutes", "/admin/payments?state=paid"),
    "payment_unknown": ("Payments unknown", "No definite answer for over 5 minutes", "/admin/payments?state=unknown"),
    "inbox_failed": ("Webhooks failing", "Repeated by themselves", "/admin/webhooks?state=failed"),
    "inbox_waiting": ("Webhooks waiting", "For over 5 minutes", "/admin/webhooks?state=received"),
    "price_drift": ("Packs not sold", "Their price differs at Stripe", "/admin/catalog/packs"),
    "usage_parked": ("Usage without a price", "Charged as soon as its metric has one", "/admin/system"),
    "external_keys": ("External keys to confirm", "Set by owners, not in use until confirmed", "/admin/external-keys"),
    "mail_parked": ("Emails parked", "Won't retry automatically", "/admin/mail"),
    "mail_waiting": ("Mails waiting", "For over 5 minutes", "/admin/mail"),
    "mail_unset": ("No mail server is set up", "Emails wait until there is one", "/admin/mail"),
    "overdrawn": ("Balances below zero", "Oldest by last activity", "/admin/orgs?state=overdrawn"),
}
"""Title, meaning, and the page with the details."""

PAGES = {
    "inbox event": "admin_webhooks.show", "organization": "admin_orgs.show", "payment": "admin_payments.show",
    "transaction": "transactions.show", "usage event": "usage.show", "wallet": "admin_orgs.show",
}  # fmt: skip
"""The page of what breaks a rule, by its kind in `invariants.sql`; a wallet's is that of its organization."""

_OBJECT = re.compile(r"([a-z ]+) ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.ASCII)

TONES = dict.fromkeys(("inbox_failed", "inbox_waiting", "payment_unknown", "mail_waiting", "external_keys"), "warn")


@pages.get("/")
def show() -> Response:
    guards.require_platform(Verb.PLATFORM_READ)
    mode = guards.platform_mode()
    return render.render(
        "admin/overview/show.html", figures=figures.current(mode), **_work()
    )  # fmt: skip


@pages.get("/live")
@poll
def live() -> Response:
    """Only the work list, once a minute."""
    guards.require_platform(Verb.PLATFORM_READ)
    return render.render("admin/overview/_work.html", **_work())


@pages.post("/verify")
def check() -> Response:
    """Reads the whole ledger: a POST, so that no crawler and no reload starts it. Changes nothing."""
    guards.require_platform(Verb.PLATFORM_READ)
    started = clock.now()
    rows = verify.broken(most=SHOWN_VIOLATIONS)
    orgs = names.orgs_of(rows)
    shown = [_row(one, orgs[one.org_id]) for one in sorted(rows, key=lambda one: one.warning)]
    return render.render(
        "admin/overview/verify.html", broken=sum(not one.warning for one in rows), rows=shown,
        checks=verify.checks(), checked_at=started, platform=PLATFORM_ORG_ID,
    )  # fmt: skip


def _row(one: Violation, org: Organization) -> dict[str, Any]:
    """A broken row with its organization, and the kind, id and page of the object that it names."""
    found = _OBJECT.match(one.object)
    kind, object_id = found.groups() if found else ("", "")
    page = PAGES.get(kind, "")
    target = str(org.id) if page == PAGES["organization"] else object_id
    href = audit_links.address(page, target, slug=org.slug) if org.id != PLATFORM_ORG_ID else ""
    return {
        "one": one,
        "org": org,
        "href": href,
        "kind": kind,
        "id": object_id,
        "rest": one.object[found.end() if found else 0 :],
    }


def _work() -> dict[str, Any]:
    return {"checked_at": clock.now(), "items": [_shown(item) for item in overview.work_list(guards.platform_mode())]}


def _shown(item: WorkItem) -> dict[str, Any]:
    title, meaning, href = KINDS[item.kind]
    return {"item": item, "title": title, "meaning": meaning, "href": href, "tone": TONES.get(item.kind, "bad")}
