"""Grants and removals by platform managers, and the transactions of all organizations."""

from typing import Literal
from uuid import UUID

from flask import Response
from pydantic import Field

from dashboard.api import auth, idempotency, inputs, paging, shapes
from dashboard.api.routes import PLATFORM, answer, blueprint, refusal
from dashboard.api.transactions import FilterQuery
from dashboard.core import ids
from dashboard.core.db import transaction
from dashboard.core.errors import Invalid
from dashboard.domain.access.permissions import Verb
from dashboard.domain.audit import Actor
from dashboard.domain.funds import expiry, ledger, transactions
from dashboard.domain.funds.ledger import Posting
from dashboard.domain.organizations import org_refs
from dashboard.domain.people import users
from dashboard.domain.platform import grants
from dashboard.models import Organization

api = blueprint("platform_transactions", prefix=PLATFORM)

GRANTS_ONLY = {
    "expires_at": "Only a grant can expire.",
    "priority": "Only a grant has a priority.",
    "source_id": "Only a grant has a source_id. A removal names its grant with grant_id.",
}
REMOVALS_ONLY = {
    "grant_id": "Only a removal names a grant.",
    "allow_paid": "Only a removal can take paid credit.",
    "paid_reason": "Only a removal can take paid credit.",
}
"""What is refused for the other of the two, and why."""


class GrantOrRemoval(inputs.Body):
    """The amount is either `amount`, in credits, or `amount_micros`. The receiver is an organization, or a user's
    personal one; `org_id` may be `ext:<external key>`. `description` is also the reason.

    A removal takes promotional credit first, or from the grant `grant_id`; with `allow_paid` false it is refused if it
    would take credit that was paid for, and `paid_reason` says why it does. `expires_at` is the last UTC day on which
    the remainder of a grant can be spent, such as 2027-03-31. Of two grants of one kind, the one with the lower
    `priority` is spent first.
    """

    transaction_type: Literal["admin_grant", "admin_removal"]
    amount: inputs.Credits | None = None
    amount_micros: inputs.AmountMicros | None = None
    description: inputs.Reason
    user_id: inputs.Id | None = None
    org_id: inputs.OrgRef | None = None
    category: (
        Literal["goodwill", "promotion", "correction", "contract", "mistaken_grant", "expired_offer", "fraud", "agreed"]
        | None
    ) = None
    allow_negative: bool = False
    allow_paid: bool = True
    paid_reason: inputs.Reason | None = None
    source_id: inputs.Text | None = None
    grant_id: inputs.Id | None = None
    priority: inputs.Priority | None = None
    expires_at: inputs.Text | None = None
    idempotency_key: inputs.Key | None = None


class EveryQuery(FilterQuery):
    org_id: str | None = Field(
        default=None, description="Only those of this organization: its id, or `ext:<external key>`."
    )
    user_id: paging.IdText | None = Field(default=None, description="Only those of this user's personal organization.")


@api.post(
    "/transactions",
    responses={
        201: shapes.PlatformTransaction,
        409: refusal("The removal is above the balance or its grant, or would take paid credit."),
    },
)
@idempotency.own_row
def create(body: GrantOrRemoval) -> Response:
    """Grant or remove credits"""
    caller = auth.platform(Verb.PLATFORM_GRANT)
    key = idempotency.key(body.idempotency_key)
    _refuse_other_fields(body)
    org = _receiver(body.user_id, body.org_id)
    posting = _post(org, body, by=caller.actor, key=key)
    row = transactions.find(org.id, posting.id)
    return idempotency.answered(answer(shapes.platform_transactions([row])[0], 201), key, replayed=posting.replayed)


