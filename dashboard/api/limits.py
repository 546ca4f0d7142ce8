"""Spend limits of an organization, and what somebody can spend now."""

from typing import Literal
from uuid import UUID

from flask import Response
from pydantic import Field

from dashboard.api import auth, inputs, paging, shapes
from dashboard.api.auth import Access
from dashboard.api.routes import answer, blueprint, refusal
from dashboard.api.wallets import spender_of
from dashboard.core import ids
from dashboard.core.db import transaction
from dashboard.core.errors import Invalid, NotFound
from dashboard.core.money import Micros
from dashboard.domain.access import keys, limits
from dashboard.domain.access.permissions import Verb
from dashboard.domain.funds import spend_limits, wallets
from dashboard.domain.funds.spend_limits import Spender, changes
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.funds.spend_limits.spendable import spendable
from dashboard.domain.org_status import OrgAction
from dashboard.domain.organizations import memberships
from dashboard.models import SpendLimit

TAKEN = refusal("There is such a limit (`limit_exists`), or the key has ended (`key_ended`).")

api = blueprint("limits")
spendable_api = blueprint("spendable")


class SpendLimitCreate(inputs.PostBody):
    """`subject`: the member (their ID or user ID), the ID of the key, or the app; none for the organization. A soft
    limit (`hard` is false) refuses nothing. What was already spent in the window counts, except towards a key's limit,
    which is its cap."""

    scope: Literal["org", "member", "key", "app"]
    subject: inputs.App | None = None
    window: Literal["day", "week", "month"]
    amount_micros: inputs.AmountMicros
    hard: bool = True


class SpendLimitUpdate(inputs.Body):
    """What was spent in the window still counts. A change applies to the next charge."""

    amount_micros: inputs.AmountMicros | None = None
    hard: bool | None = None


class SpendableQuery(paging.Query):
    member_id: paging.IdText | None = Field(default=None, description="The `id` or the `user_id` of a member.")
    key_id: paging.IdText | None = Field(default=None, description="A key of the organization that works.")
    app: str | None = Field(default=None, description="With this app, whose limits count, too.")


@api.get("/orgs/<org:org_id>/limits", responses={200: shapes.SpendLimitList})
def list_(path: inputs.OrgPath, query: paging.PageQuery) -> Response:
    """Spend limits with what was spent; a member's token sees only those that apply to them"""
    access = auth.enter(path.org_id, Verb.READ_LIMITS)
    only_for = _only_for(access)
    wanted = limits.of_org(access.org.id, access.mode, only_for=only_for)
    page = query.page(wanted, SpendLimit.id, "limits", access.org.id, access.mode, only_for)
    rows = [shapes.spend_limit(*one) for one in spend_limits.with_usage(page.rows)]
    return answer(shapes.SpendLimitList(data=rows, next_cursor=page.next_cursor))


@api.post("/orgs/<org:org_id>/limits", responses={201: shapes.SpendLimit, 409: TAKEN})
def create(path: inputs.OrgPath, body: SpendLimitCreate) -> Response:
    """Create a spend limit"""
    access = auth.enter(path.org_id, Verb.MANAGE_LIMITS, OrgAction.MEMBERS)
    if (body.subject is None) != (body.scope == "org"):
        words = "The organization's limit has no subject." if body.subject else "Name the member, the key or the app."
        raise Invalid(words, field="subject")
    with transaction(org=access.org.id):
        row = limits.create(
            access.org.id, scope=body.scope, subject=_subject(access, body), mode=access.mode, by=access.actor,
            cap=Cap(Micros(body.amount_micros), body.window, body.hard),
        )  # fmt: skip
    return _shown(row, 201)


@api.get("/orgs/<org:org_id>/limits/<uuid:id>", responses={200: shapes.SpendLimit})
def retrieve(path: inputs.OrgItemPath) -> Response:
    """One spend limit"""
    access = auth.enter(path.org_id, Verb.READ_LIMITS)
    return _shown(limits.find(access.org.id, access.mode, path.id, only_for=_only_for(access)))


@api.patch("/orgs/<org:org_id>/limits/<uuid:id>", responses={200: shapes.SpendLimit, 409: TAKEN})
def update(path: inputs.OrgItemPath, body: SpendLimitUpdate) -> Response:
    """Change the amount of a spend limit, or whether it refuses"""
    access, row = _enter(path)
    amount = row.amount if body.amount_micros is None else body.amount_micros
    hard = row.hard if body.hard is None else body.hard
    with transaction(org=access.org.id):
        row = changes.change(row, amount=Micros(amount), hard=hard, by=access.actor)
    return _shown(row)


@api.delete("/orgs/<org:org_id>/limits/<uuid:id>", responses={204: None})
def remove(path: inputs.OrgItemPath) -> Response:
    """Remove a spend limit"""
    access, row = _enter(path)
    with transaction(org=access.org.id):
        changes.remove(row, by=access.actor)
    return Response(status=204)


@spendable_api.get("/orgs/<org:org_id>/spendable", operation_id="spendable_retrieve", responses={200: shapes.Spendable})
def retrieve_spendable(path: inputs.OrgPath, query: SpendableQuery) -> Response:
    """What can be spent now, and what bounds it

    Without `member_id` and `key_id`, for the caller. A member's token may ask for themselves and their own keys.
    """
    access = auth.enter(path.org_id, Verb.READ_BALANCE)
    wallet = wallets.of_organization(access.org.id, access.mode, fresh=True)
    return answer(shapes.spendable(spendable(access.org, _spender(access, query), wallet)))


def _enter(path: inputs.OrgItemPath) -> tuple[Access, SpendLimit]:
    access = auth.enter(path.org_id, Verb.MANAGE_LIMITS, OrgAction.MEMBERS)
    return access, limits.find(access.org.id, access.mode, path.id)


def _shown(row: SpendLimit, status: int = 200) -> Response:
    [(row, usage)] = spend_limits.with_usage([row])
    return answer(shapes.spend_limit(row, usage), status)


def _subject(access: Access, body: SpendLimitCreate) -> str:
    """A member may be named by their membership, too."""
    member_id = ids.parse(body.subject) if body.subject and body.scope == "member" else None
    return str(memberships.user_id_of(access.org.id, member_id)) if member_id else body.subject or ""


def _only_for(access: Access) -> UUID | None:
    """The only user whose limits are shown; None for callers who see all."""
    return access.actor.id if access.caller.role == "member" else None


def _spender(access: Access, query: SpendableQuery) -> Spender:
    """Raises Invalid, NotFound for a member or key that the caller may not know about."""
    if query.member_id and query.key_id:
        raise Invalid("Ask for a member or for a key.", field="key_id")
    own, app = _only_for(access), query.app or ""
    if query.key_id:
        key_id = ids.parse(query.key_id)
        key = keys.find(access.org.id, key_id) if key_id else None
        if key is None or key.mode != access.mode or not keys.works(key) or (own and key.created_by != own):
            raise NotFound("There is no such key.")
        return limits.spender_of_key(key, app=app)
    if query.member_id:
        member_id = ids.parse(query.member_id)
        user_id = memberships.user_id_of(access.org.id, member_id) if member_id else None
        role = memberships.role_of(user_id, access.org.id) if user_id else None
        if user_id is None or role is None or (own and user_id != own):
            raise NotFound("There is no such member.")
        return limits.spender_of_member(access.org.id, user_id, role, app=app)
    return spender_of(access, app=app)
