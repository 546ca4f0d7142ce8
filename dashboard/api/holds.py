"""Holds: a program reserves credits before it works, and charges what the work cost."""

from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

from flask import Response
from pydantic import Field

from dashboard.api import auth, idempotency, inputs, paging, shapes
from dashboard.api.auth import Access
from dashboard.api.routes import answer, blueprint, refusal
from dashboard.api.wallets import spender_of
from dashboard.core.errors import Forbidden, Invalid
from dashboard.domain.access.permissions import LEADS, Verb, allowed, may_spend, origin_of
from dashboard.domain.funds import ledger, transactions, wallets
from dashboard.domain.funds.holds import listing, steps
from dashboard.domain.funds.holds.listing import HoldFilters
from dashboard.domain.funds.holds.steps import HoldRequest, HoldResult
from dashboard.domain.org_status import OrgAction
from dashboard.domain.organizations import memberships
from dashboard.models import Hold

LONGEST_SECONDS = int(steps.LONGEST.total_seconds())
SHORT = (
    "The balance is too low (`insufficient_funds`), the wallet is frozen (`wallet_frozen`), or a spend limit or the "
    "key's cap has no room until `resets_at` (`limit_reached`, `key_cap_exceeded`). Nothing was changed."
)
ENDED = "The hold was captured, released or has expired (`hold_not_open`). Nothing was changed."

api = blueprint("holds")


class NewHold(inputs.Body):
    """`expires_in`: for how many seconds the amount is reserved."""

    amount_micros: inputs.AmountMicros
    expires_in: int = Field(default=steps.USUAL_SECONDS, ge=1, le=LONGEST_SECONDS)
    description: inputs.Text = ""
    app: inputs.App | None = None
    member_id: inputs.Id | None = None
    idempotency_key: inputs.Key | None = None


class HoldCapture(inputs.Body):
    """Without `amount_micros`, all of the hold is charged."""

    amount_micros: inputs.AmountMicros | None = None
    allow_above: bool = False
    idempotency_key: inputs.Key | None = None


class HoldExtension(inputs.Body):
    expires_in: int = Field(default=steps.USUAL_SECONDS, ge=1, le=LONGEST_SECONDS)
    idempotency_key: inputs.Key | None = None


class HoldRelease(inputs.Body):
    idempotency_key: inputs.Key | None = None


class HoldQuery(paging.PageQuery):
    state: Literal["open", "captured", "released", "expired"] | None = Field(
        default=None, description="Only holds in this state."
    )
    app: str | None = Field(default=None, description="Only those of this app.")
    member_id: paging.IdText | None = Field(default=None, description="The `id` or the `user_id` of a member.")


@api.get("/orgs/<org:org_id>/holds", responses={200: shapes.HoldList})
def list_(path: inputs.OrgPath, query: HoldQuery) -> Response:
    """Holds, newest first; a member's token sees only its own"""
    access = _enter_to_read(path.org_id)
    given = query.model_dump(exclude_none=True, include={"state", "app", "member_id"})
    filters = HoldFilters.parse(given, only_of=_only_of(access))
    if filters.member_id:
        filters = filters.of_user(memberships.user_id_of(access.org.id, filters.member_id))
    wanted = listing.query(access.org.id, access.mode, filters)
    page = query.page(wanted, Hold.id, "holds", access.org.id, access.mode, filters)
    return answer(shapes.HoldList(data=[shapes.hold(row) for row in page.rows], next_cursor=page.next_cursor))


@api.get("/orgs/<org:org_id>/holds/<uuid:id>", responses={200: shapes.Hold})
def retrieve(path: inputs.OrgItemPath) -> Response:
    """One hold"""
    return answer(shapes.hold(_find(_enter_to_read(path.org_id), path.id)))


@api.post("/orgs/<org:org_id>/holds", responses={201: shapes.Hold, 402: refusal(SHORT)})
@idempotency.own_row
def create(path: inputs.OrgPath, body: NewHold) -> Response:
    """Reserve credits

    What is reserved cannot be spent otherwise until the hold is captured, released or expires.
    """
    access = _enter(path)
    request = _request(access, "", body)
    result = steps.reserve(
        wallets.of_organization(access.org.id, access.mode), request, org=access.org, amount=body.amount_micros,
        seconds=body.expires_in, spender=replace(spender_of(access), member_id=_member(access, body.member_id)),
        description=body.description, app=body.app or "",
    )  # fmt: skip
    return _answer(result, request, 201)


