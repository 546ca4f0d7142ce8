"""Creates the API's routes: one blueprint per noun, with the same authentication and responses."""

from typing import Any

import orjson
from flask import Response
from flask_openapi.blueprint import APIBlueprint
from pydantic import BaseModel

from dashboard.api import auth, idempotency, protocol, shapes, throttle
from dashboard.api.document import parts

PUBLIC = "/api/v1"
PLATFORM = "/admin/api/v1"
JSON = "application/json"


def blueprint(name: str, *, prefix: str = PUBLIC) -> APIBlueprint:
    """A blueprint whose routes all need a bearer token. `name` is the noun in the documents."""
    made = APIBlueprint(
        f"api_{name}", __name__, url_prefix=prefix, abp_tags=[{"name": name}], operation_id_callback=_operation_id
    )
    made.before_request(auth.authenticate)
    made.before_request(idempotency.begin)
    made.after_request(idempotency.finish)
    made.after_request(throttle.tell)
    made.after_request(protocol.finish)
    return made


def open_blueprint(name: str) -> APIBlueprint:
    """A blueprint for callers without a key. The request itself says which organization it is for."""
    made = APIBlueprint(
        f"open_{name}", __name__, url_prefix=PUBLIC, abp_tags=[{"name": name}], operation_id_callback=_operation_id
    )
    made.before_request(protocol.require_readable)
    made.after_request(throttle.tell)
    made.after_request(protocol.finish)
    return made


def refusal(sentence: str) -> dict[str, Any]:
    """How an error of one call appears in the document. Those of all calls are in `document.parts`."""
    return {"description": sentence, "content": parts.PROBLEM}


def _operation_id(*, bp_name: str, name: str, path: str, method: str) -> str:
    """`wallet_retrieve`: the noun and the function's name."""
    return f"{bp_name.partition('_')[2]}_{name.rstrip('_')}"


def answer(shape: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`shape` as JSON, without absent fields."""
    if isinstance(shape, shapes.ApiKeyWithSecret):
        idempotency.holds_secret(shape)
    body = orjson.dumps(shape.model_dump(exclude_unset=True, by_alias=True), option=orjson.OPT_UTC_Z)
    return Response(body, status, headers, content_type=JSON)
