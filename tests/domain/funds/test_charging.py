"""The one verb that charges: status, spend limit and idempotency hold for every caller."""

import pytest
from flask import Flask

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.core.errors import NotFound
from dashboard.domain.funds import charging, wallets
from dashboard.domain.funds.ledger import KeyReused, Posting
from dashboard.domain.funds.spend_limits import KeyCapExceeded, LimitId, Spender, changes
from dashboard.domain.funds.spend_limits.changes import Cap
from dashboard.domain.org_status import OrgSuspended
from dashboard.models import Organization, SpendLimit
from tests.concurrency import statements
from tests.factories import SYSTEM, make_org, wallet_of


@pytest.fixture
def org(app_context: Flask) -> Organization:
    return make_org(funds=1_000)


def charge(org: Organization, amount: int, key: str, limit: SpendLimit | None = None) -> Posting:
    return charging.charge(
        wallet_of(org),
        org=org,
        amount=amount,
        origin="api",
        key=key,
        by=SYSTEM,
        spender=Spender(key=LimitId(org.id, limit.id)) if limit else None,
    )


def balance(org: Organization) -> int:
    return wallets.of_organization(org.id, "test", fresh=True).balance


def limit_of(org: Organization, amount: int) -> SpendLimit:
    with transaction(org=org.id):
        return changes.begin(org.id, org.id, Cap(amount, "day"), mode="test")  # type: ignore[arg-type]


def test_a_charge_without_a_limit_is_one_statement(org: Organization) -> None:
    wallet = wallet_of(org)
    with statements() as sent:
        charging.charge(wallet, org=org, amount=5, origin="api", key="k", by=SYSTEM)
    assert len(sent) == 1
    assert balance(org) == 995


def test_an_organization_that_may_not_spend_is_not_charged(org: Organization) -> None:
    for column, refusal in (("suspended_at", OrgSuspended), ("closed_at", NotFound)):
        with transaction(org=org.id):
            row = db.session.get_one(Organization, org.id)
            row.suspended_at = None
            setattr(row, column, clock.now())
        with pytest.raises(refusal):
            charge(row, 5, column)
    assert balance(org) == 1_000


def test_a_charge_above_the_limit_books_nothing_and_a_replay_counts_once(org: Organization) -> None:
    limit = limit_of(org, 10)
    assert not charge(org, 6, "a", limit).replayed
    assert charge(org, 6, "a", limit).replayed
    with pytest.raises(KeyCapExceeded):
        charge(org, 5, "b", limit)
    assert not charge(org, 4, "b", limit).replayed
    assert balance(org) == 990
    with pytest.raises(KeyReused):
        charge(org, 7, "a", limit)


def test_in_an_open_transaction_the_charge_and_its_count_go_with_it(org: Organization) -> None:
    limit = limit_of(org, 10)

    def fail() -> None:
        with transaction(org=org.id):
            charge(org, 10, "a", limit)
            charge(org, 1, "b", limit)

    with pytest.raises(KeyCapExceeded):
        fail()
    assert balance(org) == 1_000
    with transaction(org=org.id):
        charge(org, 10, "a", limit)
    assert balance(org) == 990