@api.post("/orgs/<org:org_id>/holds/<uuid:id>/extend", responses={200: shapes.Hold, 409: refusal(ENDED)})
@idempotency.own_row
def extend(path: inputs.OrgItemPath, body: HoldExtension) -> Response:
    """Let a hold expire later

    It then expires `expires_in` seconds from now, never earlier than before, and at most 7 days after it was made.
    """
    access = _enter(path)
    request = _request(access, f"/{path.id}/extend", body)
    result = steps.extend(_find(access, path.id), request, org=access.org, seconds=body.expires_in)
    return _answer(result, request)


@api.post(
    "/orgs/<org:org_id>/holds/<uuid:id>/capture",
    responses={200: shapes.HoldCaptureResult, 402: refusal(SHORT), 409: refusal(ENDED)},
)
@idempotency.own_row
def capture(path: inputs.OrgItemPath, body: HoldCapture) -> Response:
    """Charge a hold

    All of it or a part: the rest is available again. With `allow_above` also more, as far as the balance allows.
    """
    access = _enter(path)
    request = _request(access, f"/{path.id}/capture", body)
    result = steps.capture(
        _find(access, path.id), request, org=access.org, amount=body.amount_micros, allow_above=body.allow_above
    )
    row = transactions.find(access.org.id, result.hold.transaction_id or path.id)
    shape = shapes.HoldCaptureResult(
        **shapes.hold_values(result.hold, result.step),
        transaction=shapes.transaction(row, wallets.units_of([row])[row.wallet_id]),
    )
    return idempotency.answered(answer(shape), request.key, replayed=result.replayed)


@api.post("/orgs/<org:org_id>/holds/<uuid:id>/release", responses={200: shapes.Hold, 409: refusal(ENDED)})
@idempotency.own_row
def release(path: inputs.OrgItemPath, body: HoldRelease) -> Response:
    """End a hold without a charge"""
    access = _enter(path, OrgAction.READ)
    request = _request(access, f"/{path.id}/release", body)
    return _answer(steps.release(_find(access, path.id), request), request)


def _enter(path: inputs.OrgPath, act: OrgAction = OrgAction.SPEND) -> Access:
    access = auth.enter(path.org_id, Verb.HOLD, act)
    auth.require_open(access)
    return access


def _enter_to_read(org: str) -> Access:
    """Who may hold may read holds, too."""
    found = auth.find(org)
    return auth.enter(org, Verb.HOLD if allowed(Verb.HOLD, found.caller) else Verb.READ_OWN_ROWS)


def _only_of(access: Access) -> frozenset[UUID]:
    """The user and key whose holds are the only ones that the caller may see, and act on; empty for all.

    As for transactions, a member's token sees only the member's own; nor does a member's key see more.
    """
    if allowed(Verb.READ_LEDGER, access.caller) or _leads(access):
        return frozenset()
    return frozenset(one for one in (access.actor.user_id, access.actor.id) if one)


def _leads(access: Access) -> bool:
    """Whether the caller is the platform, or acts for an owner or admin."""
    user_id = access.actor.user_id
    return access.caller.key if user_id is None else memberships.role_of(user_id, access.org.id) in LEADS


def _find(access: Access, hold_id: UUID) -> Hold:
    return listing.find(access.org.id, access.mode, hold_id, only_of=_only_of(access))


def _member(access: Access, member_id: UUID | None) -> UUID | None:
    """The user to whom the hold counts. Only the platform's keys, and those of owners and admins, name another one."""
    own = access.actor.user_id
    if member_id is None:
        return own
    user_id = memberships.user_id_of(access.org.id, member_id)
    if user_id != own and not _leads(access):
        raise Forbidden("Only keys and tokens of owners and admins can name another member.")
    if not may_spend(memberships.role_of(user_id, access.org.id)):
        raise Invalid("No member who may spend has this id.", field="member_id", code="no_such_member")
    return user_id


def _request(access: Access, tail: str, body: inputs.Body) -> HoldRequest:
    fields: dict[str, Any] = body.model_dump(mode="json", exclude={"idempotency_key"}, exclude_none=True)
    return HoldRequest(
        origin_of(Verb.HOLD, access.caller), idempotency.key(getattr(body, "idempotency_key", None)), access.actor,
        ledger.body_hash(f"/api/v1/orgs/{access.org.id}/holds{tail}", fields),
    )  # fmt: skip


def _answer(result: HoldResult, request: HoldRequest, status: int = 200) -> Response:
    shape = shapes.hold(result.hold, result.step)
    return idempotency.answered(answer(shape, status), request.key, replayed=result.replayed)
