"""`/o/<slug>/settings/identity`: the identity provider of the organization's end users."""

from typing import Any

from flask import Response, request, url_for

from dashboard.core.db import transaction
from dashboard.core.errors import Invalid, NotFound
from dashboard.domain.access import identity_providers
from dashboard.domain.access.identity_providers import Wanted
from dashboard.domain.access.permissions import Verb
from dashboard.domain.access.signing_keys import PrivateKey
from dashboard.domain.org_status import OrgAction
from dashboard.models import ALGORITHMS, IdentityProvider
from dashboard.web import guards, render
from dashboard.web.guards import Visit
from dashboard.web.settings.blueprint import pages

WORDS = {
    "RS256": "RS256 (RSA, the usual one)",
    "ES256": "ES256 (elliptic curve P-256)",
    "EdDSA": "EdDSA (Ed25519)",
    "HS256": "HS256 (a shared secret)",
}
LABELS = {"jwks_url": "Address of the key set", "jwks": "Key set", "secret": "Shared secret"}
TYPED = ("issuer", "algorithm", "jwks_url", "jwks")


@pages.get("/identity")
def identity(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_IDENTITY_PROVIDER)
    row = identity_providers.find(visit.org.id, visit.mode)
    return _page(visit, row, _values(row), {})


@pages.post("/identity")
def save_identity(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_IDENTITY_PROVIDER, act=OrgAction.MEMBERS)
    guards.require_recent()
    values = {name: request.form.get(name, "") for name in TYPED}
    try:
        wanted = Wanted.of_form(**values, secret=request.form.get("secret", ""))
        with transaction(org=visit.org.id):
            row = identity_providers.put(visit.org.id, visit.mode, wanted, by=visit.by)
    except Invalid as refusal:
        idp = identity_providers.find(visit.org.id, visit.mode)
        kept = values | ({"jwks": ""} if isinstance(refusal, PrivateKey) else {})
        return _page(visit, idp, kept, {refusal.field or "": refusal.detail}, status=422)
    _tell(identity_providers.fetch(row) if row.jwks_url else row)
    return render.redirect(url_for(".identity", slug=slug))


@pages.post("/identity/fetch")
def fetch_identity(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_IDENTITY_PROVIDER, act=OrgAction.MEMBERS)
    row = _find(visit)
    if row.jwks_url is None:
        raise NotFound
    _tell(identity_providers.fetch(row))
    return render.redirect(url_for(".identity", slug=slug))


@pages.get("/identity/remove")
def ask_remove_identity(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_IDENTITY_PROVIDER)
    return render.render(
        "settings/identity_provider_remove.html", fragment="settings/_identity_provider_remove.html", visit=visit,
        row=_find(visit), dialog=render.is_htmx(),
    )  # fmt: skip


@pages.post("/identity/remove")
def remove_identity(slug: str) -> Response:
    visit = guards.enter(slug, Verb.MANAGE_IDENTITY_PROVIDER, act=OrgAction.MEMBERS)
    row = _find(visit)
    guards.require_recent()
    with transaction(org=visit.org.id):
        identity_providers.remove(row, by=visit.by)
    render.toast_next("The identity provider is removed. Its tokens no longer work.")
    return render.redirect(url_for(".identity", slug=slug))


def _find(visit: Visit) -> IdentityProvider:
    row = identity_providers.find(visit.org.id, visit.mode)
    if row is None:
        raise NotFound
    return row


def _tell(row: IdentityProvider | None) -> None:
    """Show the result on the next page."""
    if row is None:
        render.toast_next(
            "The keys cannot be asked for at this moment. Try again in a minute.",
            bad=True,
        )
    elif row.fetch_error:
        render.toast_next("Saved, but no usable keys were received. The page says why.", bad=True)
    else:
        render.toast_next("Saved. Tokens of this identity provider are accepted.")


def _values(row: IdentityProvider | None) -> dict[str, Any]:
    if row is None:
        return {"algorithm": ALGORITHMS[0]}
    return {"issuer": row.issuer, "algorithm": row.algorithm, "jwks_url": row.jwks_url, "jwks": ""}


def _page(
    visit: Visit, row: IdentityProvider | None, values: dict[str, Any], errors: dict[str, str], *, status: int = 200
) -> Response:
    return render.render(
        "settings/identity_provider.html",
        status=status,
        visit=visit,
        row=row,
        values=values,
        errors=errors,
        labels=LABELS,
        algorithms=list(WORDS.items()),
        keys=(row.jwks or {}).get("keys", []) if row else [],
        audience=identity_providers.audience(visit.org.id, visit.mode),
    )
