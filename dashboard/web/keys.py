"""Keys of an organization's programs: made with a form, shown once, ended with a step between."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request, session, url_for
from flask_login import current_user

from dashboard.config.urls import base_url
from dashboard.core import clock, crypto
from dashboard.core.db import transaction
from dashboard.core.errors import CofferError, Invalid, NotFound
from dashboard.domain.identity import keys
from dashboard.domain.identity.keys import MadeKey, ScopeTooWide
from dashboard.domain.identity.permissions import Act, Verb, grantable
from dashboard.models import ApiKey
from dashboard.web import guards, render
from dashboard.web.guards import Visit

pages = Blueprint("keys", __name__, url_prefix="/o/<slug>/keys")
guards.signed_in_only(pages)

SCOPES = {
    "wallet:read": "See the balance, wallets and transactions",
    "wallet:charge": "Charge the balance",
    "catalog:read": "See the credit packs",
    "checkout:create": "Open a payment page to buy credits",
    "wallet:deposit": "Add credits without a payment (given by platform managers)",
    "platform:read": "Read every organization of the platform (given by platform managers)",
    "platform:grant": "Grant and remove credits of any organization (given by platform managers)",
}
"""What each scope lets a program do, in the order of the form. Scopes that nothing asks for yet are not offered."""

UNUSED = timedelta(days=90)
UNSEEN = "new_keys"
MOST_UNSEEN = 5


@dataclass(frozen=True, slots=True)
class Row:
    """A key as the pages show it."""

    key: ApiKey
    maker: str
    state: str
    tone: str
    unused: bool


@pages.get("")
def listing(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_OWN_KEYS)
    return render.render(
        "keys/listing.html", visit=visit, rows=_rows(visit, keys.of_org(visit.org.id, made_by=_own(visit)))
    )


@pages.get("/new")
def new(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_OWN_KEYS)
    return _form(visit, values={"scopes": []}, errors={})


@pages.post("")
def create(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_OWN_KEYS, act=Act.MEMBERS)
    guards.require_recent()
    values = {name: request.form.get(name, "") for name in ("name", "expires_at")}
    scopes = request.form.getlist("scopes")[: len(SCOPES)]
    try:
        made = _make(visit, values["name"], scopes, values["expires_at"])
    except (Invalid, ScopeTooWide) as refusal:
        return _form(visit, values=values | {"scopes": scopes}, errors=_errors(refusal), status=refusal.status)
    _keep(visit, made)
    return render.redirect(url_for("keys.show", slug=slug, key_id=made.row.id))


@pages.get("/<uuid:key_id>")
def show(slug: str, key_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_OWN_KEYS)
    key = _find(visit, key_id)
    secret = _take(visit, key) if request.method == "GET" else ""
    return render.render(
        "keys/show.html",
        visit=visit,
        row=_rows(visit, [key])[0],
        words=SCOPES,
        secret=secret,
        example=_example(key, secret or "your-key"),
    )


@pages.get("/<uuid:key_id>/revoke")
def ask(slug: str, key_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_OWN_KEYS)
    row = _rows(visit, [_find(visit, key_id)])[0]
    return render.render(
        "keys/revoke.html", fragment="keys/_revoke.html", visit=visit, row=row, dialog=render.is_htmx()
    )


@pages.post("/<uuid:key_id>/revoke")
def revoke(slug: str, key_id: UUID) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_OWN_KEYS)
    key = _find(visit, key_id)
    with transaction(org=visit.org.id):
        keys.revoke(key, by=visit.by)
    render.toast_next(f"{key.name} is revoked.")
    return render.redirect(url_for("keys.listing", slug=slug))


def _own(visit: Visit) -> UUID | None:
    """The person whose keys alone the pages show; None for those who manage all."""
    return None if visit.may(Verb.MANAGE_KEYS) else visit.by.id


def _find(visit: Visit, key_id: UUID) -> ApiKey:
    key = keys.find(visit.org.id, key_id)
    if key is None or (_own(visit) and key.created_by != _own(visit)):
        raise NotFound
    return key


def _make(visit: Visit, name: str, scopes: list[str], until: str) -> MadeKey:
    expires_at = _end_of(until)
    with transaction(org=visit.org.id):
        return keys.make(
            visit.org,
            name=name,
            scopes=scopes,
            mode=visit.wallet.mode,
            by=visit.by,
            grantable=grantable(visit.caller),
            made_by=current_user.id,
            expires_at=expires_at,
        )


def _end_of(typed: str) -> datetime | None:
    """The end of a typed UTC day; None for an empty field. Raises Invalid."""
    if not typed.strip():
        return None
    try:
        return datetime.combine(date.fromisoformat(typed.strip()) + timedelta(days=1), time(), UTC)
    except (ValueError, OverflowError):
        raise Invalid("Enter a date such as 2027-03-31, or leave it empty.", field="expires_at") from None


def _errors(refusal: CofferError) -> dict[str, str]:
    at = "scopes" if isinstance(refusal, ScopeTooWide) else getattr(refusal, "field", None) or ""
    return {at: refusal.detail}


def _form(visit: Visit, *, values: dict[str, Any], errors: dict[str, str], status: int = 200) -> Response:
    may = grantable(visit.caller)
    return render.render(
        "keys/new.html",
        fragment="keys/_form.html",
        status=status,
        visit=visit,
        values=values,
        errors=errors,
        scopes=[(scope, scope, words) for scope, words in SCOPES.items() if scope in may],
        dialog=render.is_htmx() if request.method == "GET" else "dialog" in request.form,
    )


def _keep(visit: Visit, made: MadeKey) -> None:
    """Until its first view the key waits in the maker's session, encrypted: a redirect must not carry it."""
    waiting = dict(list(session.get(UNSEEN, {}).items())[1 - MOST_UNSEEN :])
    sealed = crypto.encrypt(made.key, org_id=visit.org.id, purpose=f"new key {made.row.id}")
    session[UNSEEN] = {**waiting, str(made.row.id): sealed}


def _take(visit: Visit, key: ApiKey) -> str:
    """The key's text at its first view; empty ever after."""
    waiting = dict(session.get(UNSEEN, {}))
    sealed = waiting.pop(str(key.id), None)
    if sealed is None:
        return ""
    session[UNSEEN] = waiting
    try:
        return crypto.decrypt(sealed, org_id=visit.org.id, purpose=f"new key {key.id}")
    except crypto.CannotDecrypt:  # the encryption keys changed in between
        return ""


def _rows(visit: Visit, found: list[ApiKey]) -> list[Row]:
    people = keys.makers(found)
    return [_row(key, people, manager=visit.caller.operator) for key in found]


def _row(key: ApiKey, people: dict[UUID, Any], *, manager: bool) -> Row:
    person = people.get(key.created_by) if key.created_by else None
    maker = "A command" if person is None else "Platform manager" if person.is_manager and not manager else person.name
    now = clock.now()
    if key.revoked_at:
        return Row(key, maker, "Revoked", "bad", False)
    if key.expires_at and key.expires_at <= now:
        return Row(key, maker, "Expired", "", False)
    return Row(key, maker, "Active", "ok", (key.last_used_at or key.created_at) < now - UNUSED)


def _example(key: ApiKey, text: str) -> str:
    """A call that this key may make, ready for a shell."""
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
