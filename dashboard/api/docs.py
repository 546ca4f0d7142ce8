"""The API reference: the OpenAPI document, generated from the routes, and a plain page to read it."""

from typing import Any

import orjson
from flask import Blueprint, Response, current_app, render_template
from flask_login import current_user
from flask_openapi.blueprint import APIBlueprint
from flask_openapi.openapi import OpenAPI
from markupsafe import Markup, escape

from dashboard.api import errors, idempotency, org_paths, reference
from dashboard.api.auth import platform_mode
from dashboard.api.reference import Group
from dashboard.api.routes import refusal
from dashboard.config import settings
from dashboard.config.urls import base_url
from dashboard.core.errors import NotFound
from dashboard.domain.access.scopes import SCOPES

VERSION = "1"
EXTENSION = "openapi_document"

api = Blueprint("api_docs", __name__, url_prefix="/api/v1")

_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key of an organization (`cof_...`), a personal token (`cofp_...`), or an end user's JWT.",
}
_ABOUT = (
    "Prepaid credits: 1 credit = 1 USD = 1,000,000 micros. Amounts are integers; every POST that moves money counts "
    "once per idempotency key."
)
_KEY_PARAMETER = {
    "name": idempotency.HEADER,
    "in": "header",
    "required": False,
    "description": "Makes the call count only once. Or use `idempotency_key` in the body.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


@api.get("/openapi.json")
def document() -> Response:
    return Response(orjson.dumps(current_app.extensions[EXTENSION]), content_type="application/json")


GUIDE = (
    ("start", "Getting started"), ("auth", "Authentication and scopes"), ("modes", "Test and live"),
    ("idempotency", "Idempotency"), ("pagination", "Lists"), ("limits", "Limits"), ("versions", "Versions"),
    ("errors", "Errors"),
)  # fmt: skip


@api.get("/docs")
def page() -> str:
    limits = settings().api
    return _page(
        "guide", base_url=base_url(), mode=platform_mode(), scopes=SCOPES.items(),
        errors=errors.reference(),
        limit_calls=limits.throttle_requests, limit_seconds=limits.throttle_seconds,
        own_org_id=current_user.last_org_id if current_user.is_authenticated else None,
    )  # fmt: skip


@api.get("/docs/<group>")
def calls(group: str) -> str:
    """The calls of one group. Raises NotFound."""
    chosen = next((one for one in _groups() if one.slug == group), None)
    if chosen is None:
        raise NotFound
    return _page("group", group=chosen, slug=group)


def _page(name: str, *, slug: str = "", **values: Any) -> str:
    return render_template(f"api/docs/{name}.html", guide=GUIDE, groups=_groups(), slug=slug, **values)


def _groups() -> tuple[Group, ...]:
    """Read from the document once per process."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    if "api_reference" not in app.extensions:
        app.extensions["api_reference"] = reference.groups(app.extensions[EXTENSION])
    result: tuple[Group, ...] = app.extensions["api_reference"]
    return result


@api.app_template_filter("code_spans")
def code_spans(text: str) -> Markup:
    """Escaped text in which what stands between backticks is code."""
    parts = str(text).replace("<br/>", " ").split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def describe(blueprints: list[APIBlueprint]) -> dict[str, Any]:
    """The document for these blueprints and the webhooks."""
    info = {"title": "Coffer", "version": VERSION, "description": _ABOUT}
    book = OpenAPI(
        __name__, info=info, security_schemes={"bearer": _BEARER}, doc_ui=False, validation_error_model=errors.Problem
    )
    org_paths.init_app(book)
    for one in blueprints:
        book.register_api(one)
    document: dict[str, Any] = book.api_doc
    for operations in document["paths"].values():
        for operation in operations.values():
            if operation.pop("x-idempotent", None):
                operation.setdefault("parameters", []).append(_KEY_PARAMETER)
    document["paths"] |= _webhooks()
    _lift(document)
    return document


def _webhooks() -> dict[str, Any]:
    refusals = {"400": "Not signed, or not readable.", "413": "Larger than 1 MB.", "503": "Not available."}
    common: dict[str, Any] = {
        "tags": ["webhooks"],
        "security": [],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {"200": {"description": "Stored."}, **{code: refusal(text) for code, text in refusals.items()}},
    }
    names = ("project_id", "mode")
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    ours = {**common, "summary": "A provider's event for the platform", "operationId": "webhook_platform"}
    theirs = {**common, "summary": "A provider's event for an organization", "operationId": "webhook_project"}
    return {
        "/admin/api/v1/webhooks/payments": {"post": ours},
        "/api/v1/payments/stripe/webhooks/{project_id}/{mode}": {"post": {**theirs, "parameters": parameters}},
    }


def _lift(document: dict[str, Any]) -> None:
    """Schemas repeat definitions that are already in the components; once is enough."""
    for schema in document["components"]["schemas"].values():
        schema.pop("$defs", None)
