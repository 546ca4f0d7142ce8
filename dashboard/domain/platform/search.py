"""Finds organizations by anything that a support ticket may contain: names, addresses, our ids, the provider's ids,
keys."""

import re
from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, Select, Uuid, and_, cast, func, or_, select, true
from sqlalchemy.sql.selectable import Subquery

from dashboard.core import ids
from dashboard.domain.funds.wallets import MODES
from dashboard.models import (
    PLATFORM_ORG_ID,
    ApiKey,
    Customer,
    InboxEvent,
    Membership,
    Organization,
    OrgDirectory,
    Payment,
    Transaction,
    User,
    Wallet,
)

MOST_WORDS = 6

_PROVIDER_ID = re.compile(r"(cs|cus|pi|in|evt|dcs|dcus|devt)_[A-Za-z0-9_]+", re.ASCII)
_ORG_KEY = re.compile(r"cof_(?:test|live)_([0-9a-f]{32})(?:_.*)?", re.ASCII | re.DOTALL)
_KEY_END = re.compile(r"(?:cof_(?:test|live)_)?(?:…|\.\.\.)?([A-Za-z0-9_-]{4})", re.ASCII)


def organizations_matching(text: str | None) -> ColumnElement[bool]:
    """Condition on Organization: `text` names it, one of its members, or anything it owns."""
    if not text:
        return true()
    if parsed := ids.parse(text):
        return or_(Organization.id == parsed, Organization.id.in_(_owners_of_id(parsed)))
    if key := _ORG_KEY.fullmatch(text):
        return Organization.id == UUID(key[1])
    if _PROVIDER_ID.fullmatch(text):
        return Organization.id.in_(_owners_of_provider_id(text))
    return or_(_named(text), *_keys_ending(text))


def users_matching(text: str | None) -> ColumnElement[bool]:
    """Condition on User: the address, the name or the exact id."""
    if not text:
        return true()
    if parsed := ids.parse(text):
        return User.id == parsed
    return and_(*(_either(word) for word in text.split()[:MOST_WORDS]))


def _either(word: str) -> ColumnElement[bool]:
    return or_(User.email.icontains(word, autoescape=True), User.name.icontains(word, autoescape=True))


def _named(text: str) -> ColumnElement[bool]:
    words = text.split()[:MOST_WORDS]
    people = (
        select(Membership.org_id)
        .join(User, User.id == Membership.user_id)
        .where(Membership.removed_at.is_(None), *(_either(word) for word in words))
    )
    external = select(OrgDirectory.org_id).where(
        OrgDirectory.external_key == text, OrgDirectory.external_key_confirmed_at.is_not(None)
    )
    return or_(
        and_(*(Organization.name.icontains(word, autoescape=True) for word in words)),
        Organization.slug.icontains(text.lower(), autoescape=True),
        Organization.id.in_(people),
        Organization.id.in_(external),
    )


def _keys_ending(text: str) -> Iterator[ColumnElement[bool]]:
    """Keys are shown by their last four characters."""
    if end := _KEY_END.fullmatch(text):
        yield Organization.id.in_(select(ApiKey.org_id).where(func.right(ApiKey.prefix, 4) == end[1]))


def _owners_of_id(found_id: UUID) -> Select[tuple[UUID]]:
    """The organization whose row has this id. One index lookup per organization and table, because ids alone have no
    index."""
    hits = [_has(model, found_id) for model in (Transaction, Payment, Wallet, ApiKey)]
    member = select(Membership.org_id).where(Membership.user_id == found_id, Membership.removed_at.is_(None))
    owner = select(Organization.id).where(or_(*(hit.is_not(None) for hit in hits)))
    event = select(_payer()).where(InboxEvent.org_id == PLATFORM_ORG_ID, InboxEvent.id == found_id)
    return select(owner.union(member, event).subquery().c[0])


def _has(model: type[Transaction | Payment | Wallet | ApiKey], found_id: UUID) -> ScalarSelect[UUID]:
    # A scalar with a limit stays a lookup by primary key; EXISTS may become a join over the whole table.
    return (
        select(model.id).where(model.org_id == Organization.id, model.id == found_id).limit(1)
        .correlate(Organization).scalar_subquery()
    )  # fmt: skip


def _owners_of_provider_id(text: str) -> Select[tuple[UUID]]:
    customers = select(Customer.org_id).where(Customer.customer_id == text)
    payments = select(Payment.org_id).where(
        or_(Payment.session_id == text, Payment.intent_id == text, Payment.invoice_id == text)
    )
    events = select(_payer()).where(
        InboxEvent.org_id == PLATFORM_ORG_ID, InboxEvent.mode.in_(MODES), InboxEvent.event_id == text
    )
    subquery: Subquery = customers.union(payments, events).subquery()
    return select(subquery.c[0])


def _payer() -> ColumnElement[UUID]:
    """The organization that an event credited; null if it had no effect."""
    return cast(InboxEvent.effects["org_id"].astext, Uuid())