@api.get("/transactions", responses={200: shapes.PlatformTransactionList})
def list_(query: EveryQuery) -> Response:
    """Transactions of all organizations, newest first"""
    auth.platform(Verb.PLATFORM_READ)
    org_id = None
    if query.org_id is not None or query.user_id is not None:
        org_id = _receiver(_id(query.user_id, "user_id"), query.org_id, reading=True).id
    filters, mode = query.filters(), auth.platform_mode()
    if filters.exact:
        if org_id is None:
            raise Invalid("Name the organization too.", field="org_id", code="required")
        page = transactions.exact(org_id, mode, filters, query.cursor, query.size)
    else:
        page = transactions.of_all_organizations(mode, filters, query.cursor, query.size, org_id=org_id)
    rows = shapes.platform_transactions(page.rows)
    return answer(shapes.PlatformTransactionList(data=rows, next_cursor=page.next_cursor))


@api.get("/transactions/<uuid:id>", responses={200: shapes.PlatformTransaction})
def retrieve(path: inputs.ItemPath) -> Response:
    """One transaction of any organization"""
    auth.platform(Verb.PLATFORM_READ)
    row = transactions.anywhere(path.id, mode=auth.platform_mode())
    return answer(shapes.platform_transactions([row])[0])


def _post(org: Organization, body: GrantOrRemoval, *, by: Actor, key: str) -> Posting:
    unasked = {"idempotency_key"} | ({"allow_paid"} if body.allow_paid else set())
    fields = body.model_dump(mode="json", exclude=unasked, exclude_none=True)
    if body.org_id is not None:  # the same call, however it names the organization
        fields["org_id"] = str(org.id)
    body_hash = ledger.body_hash("/admin/api/v1/transactions", fields)
    expires_at = expiry.end_of(body.expires_at) if body.expires_at is not None else None
    mode, amount = auth.platform_mode(), _amount(body)
    with transaction(org=org.id):
        if body.transaction_type == "admin_grant":
            return grants.grant(
                org, mode=mode, amount_micros=amount, category=body.category or "goodwill",
                reason=body.description, by=by, key=key, description=body.description, source=body.source_id,
                body_hash=body_hash, expires_at=expires_at, priority=body.priority or 0,
            )  # fmt: skip
        return grants.remove(
            org, mode=mode, amount_micros=amount, category=body.category or "correction", reason=body.description,
            by=by, key=key, description=body.description, allow_negative=body.allow_negative, body_hash=body_hash,
            allow_paid=body.allow_paid, paid_reason=body.paid_reason, grant_id=body.grant_id,
        )  # fmt: skip


def _amount(body: GrantOrRemoval) -> int:
    """The amount in micros. Raises Invalid."""
    given = [amount for amount in (body.amount, body.amount_micros) if amount is not None]
    if len(given) != 1:
        raise Invalid("Send either amount (credits) or amount_micros.", field="amount")
    return given[0]


def _refuse_other_fields(body: GrantOrRemoval) -> None:
    granting = body.transaction_type == "admin_grant"
    for field, sentence in (REMOVALS_ONLY if granting else GRANTS_ONLY).items():
        if field in body.model_fields_set and getattr(body, field) is not None:
            raise Invalid(sentence, field=field)
    if body.allow_negative and granting:
        raise Invalid("Only a removal can go below zero.", field="allow_negative")


def _receiver(user_id: UUID | None, org_ref: str | None, *, reading: bool = False) -> Organization:
    """The one organization that the request names. Raises Invalid."""
    if (user_id is None) == (org_ref is None):
        raise Invalid("Name either a user_id or an org_id.", field="user_id")
    field = "user_id" if user_id else "org_id"
    org = users.personal_organization(user_id) if user_id else org_refs.find(inputs.require_org_ref(org_ref or ""))
    if org is None or (org.closed_at is not None and not reading):
        raise Invalid("There is no organization of this id.", field=field, code="no_such_organization")
    return org


def _id(text: str | None, field: str) -> UUID | None:
    parsed = ids.parse(text) if text else None
    if text is not None and parsed is None:
        raise Invalid("This is not an id.", field=field, code="not_an_id")
    return parsed
