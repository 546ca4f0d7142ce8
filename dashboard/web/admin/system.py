"""`/admin/system`: the state of the installation, for support. No secrets; a test email can be sent."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, url_for
from flask_login import current_user

from dashboard.config import settings
from dashboard.config.urls import base_url
from dashboard.core import clock, ids, mail
from dashboard.core.db import transaction
from dashboard.domain import audit
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds import seals
from dashboard.domain.messages import outbox
from dashboard.domain.platform import system
from dashboard.domain.platform.system import System
from dashboard.models import PLATFORM_ORG_ID
from dashboard.web import guards, render
from dashboard.web.admin import words
from dashboard.web.sessions import poll

pages = Blueprint("admin_system", __name__, url_prefix="/admin/system")
guards.signed_in_only(pages)

CLOCK_LIMIT = timedelta(seconds=2)
QUEUE_LIMIT = timedelta(minutes=2)

OWNER_LOGIN = (
    "A fault that lets a stranger run SQL could then change ledger rows. Give website and worker a login of their own: "
    "docs/operations.md, Database logins."
)

Trouble = tuple[str, str]


@pages.get("")
def show() -> Response:
    guards.require_platform(Verb.PLATFORM_READ)
    return render.render("admin/system/show.html", **_seen())


@pages.get("/live")
@poll
def live() -> Response:
    """Everything except the page's frame, twice a minute."""
    guards.require_platform(Verb.PLATFORM_READ)
    return render.render("admin/system/_state.html", **_seen())


@pages.post("/test-mail")
def test_mail() -> Response:
    """Send an email to the user who asks: the only proof that email works."""
    by = guards.require_platform(Verb.PLATFORM_READ).actor
    with transaction(org=PLATFORM_ORG_ID):
        outbox.send(
            PLATFORM_ORG_ID, key=f"test:{ids.new()}", event="test", to=current_user.email,
            context={
                "asked_by": mail.one_line(current_user.name), "asked_at": clock.in_words(clock.now()),
                "link": f"{base_url()}{url_for('.show')}",
            },
        )  # fmt: skip
        audit.record(current_user, "email.tested", by=by, org=PLATFORM_ORG_ID)
    if settings().smtp.url:
        render.toast_next(f"A test email is on its way to {current_user.email}.")
    else:
        render.toast_next("No mail server is set up: the test email waits for one.", bad=True)
    return render.redirect(url_for(".show"))


def _seen() -> dict[str, Any]:
    result, now = system.look(guards.platform_provider()), clock.now()
    return {
        "system": result, "now": now, "troubles": list(_troubles(result)), "lasted": words.lasted, "size": _size,
        "events": words.EVENT_TONES, "mails": words.MAIL_TONES, "environment": settings().environment,
        "sealing": result.seals.seconds > seals.LATE_SECONDS, "clock_off": abs(result.database.ahead) > CLOCK_LIMIT,
    }  # fmt: skip


def _troubles(result: System) -> list[Trouble]:
    """Problems, most urgent first: title and meaning."""
    troubles: list[Trouble] = []
    if not result.software.migrated:
        troubles.append(("Migrations are missing", "Run flask db upgrade, then restart the processes."))
    if result.tick is None or result.tick.late is not None:
        troubles.append(("Worker is late", "Nothing is swept up until worker.py runs again."))
    if result.queues is None:
        troubles.append(("Redis is away", "Nothing is lost: jobs wait, and the next tick after its return finds them."))
    elif any(one.oldest and clock.now() - one.oldest > QUEUE_LIMIT for one in result.queues):
        troubles.append(
            ("Jobs have waited too long", "More RQ workers (jobs.workers), or another worker.py, would help.")
        )
    if result.database.owner_login:
        troubles.append(("The database login owns the ledger", OWNER_LOGIN))
    if result.paying.problem:
        troubles.append(("Credits cannot be bought", result.paying.problem))
    if abs(result.database.ahead) > CLOCK_LIMIT:
        troubles.append(("The clocks differ", "This machine's and the database's: set both by NTP."))
    if result.seals.seconds > seals.LATE_SECONDS:
        troubles.append(("Seals are late", "Transactions remain unsealed; the worker's log says why."))
    return troubles


def _size(number: int) -> str:
    """Bytes as text."""
    for unit in ("KiB", "MiB", "GiB"):
        number, rest = divmod(number, 1024)
        if number < 1024:
            return f"{number}.{rest * 10 // 1024} {unit}"
    return f"{number // 1024} TiB"
