"""Rows for tests, made with the product's own verbs. Each needs an app context and no open transaction."""

from itertools import count
from typing import Any

from dashboard.config import settings
from dashboard.core import ids
from dashboard.core.db import transaction
from dashboard.core.money import Micros
from dashboard.domain.access import keys, service_keys
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.catalog import products
from dashboard.domain.catalog.products import Offer
from dashboard.domain.funds import ledger, wallets
from dashboard.domain.funds.holds import steps
from dashboard.domain.funds.holds.steps import HoldRequest
from dashboard.domain.funds.ledger import NewGrant, Posting
from dashboard.domain.funds.spend_limits import changes
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.organizations import memberships, organizations, registration
from dashboard.domain.usage import metrics
from dashboard.models import PLATFORM_ORG_ID, Hold, Metric, Organization, SpendLimit, User, Wallet

PASSWORD = "a long enough password"
_numbers = count(1)


def make_user(email: str | None = None, *, name: str = "Ada Example", manager: bool = False) -> User:
    """A person with a verified address; a standard one has a personal organization."""
    email = email or f"person{next(_numbers)}@example.test"
    return registration.create_user(email=email, password=PASSWORD, name=name, manager=manager, mode="test")


def make_org(name: str = "Acme", *, owner: User | None = None, funds: int = 0) -> Organization:
    """A team's organization with `funds` micros in its wallet of the platform's mode."""
    owner = owner or make_user()
    org_id = ids.new()
    with transaction(org=org_id):
        org = organizations.make_team(name, org_id=org_id, owner=owner, by=Actor("user", owner.id))
    if funds:
        grant(wallet_of(org), funds)
    return org


def add_member(org: Organization, role: str, *, user: User | None = None) -> User:
    user = user or make_user()
    with transaction(org=org.id):
        memberships.add(org, user, role=role, by=SYSTEM)
    return user


def wallet_of(org: Organization, mode: str | None = None) -> Wallet:
    return wallets.of_organization(org.id, mode or settings().mode)


def grant(wallet: Wallet, micros: int, key: str | None = None) -> Posting:
    return ledger.post(
        wallet, type="admin_grant", amount=micros, origin="test", key=key or f"grant{next(_numbers)}", by=SYSTEM,
        slices=[NewGrant("promotional", "goodwill", micros)],
    )  # fmt: skip


def charge(wallet: Wallet, micros: int, key: str | None = None, *, app: str = "") -> Posting:
    return ledger.post(
        wallet, type="charge", amount=-micros, origin="api", key=key or f"charge{next(_numbers)}", by=SYSTEM, app=app
    )


def hold(org: Organization, micros: int, key: str | None = None, **named: Any) -> Hold:
    """Money reserved in the organization's wallet, by itself."""
    request = HoldRequest("api", key or f"hold{next(_numbers)}", SYSTEM)
    return steps.reserve(wallet_of(org), request, org=org, amount=micros, **named).hold


def make_metric(key: str = "tokens", *, when_unpriced: str = "refuse", **price: Any) -> Metric:
    """A metric of the platform; with a price, if one is given."""
    with transaction(org=PLATFORM_ORG_ID):
        row = metrics.create(
            PLATFORM_ORG_ID, key=key, name=key, unit=key.removesuffix("s"), when_unpriced=when_unpriced, by=SYSTEM
        )
        if price:
            metrics.set_price(PLATFORM_ORG_ID, row, by=SYSTEM, **price)
    return row


def make_limit(
    org: Organization, micros: int, window: str = "month", scope: str = "org", subject: object = "", *,
    hard: bool = True, mode: str = "test",
) -> SpendLimit:  # fmt: skip
    with transaction(org=org.id):
        cap = Cap(Micros(micros), window, hard)
        return changes.create(org.id, scope=scope, subject=str(subject), cap=cap, mode=mode, by=SYSTEM)


def make_key(org: Organization, *scopes: str, mode: str | None = None, by: Actor = SYSTEM) -> str:
    """A key of the organization, as its program holds it: the platform's, unless `by` is one of its people."""
    with transaction(org=org.id):
        made = keys.make(org, name="Test", scopes=scopes, mode=mode or settings().mode, by=by, made_by=by.id)
    return made.key


def make_service_key(*scopes: str, mode: str | None = None, name: str = "Backend", cap: Cap | None = None) -> str:
    with transaction(org=PLATFORM_ORG_ID):
        return service_keys.make(
            name=name, scopes=scopes, mode=mode or settings().mode, reason="Test", by=SYSTEM, cap=cap
        ).key


def make_token(user: User, *scopes: str) -> str:
    with transaction(org=PLATFORM_ORG_ID):
        return keys.make_personal(user, name="Test", scopes=scopes, by=SYSTEM).key


def make_pack(
    name: str = "Starter", *, price_minor: int = 2_500, credits_micros: int = 25_000_000, bonus_micros: int = 0
) -> Offer:
    with transaction(org=PLATFORM_ORG_ID):
        return products.create(
            PLATFORM_ORG_ID, name=name, price_minor=price_minor, grant_micros=credits_micros,
            bonus_micros=bonus_micros, by=SYSTEM,
        )  # fmt: skip
