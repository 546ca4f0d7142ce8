"""Webhooks of payment providers. They are only verified and stored here; the worker processes them.

A bad signature and an unknown organization get the same response, so that nobody can find out which organizations
exist.
"""

from flask import Blueprint, Response, request

from dashboard.api import auth
from dashboard.core import clock
from dashboard.core.errors import CofferError
from dashboard.domain.payments.webhooks import inbox, rejected
from dashboard.models import PLATFORM_ORG_ID
from dashboard.providers.base import BadSignature, Provider, ProviderError

BODY_BYTES = 1_000_000

api = Blueprint("webhooks", __name__)


class Refused(CofferError):
    status, code = 400, "bad_signature"


@api.post("/admin/api/v1/webhooks/payments")
def platform() -> Response:
    """The platform's own account, in the mode of the configured key."""
    return _receive(auth.platform_provider())


@api.post("/api/v1/payments/stripe/webhooks/<project_id>/<mode>")
def project(project_id: str, mode: str) -> Response:
    """One organization's account. Only the platform's account has a secret at present."""
    provider = auth.platform_provider()
    known = (project_id.lower(), mode) == (str(PLATFORM_ORG_ID), provider.mode)
    return _receive(provider if known else None)


def _receive(provider: Provider | None) -> Response:
    request.max_content_length = BODY_BYTES
    raw = request.get_data()
    try:
        if provider is None:
            raise BadSignature("There is no such organization.", "unknown_address")
        event = provider.verify(raw, dict(request.headers), now=clock.now())
        if event.account is not None:
            raise Refused("Events of connected accounts are not accepted.", code="foreign_account")
    except (ProviderError, Refused) as error:
        rejected.count(error.code)
        raise _refusal(error) from None
    if event.livemode != (provider.mode == "live"):
        rejected.count(rejected.WRONG_MODE)  # acknowledged and stored, so that it is visible; the worker ignores it
    inbox.store(PLATFORM_ORG_ID, event, raw, provider=provider.name, mode=provider.mode)
    return Response('{"received":true}', 200, content_type="application/json")


def _refusal(error: ProviderError | Refused) -> Refused:
    """Only a sender who has a secret learns what was wrong."""
    if isinstance(error, BadSignature):
        return Refused("The signature is invalid.")
    return error if isinstance(error, Refused) else Refused("The event cannot be read.", code="malformed_event")
