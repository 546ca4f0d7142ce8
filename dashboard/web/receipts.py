"""A payment's receipt as a file, generated on each request."""

from uuid import UUID

from flask import Blueprint, Response

from dashboard.domain.access.permissions import Verb
from dashboard.domain.payments import fulfil
from dashboard.domain.payments.receipts import receipts
from dashboard.web import guards, render

pages = Blueprint("receipts", __name__)
guards.signed_in_only(pages)


@pages.get("/o/<slug>/payments/<uuid:payment_id>/receipt.pdf")
def show(slug: str, payment_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.READ_PAYMENTS)
    payment = fulfil.find(visit.org.id, payment_id)
    return render.file(receipts.pdf(receipts.facts(payment)))
