"""API keys of an organization, managed with personal tokens that have the scope `org:admin`: a key cannot create
keys."""

from typing import Literal
from uuid import UUID

from flask import Response
from pydantic import Field

from dashboard.api import auth, inputs, paging, shapes
from dashboard.api.auth import Access
from dashboard.api.routes import answer, blueprint, refusal
from dashboard.core.db import transaction
from dashboard.core.errors import NotFound
from dashboard.core.money import Micros
from dashboard.domain.access import key_changes, keys
from dashboard.domain.access.keys import MadeKey
from dashboard.domain.access.permissions import Verb, allowed, grantable, require
from dashboard.domain.funds import spend_limits
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.org_status import OrgAction
from dashboard.models import ApiKey

ENDED = refusal("The key has ended (`key_ended`), or was rotated already (`key_rotated`).")

api = blueprint("api_keys")


class ApiKeyCapInput(inputs.Body):
    """The most that may be charged per UTC day, week or month. A charge above it is 402 `key_cap_exceeded`."""

    amount_micros: inputs.AmountMicros
    window: Literal["day", "week", "month"]

    @property
    def cap(self) -> Cap:
        return Cap(Micros(self.amount_micros), self.window)


class ApiKeyCreate(inputs.PostBody):
    """`scopes` must be among those of the token that creates the key. Without an idempotency key, a repeated
    call creates another key."""

    name: inputs.Text
    scopes: list[inputs.Text] = Field(max_length=50)
    expires_at: inputs.Moment | None = None
    cap: ApiKeyCapInput | None = None


class ApiKeyRotate(inputs.PostBody):
    """How long the old key keeps working."""

    grace: Literal["now", "1h", "24h", "7d"]


class ApiKeyUpdate(inputs.Body):
    """`null` removes the cap. A different amount keeps what was spent; a different window counts from now on."""

    cap: ApiKeyCapInput | None


class KeyPath(inputs.OrgPath):
    key_id: UUID


@api.get("/orgs/<org:org_id>/api-keys", responses={200: shapes.ApiKeyList})
def list_(path: inputs.OrgPath, query: paging.PageQuery) -> Response:
    """The organization's keys, including revoked ones; members and viewers get their own"""
    access = auth.enter(path.org_id, Verb.MANAGE_OWN_KEYS)
    scope = ("keys", access.org.id, _own(access))
    page = keys.page(access.org.id, made_by=_own(access), after=query.after(*scope), limit=query.size + 1)
    rows, cursor = query.cut(page, lambda row: row.id, *scope)
    usages = spend_limits.usages(access.org.id, [row.limit_id for row in rows])
    data = [shapes.key(row, usages.get(row.limit_id)) for row in rows]
    return answer(shapes.ApiKeyList(data=data, next_cursor=cursor))


@api.post("/orgs/<org:org_id>/api-keys", responses={201: shapes.ApiKeyWithSecret})
def create(path: inputs.OrgPath, body: ApiKeyCreate) -> Response:
    """Create a key; only this response contains its text"""
    access = auth.enter(path.org_id, Verb.MANAGE_OWN_KEYS, OrgAction.MEMBERS)
    with transaction(org=access.org.id):
        made = keys.make(
            access.org, name=body.name, scopes=body.scopes, mode=access.mode, by=access.actor,
            grantable=grantable(access.caller), made_by=access.actor.id, expires_at=body.expires_at,
            cap=body.cap.cap if body.cap else None,
        )  # fmt: skip
    return _made(access, made)


@api.get("/orgs/<org:org_id>/api-keys/<uuid:key_id>", responses={200: shapes.ApiKey})
def retrieve(path: KeyPath) -> Response:
    """One key"""
    access, key = _enter(path, OrgAction.READ)
    return _shown(access, key)


@api.post("/orgs/<org:org_id>/api-keys/<uuid:key_id>/rotate", responses={201: shapes.ApiKeyWithSecret, 409: ENDED})
def rotate(path: KeyPath, body: ApiKeyRotate) -> Response:
    """Replace this key by a new one; only this response contains its text"""
    access, key = _enter(path, OrgAction.MEMBERS)
    key_changes.require_may_rotate(access.caller, key)
    assert access.actor.id is not None  # users have ids
    with transaction(org=access.org.id):
        made = key_changes.rotate(
            key, grace=body.grace, by=access.actor, made_by=access.actor.id, grantable=grantable(access.caller)
        )
    return _made(access, made)


@api.patch("/orgs/<org:org_id>/api-keys/<uuid:key_id>", responses={200: shapes.ApiKey, 409: ENDED})
def update(path: KeyPath, body: ApiKeyUpdate) -> Response:
    """Set, change or remove the cap of a key"""
    access, key = _enter(path, OrgAction.MEMBERS)
    require(Verb.CAP_KEYS, access.caller)
    with transaction(org=access.org.id):
        key_changes.set_cap(key, body.cap.cap if body.cap else None, by=access.actor)
    return _shown(access, key)


@api.delete("/orgs/<org:org_id>/api-keys/<uuid:key_id>", responses={204: None})
def revoke(path: KeyPath) -> Response:
    """Revoke a key at once"""
    access, key = _enter(path, OrgAction.READ)
    auth.require_open(access)
    with transaction(org=access.org.id):
        keys.revoke(key, by=access.actor)
    return Response(status=204)


def _enter(path: KeyPath, act: OrgAction) -> tuple[Access, ApiKey]:
    access = auth.enter(path.org_id, Verb.MANAGE_OWN_KEYS, act)
    key, own = keys.find(access.org.id, path.key_id), _own(access)
    if key is None or (own and key.created_by != own):
        raise NotFound("There is no such key.")
    return access, key


def _own(access: Access) -> UUID | None:
    """The only user whose keys are shown; None for callers who manage all."""
    return None if allowed(Verb.MANAGE_KEYS, access.caller) else access.actor.id


def _shown(access: Access, key: ApiKey) -> Response:
    return answer(shapes.key(key, spend_limits.usages(access.org.id, [key.limit_id]).get(key.limit_id)))


def _made(access: Access, made: MadeKey) -> Response:
    usage = spend_limits.usages(access.org.id, [made.row.limit_id]).get(made.row.limit_id)
    return answer(shapes.new_key(made.row, usage, made.key), 201)
