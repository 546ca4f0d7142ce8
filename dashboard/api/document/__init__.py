"""The OpenAPI documents, made from the routes: one for customers, one for the platform's staff.

`parts` holds what all calls share, `calls` describes one call, `schemas` cleans up what pydantic writes.
"""

from typing import Any

from flask_openapi.blueprint import APIBlueprint
from flask_openapi.openapi import OpenAPI

from dashboard.api import errors, org_paths
from dashboard.api.document import calls, parts, schemas


def describe(blueprints: list[APIBlueprint], *, title: str, about: str, webhook: dict[str, Any]) -> dict[str, Any]:
    """The document for the routes of these blueprints, and the provider callback `webhook` by its name."""
    raw = OpenAPI(__name__, doc_ui=False, validation_error_model=errors.Problem)
    org_paths.init_app(raw)
    for one in blueprints:
        raw.register_api(one)
    written: dict[str, Any] = raw.api_doc
    tags = {name for operation in _operations(written) for name in operation["tags"]}
    document = {
        "openapi": parts.OPENAPI,
        "info": {"title": title, "description": about, **parts.INFO},
        "servers": [{"url": "/", "description": "This installation."}],
        "security": [{name: []} for name in parts.CREDENTIALS],
        "tags": [tag for tag in parts.TAGS if tag["name"] in tags],
        "paths": written["paths"],
        "webhooks": webhook,
        "components": {
            "schemas": dict(sorted(written["components"]["schemas"].items())),
            "responses": parts.RESPONSES,
            "headers": parts.HEADERS,
            "securitySchemes": parts.CREDENTIALS,
        },
    }
    for methods in document["paths"].values():
        for method, operation in methods.items():
            calls.finish(operation, keyed=method == "post")
    schemas.clean(document)
    return document


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for methods in document["paths"].values() for operation in methods.values()]
