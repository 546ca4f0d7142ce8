"""Wallets of different holders and units in one organization: none touches another, in books, lists and seals."""

from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from dashboard.core.db import db, transaction
from dashboard.domain.funds import ledger, seals, transactions, wallets
from dashboard.domain.funds.ledger import LedgerEntry
from dashboard.domain.funds.wallets import Holder
from dashboard.domain.platform import verify
from dashboard.models import Membership, Organization, Wallet
from tests.api.conftest import Program
from tests.factories import SYSTEM, add_member, charge, grant, make_key, make_org, wallet_of


def open_wallet(org_id: UUID, unit: str = "usd", holder: Holder = wallets.ORGANIZATION) -> Wallet:
    with transaction(org=org_id):
        return wallets.open_wallet(org_id, mode="test", unit=unit, holder=holder)


def member_of(org_id: UUID) -> Holder:
    return Holder(membership_id=db.session.scalar(select(Membership.id).filter_by(org_id=org_id, role="member")))


@pytest.fixture
def org_id(app: Flask) -> UUID:
    """An organization with $1.00, whose member holds $2.00; 300 hours belong to all."""
    with app.app_context():
        org = make_org(funds=1_000_000)
        add_member(org, "member")
        own, hours = open_wallet(org.id, holder=member_of(org.id)), open_wallet(org.id, "hours")
        grant(own, 2_000_000)
        grant(hours, 300)
        charge(wallet_of(org), 250_000)
        charge(own, 500_000)
        charge(hours, 5)
        return org.id


def own_of(org_id: UUID) -> tuple[Wallet, Wallet]:
    """The member's dollars, and the hours."""
    rows = {(row.unit, row.membership_id is not None): row for row in wallets.every(org_id) if row.mode == "test"}
    return rows["usd", True], rows["hours", False]


def test_each_holder_has_a_balance_and_a_statement_of_their_own(app: Flask, org_id: UUID) -> None:
    with app.app_context():
        own, hours = own_of(org_id)
        organizations = wallets.of_organization(org_id, "test")
        assert [row.balance for row in (organizations, own, hours)] == [750_000, 1_500_000, 295]
        for wallet, moved in ((organizations, [-250_000, 1_000_000]), (own, [-500_000, 2_000_000]), (hours, [-5, 300])):
            page = transactions.page(wallet, transactions.TransactionFilters(), None, 50)
            assert [row.amount for row in page.rows] == moved
            assert transactions.statement(wallet).closing == wallet.balance


def test_a_batch_charges_each_holder_and_refuses_each_apart(app: Flask, org_id: UUID) -> None:
    with app.app_context():
        own, hours = own_of(org_id)
        entries = [LedgerEntry(own.id, 1_500_000, "a"), LedgerEntry(own.id, 1, "b"), LedgerEntry(hours.id, 295, "c")]
        with transaction(org=org_id):
            results = ledger.post_batch(org_id, entries, mode="test", origin="usage", by=SYSTEM)
        assert [isinstance(result, ledger.Posting) for result in results] == [True, False, True]
        assert [wallet.balance for wallet in own_of(org_id)] == [0, 0]


def test_their_books_verify_and_are_sealed(app: Flask, org_id: UUID) -> None:
    with app.app_context():
        seals.seal(org_id)
        assert verify.broken(org_id) == []
        assert all(wallet.sealed_seq == wallet.seq for wallet in wallets.every(org_id))


def test_a_holder_has_one_wallet_of_a_unit_and_a_wallet_one_holder(app: Flask, org_id: UUID) -> None:
    with app.app_context():
        member = member_of(org_id)
        for holder in (wallets.ORGANIZATION, member, Holder(member.membership_id, team_id=org_id)):
            with pytest.raises(IntegrityError):
                open_wallet(org_id, holder=holder)
        stranger = make_org()
        add_member(stranger, "member")
        with pytest.raises(IntegrityError):
            open_wallet(org_id, holder=member_of(stranger.id))


def test_the_api_lists_all_wallets_and_rows_with_their_unit(program: Program, app: Flask, org_id: UUID) -> None:
    with app.app_context():
        org = wallets.of_organization(org_id, "test")
        own, hours = own_of(org_id)
        key = make_key(db.session.get_one(Organization, org_id), "wallet:read", "wallet:charge")
    listed = program.get(f"/api/v1/orgs/{org_id}/wallets", key).json["data"]
    assert [(row["wallet_id"], row["unit"]) for row in listed] == [
        (str(hours.id), "hours"),
        (str(own.id), "usd"),
        (str(org.id), "usd"),
    ]
    rows = program.get(f"/api/v1/orgs/{org_id}/transactions", key).json["data"]
    assert len(rows) == 6
    in_dollars, in_units = {"amount_micros", "amount_usd"}, {"units"}
    names = [(row["unit"], row.keys() & {"amount", *in_dollars, *in_units}) for row in rows]
    assert all(found == (in_dollars if unit == "usd" else in_units) for unit, found in names)
    of_hours = program.get(f"/api/v1/orgs/{org_id}/transactions?wallet_id={hours.id}", key).json["data"]
    assert [row["units"] for row in of_hours] == [-5, 300]
    charged = program.post(
        f"/api/v1/orgs/{org_id}/wallet", key, json={"operation": "charge", "amount_micros": 1, "description": "x"}
    )
    assert charged.json["transaction"]["wallet_id"] == str(org.id)
