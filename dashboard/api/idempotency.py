"""The key with which a POST counts only once: from the header, from the body, or generated here.

POSTs that move money keep their key with what they book (`own_row`). For all others, `begin` and `finish` run around
each request.
"""

import hashlib
import inspect
import json
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Response, current_app, g, request

from dashboard.api import auth, inputs
from dashboard.api.org_paths import SELF
from dashboard.core import db, ids
from dashboard.core.errors import Invalid
from dashboard.domain.access import first_answers
from dashboard.domain.access.end_users import SignedIn
from dashboard.domain.access.first_answers import Claim, KeyedRequest, StoredAnswer
from dashboard.domain.organizations import org_refs
from dashboard.models import ApiKey, PersonalToken

HEADER = "Idempotency-Key"
REPLAY_HEADER = "Idempotent-Replay"
BODY_FIELD = "idempotency_key"

log = logging.getLogger(__name__)
V = TypeVar("V", bound=Callable[..., Any])
_OWN_ROW: set[Callable[..., Any]] = set()


def own_row(view: V) -> V:
    """Mark a view that calls `key` and `answered` itself, because what it books has the key as its own."""
    _OWN_ROW.add(view)
    return view


def has_own_row(endpoint: str) -> bool:
    return inspect.unwrap(current_app.view_functions[endpoint]) in _OWN_ROW


def key(in_body: str | None) -> str:
    """The request's key; a new one if the client sent none. Raises Invalid for an invalid key, or two that differ."""
    given = request.headers.get(HEADER)
    if given is not None:
        inputs.require_key(given)
    if given is not None and in_body is not None and given != in_body:
        raise Invalid("The header and the body name different idempotency keys.", field=BODY_FIELD)
    return given or in_body or str(ids.new())


def answered(response: Response, key: str, *, replayed: bool) -> Response:
    """The response with its key, and whether it repeats the first response."""
    response.headers[HEADER] = key
    if replayed:
        response.headers[REPLAY_HEADER] = "true"
    return response


def begin() -> Response | None:
    """Before each request of a caller: claim the key of a POST, or give the first answer again.

    Raises what `key` and `first_answers.claim` raise, and MalformedJson.
    """
    if request.method != "POST" or has_own_row(request.endpoint or ""):
        return None
    body = request.get_json() if request.get_data() else {}
    in_body = body.pop(BODY_FIELD, None)
    g.idempotency_key = key(inputs.require_key(in_body) if isinstance(in_body, str) else None)
    with db.transaction():
        found = first_answers.claim(_request(g.idempotency_key, body))
    if isinstance(found, StoredAnswer):
        response = Response(found.body, found.status, content_type="application/json")
        return answered(response, g.idempotency_key, replayed=True)
    g.claim = found
    db.guard(lambda: first_answers.acting(found))
    return None


def finish(response: Response) -> Response:
    """After each request: keep the answer of a success, and forget a refusal."""
    if "idempotency_key" in g:
        response.headers[HEADER] = g.idempotency_key
    if claim := g.pop("claim", None):
        db.guard(None)
        try:
            _settle(claim, response)
        except db.AWAY:  # the answer stays true; the request cannot be carried out again
            log.warning("an answer was not kept", extra={"route": request.endpoint})
    return response


def holds_secret(made: Any) -> None:
    """Note that the answer in progress holds the secret of `made`, which must not be stored."""
    g.made_id = made.id


def _settle(claim: Claim, response: Response) -> None:
    with db.transaction():
        if response.status_code < 300:
            body = response.get_data(as_text=True)
            first_answers.keep(claim, response.status_code, body, made_id=g.get("made_id"))
        else:
            first_answers.release(claim, failed=response.status_code >= 500)


def _request(key: str, body: dict[str, Any]) -> KeyedRequest:
    row = auth.caller()
    text = json.dumps(body, sort_keys=True, default=lambda odd: [odd.text])
    if isinstance(row, SignedIn):
        owner_id, space, scopes = row.row.id, "end_user", []
    elif isinstance(row, ApiKey):
        owner_id, scopes = row.org_id, row.scopes
        space = f"{'service' if row.platforms else 'api'}:{row.mode}"
    else:
        owner_id, space, scopes = row.user_id, "user", row.scopes
    return KeyedRequest(owner_id, space, _path(row), key, hashlib.sha256(text.encode()).digest(), scopes)


def _path(row: ApiKey | PersonalToken | SignedIn) -> str:
    """The request's path with the organization's id, however the caller named it: it is the same call."""
    ref = str((request.view_args or {}).get("org_id", ""))
    org_id = row.org_id if ref == SELF and isinstance(row, ApiKey) else ids.parse(ref)
    if ref.startswith(org_refs.EXTERNAL) and (org := org_refs.find(ref)):
        org_id = org.id
    return request.path.replace(ref, str(org_id), 1) if org_id else request.path
