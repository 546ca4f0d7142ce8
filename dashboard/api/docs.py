"""The API reference: the OpenAPI documents, and pages to read them."""

from typing import Any

import orjson
from flask import Blueprint, Flask, Response, current_app, render_template
from flask_login import current_user
from flask_openapi.blueprint import APIBlueprint

from dashboard.api import document, error_codes, errors, reference
from dashboard.api.auth import platform_mode
from dashboard.api.document import parts
from dashboard.api.reference import Group
from dashboard.config import settings
from dashboard.config.urls import base_url
from dashboard.core.errors import NotFound
from dashboard.domain.access import scopes

PUBLIC, STAFF = "openapi_public", "openapi_staff"
"""The documents in the application's extensions."""

api = Blueprint("api_docs", __name__)

_ABOUT = (
    "Prepaid credits: 1 credit = 1 USD = 1,000,000 micros. Amounts are integers; every POST that moves money counts "
    "once per idempotency key."
)
_PLATFORM_WEBHOOK = parts.webhook(
    "/admin/api/v1/webhooks/payments", "webhook_platform", "A provider's event for the platform"
)
_PROJECT_WEBHOOK = parts.webhook(
    "/api/v1/payments/stripe/webhooks/{project_id}/{mode}",
    "webhook_project",
    "A provider's event for the organization `project_id`, in the mode `test` or `live`",
)


def describe(app: Flask, customers: list[APIBlueprint], staff: list[APIBlueprint]) -> None:
    """Make the documents of the application."""
    app.extensions[PUBLIC] = document.describe(customers, title="Coffer", about=_ABOUT, webhook=_PROJECT_WEBHOOK)
    app.extensions[STAFF] = document.describe(
        staff, title="Coffer platform", about="Calls of the platform's own staff.", webhook=_PLATFORM_WEBHOOK
    )


@api.get("/api/v1/openapi.json")
def public() -> Response:
    return _served(PUBLIC)


@api.get("/admin/api/v1/openapi.json")
def staff() -> Response:
    return _served(STAFF)


def _served(name: str) -> Response:
    return Response(orjson.dumps(current_app.extensions[name]), content_type="application/json")


GUIDE = (
    ("start", "Getting started"), ("auth", "Authentication and scopes"), ("modes", "Test and live"),
    ("idempotency", "Idempotency"), ("holds", "Holds"), ("pagination", "Lists"), ("limits", "Limits"),
    ("versions", "Versions"), ("errors", "Errors"),
)  # fmt: skip


@api.get("/api/v1/docs")
def page() -> str:
    limits = settings().api
    return _page(
        "guide", base_url=base_url(), mode=platform_mode(), scopes=(scopes.SCOPES | scopes.SERVICE).items(),
        errors=errors.reference(), field_codes=error_codes.fields(),
        limit_calls=limits.throttle_requests, limit_seconds=limits.throttle_seconds,
        own_org_id=current_user.last_org_id if current_user.is_authenticated else None,
    )  # fmt: skip


@api.get("/api/v1/docs/<group>")
def calls(group: str) -> str:
    """The calls of one group. Raises NotFound."""
    chosen = next((one for one in (*_groups(PUBLIC), *_groups(STAFF)) if one.slug == group), None)
    if chosen is None:
        raise NotFound
    return _page("group", group=chosen, slug=group)


def _page(name: str, *, slug: str = "", **values: Any) -> str:
    return render_template(
        f"api/docs/{name}.html", guide=GUIDE, groups=_groups(PUBLIC), staff=_groups(STAFF), slug=slug, **values
    )


def _groups(name: str) -> tuple[Group, ...]:
    """Read from a document once per process."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    kept = f"{name}_groups"
    if kept not in app.extensions:
        app.extensions[kept] = reference.groups(app.extensions[name])
    result: tuple[Group, ...] = app.extensions[kept]
    return result
