"""The API reference: the OpenAPI document, generated from the routes, and a plain page to read it."""

from typing import Any

import orjson
from flask import Blueprint, Response, current_app, render_template
from flask_openapi.blueprint import APIBlueprint
from flask_openapi.openapi import OpenAPI

from dashboard.api import errors, idempotency
from dashboard.api.routes import refusal

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


@api.get("/docs")
def page() -> str:
    return render_template("api/docs.html", document=current_app.extensions[EXTENSION], rows=_rows())


def describe(blueprints: list[APIBlueprint]) -> dict[str, Any]:
    """The document for these blueprints and the webhooks."""
    info = {"title": "Coffer", "version": VERSION, "description": _ABOUT}
    book = OpenAPI(
        __name__, info=info, security_schemes={"bearer": _BEARER}, doc_ui=False, validation_error_model=errors.Problem
    )
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


def _rows() -> list[dict[str, Any]]:
    """The document as the page shows it: one row per call."""
    items = current_app.extensions[EXTENSION]
    rows = []
    for path, operations in items["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            schema = items["components"]["schemas"].get(str(body.get("$ref", "")).rpartition("/")[2], {})
            needed = schema.get("required", [])
            fields = [(name, _type(one), name in needed) for name, one in schema.get("properties", {}).items()]
            rows.append(
                {
                    "path": path,
                    "method": method.upper(),
                    "summary": operation["summary"],
                    "description": operation.get("description", "").replace("<br/>", " ").strip(),
                    "parameters": operation.get("parameters", []),
                    "fields": fields,
                    "answers": sorted(operation["responses"]),
                }
            )
    return rows


def _type(schema: dict[str, Any]) -> str:
    if choices := schema.get("enum"):
        return " or ".join(map(str, choices))
    parts = [_type(one) for one in schema.get("anyOf", schema.get("oneOf", [])) if one.get("type") != "null"]
    if parts:
        return " or ".join(parts)
    return "id" if schema.get("format") == "uuid" else str(schema.get("type", "value"))
