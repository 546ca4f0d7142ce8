"""The list of keys, and one key with what it may do."""

from uuid import UUID

from flask import Response, request

from dashboard.config.urls import base_url
from dashboard.core.errors import Invalid
from dashboard.domain.access import key_changes, keys
from dashboard.domain.access.permissions import Verb
from dashboard.domain.access.scopes import SCOPES
from dashboard.models import ApiKey
from dashboard.web import guards, one_time_secret, render
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
        secret=secret,
        example=_example(key, secret or "your-key"),
    )


def _example(key: ApiKey, text: str) -> str:
    """An example call that this key may make, ready for a shell."""
    try:
        base = base_url()
    except Invalid:
        base = request.host_url.rstrip("/")
    org = f"{base}/api/v1/orgs/{key.org_id}"
    call = f'curl -H "Authorization: Bearer $COFFER_KEY" \\\n  {org}'
    if "wallet:read" in key.scopes:
        call = f"{call}/wallet"
    elif operation := next((name for name in ("charge", "deposit") if f"wallet:{name}" in key.scopes), None):
        body = f'{{"operation": "{operation}", "amount_micros": 10000, "idempotency_key": "first-{operation}"}}'
        call = f"{call}/wallet \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'"
    elif "platform:read" in key.scopes:
        call = call.replace(org, f"{base}/admin/api/v1/orgs")
    else:
        call = f"{call}/products"
    return f"COFFER_KEY='{text}'\n{call}"
