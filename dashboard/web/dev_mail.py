"""`/dev/mail`: all emails, sent or not. Only in development and test, because emails contain links that open
accounts.

The HTML of an email is shown in a sandboxed frame with its own policy.
"""

import re
from typing import Any
from uuid import UUID

from flask import Blueprint, Flask, Response, url_for

from dashboard.config import Settings, settings
from dashboard.core import mail
from dashboard.core.errors import NotFound
from dashboard.domain.messages import outbox
from dashboard.domain.payments.receipts import receipts
from dashboard.models import OutboxEmail
from dashboard.web import headers, render
from dashboard.web.admin import words
from dashboard.web.sessions import safe_next

pages = Blueprint("dev_mail", __name__, url_prefix="/dev/mail")

SHOWN = 50
LINK = re.compile(r"https?://[^\s<>/]+(/[^\s<>]+)")


@pages.get("")
def listing() -> Response:
    rows = [(row, outbox.rendered(row).subject) for row in outbox.newest(SHOWN)]
    return render.render("dev_mail/listing.html", rows=rows, most=SHOWN, **_around())


@pages.get("/<uuid:org_id>/<uuid:mail_id>")
def show(org_id: UUID, mail_id: UUID) -> Response:
    row = outbox.find(org_id, mail_id)
    email = outbox.rendered(row)
    here: dict[str, Any] = {"org_id": org_id, "mail_id": mail_id}
    headers.allow_own_frame()
    return render.render(
        "dev_mail/show.html",
        row=row,
        email=email,
        links=_links(email.text),
        frame=url_for(".html", **here),
        files=[(one.name, url_for(".attached", number=number, **here)) for number, one in enumerate(_files(row))],
        **_around(),
    )


@pages.get("/<uuid:org_id>/<uuid:mail_id>/html")
def html(org_id: UUID, mail_id: UUID) -> Response:
    row = outbox.find(org_id, mail_id)
    headers.only_looks()
    return Response(outbox.rendered(row).html, mimetype="text/html")


@pages.get("/<uuid:org_id>/<uuid:mail_id>/<int:number>")
def attached(org_id: UUID, mail_id: UUID, number: int) -> Response:
    files = _files(outbox.find(org_id, mail_id))
    if number >= len(files):
        raise NotFound
    return render.file(files[number])


def init_app(app: Flask, settings: Settings) -> None:
    if not settings.production:
        app.register_blueprint(pages)


def _links(text: str) -> list[str]:
    """The email's links on this installation, shown outside the frame, because the sandboxed frame follows none."""
    return [path for path in dict.fromkeys(LINK.findall(text)) if safe_next(path)]


def _files(row: OutboxEmail) -> list[mail.Attachment]:
    make = receipts.ATTACH.get(row.event)
    return make(row.context) if make else []


def _around() -> dict[str, Any]:
    return {"tones": words.MAIL_TONES, "server": bool(settings().smtp.url)}
