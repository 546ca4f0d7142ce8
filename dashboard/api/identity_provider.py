"""The identity provider of an organization's end users, configured by its owners."""

from typing import Annotated, Any, Literal

from flask import Response
from pydantic import Field

from dashboard.api import auth, inputs, paging, shapes
from dashboard.api.auth import Access
from dashboard.api.routes import answer, blueprint
from dashboard.api.shapes.money import Mode
from dashboard.core.db import transaction
from dashboard.core.errors import Invalid, NotFound
from dashboard.domain.access import identity_providers
from dashboard.domain.access.identity_providers import Wanted
from dashboard.domain.access.permissions import Verb
from dashboard.domain.org_status import OrgAction
from dashboard.models import IdentityProvider

api = blueprint("identity_provider")


class ModeQuery(paging.Query):
    mode: str | None = Field(default=None, description="`test` or `live`; the platform's own where it is left out.")


class IdentityProviderInput(inputs.Body):
    """With HS256, a `secret` of 32 characters or more; otherwise the JWKS URL or the JWKS itself.

    If `secret` is omitted, the current one stays.
    """

    mode: Mode | None = None
    issuer: Annotated[inputs.Text, Field(min_length=1)]
    algorithm: Literal["RS256", "ES256", "EdDSA", "HS256"]
    jwks_url: inputs.Url | None = None
    jwks: dict[str, Any] | None = None
    secret: inputs.Text | None = None


@api.get("/orgs/<org:org_id>/identity-provider", responses={200: shapes.IdentityProvider})
def retrieve(path: inputs.OrgPath, query: ModeQuery) -> Response:
    """The identity provider of one mode"""
    access = auth.enter(path.org_id, Verb.MANAGE_IDENTITY_PROVIDER)
    return answer(shapes.identity_provider(_find(access, query)))


@api.put("/orgs/<org:org_id>/identity-provider", responses={200: shapes.IdentityProvider})
def set_(path: inputs.OrgPath, body: IdentityProviderInput) -> Response:
    """Set the identity provider of one mode

    Its keys are fetched at once; if that fails, `fetch_error` says why and the setting is stored anyway.
    """
    access = auth.enter(path.org_id, Verb.MANAGE_IDENTITY_PROVIDER, OrgAction.MEMBERS)
    wanted = Wanted(body.issuer, body.algorithm, body.jwks_url, body.jwks, body.secret)
    with transaction(org=access.org.id):
        row = identity_providers.put(access.org.id, body.mode or access.mode, wanted, by=access.actor)
    if row.jwks_url:
        row = identity_providers.fetch(row) or row
    return answer(shapes.identity_provider(row))


@api.delete("/orgs/<org:org_id>/identity-provider", responses={204: None})
def remove(path: inputs.OrgPath, query: ModeQuery) -> Response:
    """Reject end users' tokens of one mode from now on"""
    access = auth.enter(path.org_id, Verb.MANAGE_IDENTITY_PROVIDER, OrgAction.MEMBERS)
    row = _find(access, query)
    with transaction(org=access.org.id):
        identity_providers.remove(row, by=access.actor)
    return Response(status=204)


def _find(access: Access, query: ModeQuery) -> IdentityProvider:
    mode = query.mode or access.mode
    if mode not in identity_providers.MODES:
        raise Invalid("Choose one of: test, live.", field="mode", code="not_a_choice")
    row = identity_providers.find(access.org.id, mode)
    if row is None:
        raise NotFound("No identity provider is set for this mode.")
    return row
