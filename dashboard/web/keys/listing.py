"""The list of keys, and one key with what it may do."""

from uuid import UUID

from flask import Response

from dashboard.domain.access import key_changes, keys
from dashboard.domain.access.permissions import Verb
from dashboard.domain.access.scopes import SCOPES
from dashboard.web import examples, guards, limit_words, one_time_secret, render
from dashboard.web.keys import context
from dashboard.web.keys.blueprint import pages


@pages.get("")
def listing(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_OWN_KEYS)
    result = keys.of_org(visit.org.id, made_by=context.own(visit))
    return render.render("keys/listing.html", visit=visit, rows=context.rows(visit, result))


@pages.get("/<uuid:key_id>")
def show(slug: str, key_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_OWN_KEYS)
    key = context.find(visit, key_id)
    row = context.row(visit, key)
    secret = one_time_secret.take(key.id, org_id=visit.org.id)
    return render.render(
        "keys/show.html",
        visit=visit,
        row=row,
        may_rotate=row.state == "Active" and key_changes.may_rotate(visit.caller, key),
        words=SCOPES,
        call_rate=context.call_rate(key),
        spendable=limit_words.spendable_with(visit, key) if row.works else None,
        secret=secret,
        example="\n\n".join((f"COFFER_KEY='{secret or 'your-key'}'", *examples.calls(key.org_id, key.scopes))),
    )
