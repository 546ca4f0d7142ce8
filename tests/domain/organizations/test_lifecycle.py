"""Suspended, closed, deleted, reopened: what each ends, what stands in the way, and what comes at the same instant."""

from collections import Counter
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.config import settings
from dashboard.core import clock
from dashboard.core.db import db, retrying, transaction
from dashboard.core.errors import CofferError, Forbidden, InsufficientFunds, Invalid, NotFound
from dashboard.core.money import MICROS_PER_USD
from dashboard.domain.access import keys
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.funds import wallets
from dashboard.domain.org_status import OrgSuspended
from dashboard.domain.organizations import lifecycle, memberships, org_settings, organizations, user_organizations
from dashboard.domain.organizations.lifecycle import FundsMoved, NotEmpty
from dashboard.domain.organizations.organizations import PersonalOrganization
from dashboard.domain.people import users
from dashboard.domain.platform import external_keys, grants
from dashboard.models import (
    ApiKey,
    AuditEntry,
    Invite,
    Organization,
    Payment,
    User,
    Wallet,
)
from tests.concurrency import head_on
from tests.each import each
from tests.factories import add_member, charge, grant, make_key, make_org, make_pack, make_user, wallet_of

MANAGER = Actor("manager", None)


def owner_of(org: Organization) -> Actor:
    [owner] = [row.user_id for row in memberships.of_org(org.id) if row.role == "owner"]
    return Actor("user", owner)


def delete(org: Organization, by: Actor | None = None) -> None:
    by = by or owner_of(org)
    with transaction(org=org.id):
        lifecycle.delete(org, by=by)


def act(org: Organization, verb: Any, **more: Any) -> None:
    with transaction(org=org.id):
        verb(org, reason="Ticket 4821", by=MANAGER, **more)


def again(org: Organization) -> Organization:
    return db.session.get_one(Organization, org.id, populate_existing=True)


def audited(org: Organization) -> list[tuple[str, str | None]]:
    rows = db.session.scalars(select(AuditEntry).filter_by(org_id=org.id).order_by(AuditEntry.id))
    return [(row.action, row.reason) for row in rows if row.object_kind == "organization"]


def pay(org: Organization, state: str) -> None:
    offer = make_pack()
    with transaction(org=org.id) as session:
        session.add(
            Payment(
                org_id=org.id, provider="dummy", mode="test", state=state, actor_kind="system",
                product_id=offer.product.id, name="Pack",
                version_id=offer.version.id,
                quantity=1, unit_price_minor=100, amount_minor=100, currency="usd", grant_micros=1_000_000,
                bonus_micros=0, grant_kind="paid", success_url="/", cancel_url="/", key=state, body_hash=b"",
            )
        )  # fmt: skip


@pytest.mark.usefixtures("app_context")
def test_deleting_ends_keys_and_invites_and_keeps_the_books() -> None:
    org = make_org(funds=5)
    charge(wallet_of(org), 5)
    make_key(org, "wallet:read")
    with transaction(org=org.id) as session:
        external_keys.assign(org, "crm-1", reason="x", by=SYSTEM)
        session.add(Invite(org_id=org.id, email="a@b.test", role="admin", token_hash=b"1", expires_at=clock.now()))
    delete(org)
    assert again(org).closed_at is not None
    assert all(key.revoked_at for key in db.session.scalars(select(ApiKey).filter_by(org_id=org.id)))
    assert db.session.scalar(select(Invite.state)) == "revoked"
    assert audited(org)[-1] == ("organization.closed", None)
    assert external_keys.of(org).external_key is None
    assert external_keys.of(org).external_key_confirmed_at is None
    assert organizations.by_slug(org.slug) is not None  # an old link never leads to somebody else
    assert wallet_of(org).seq == 2
    for attempt in (delete, lambda org: delete(org, owner_of(org))):
        with pytest.raises(NotFound):
            attempt(org)


@pytest.mark.usefixtures("app_context")
@pytest.mark.parametrize("state", lifecycle.OPEN_PAYMENTS)
def test_money_on_its_way_keeps_it_open(state: str) -> None:
    org = make_org()
    pay(org, state)
    with pytest.raises(NotEmpty, match="1 payment is not finished"):
        delete(org)
    with pytest.raises(NotEmpty):
        act(org, lifecycle.close)
    assert again(org).closed_at is None


@pytest.mark.usefixtures("app_context")
@pytest.mark.parametrize("state", ["failed", "expired"])
def test_what_came_to_nothing_does_not(state: str) -> None:
    org = make_org()
    pay(org, state)
    delete(org)
    assert again(org).closed_at is not None


@pytest.mark.usefixtures("app_context")
@pytest.mark.parametrize(("values", "words"), [
    ({"balance": 1}, "balance is"), ({"balance": -1}, "balance is"), ({"balance": 0, "held": 1_000_000}, "held"),
])  # fmt: skip
@pytest.mark.parametrize("mode", ["test", "live"])
def test_money_in_either_wallet_keeps_it_open(values: dict[str, int], words: str, mode: str) -> None:
    org = make_org()
    with transaction(org=org.id):
        for name, value in values.items():
            setattr(wallet_of(org, mode), name, value)
    with pytest.raises(NotEmpty, match=words):
        delete(org)


@pytest.mark.usefixtures("app_context")
def test_only_an_owner_deletes_and_only_a_team() -> None:
    org = make_org()
    admin = add_member(org, "admin")
    for by, refusal in ((Actor("user", admin.id), Forbidden), (Actor("user", make_user().id), NotFound),
                        (Actor("key", None), Forbidden)):  # fmt: skip
        with pytest.raises(refusal):
            delete(org, by)
    own = users.personal_organization(admin.id)
    assert own is not None
    with pytest.raises(PersonalOrganization):
        delete(own, Actor("user", admin.id))
    act(org, lifecycle.suspend)
    with pytest.raises(OrgSuspended):
        delete(org)


@pytest.mark.usefixtures("app_context")
def test_the_operator_suspends_closes_and_reopens_with_a_reason() -> None:
    org = make_org(funds=7)
    for verb in (lifecycle.suspend, lifecycle.unsuspend, lifecycle.close, lifecycle.reopen):
        act(org, verb)
        act(org, verb)
    words = ["suspended", "unsuspended", "closed", "reopened"]
    assert audited(org)[1:] == [(f"organization.{word}", "Ticket 4821") for word in words]
    assert (again(org).suspended_at, again(org).closed_at) == (None, None)
    for verb in (lifecycle.suspend, lifecycle.close):
        for reason in ("", "  ", "x" * 501, "a\x00b"):
            with pytest.raises(Invalid), transaction(org=org.id):
                verb(org, reason=reason, by=MANAGER)


@pytest.mark.usefixtures("app_context")
def test_funding_changes_before_anything_moved_only() -> None:
    fresh, used = make_org(), make_org(funds=1)
    act(fresh, lifecycle.fund_itself, itself=True)
    assert again(fresh).funding == "own"
    act(fresh, lifecycle.fund_itself, itself=True)
    act(fresh, lifecycle.fund_itself, itself=False)
    assert again(fresh).funding == "platform"
    with pytest.raises(FundsMoved):
        act(used, lifecycle.fund_itself, itself=True)
    pay(fresh, "created")
    with pytest.raises(FundsMoved):
        act(fresh, lifecycle.fund_itself, itself=True)


@pytest.mark.usefixtures("app_context")
def test_an_overdraft_lets_charges_below_zero_until_the_end() -> None:
    org = make_org(funds=10)
    with transaction(org=org.id):
        wallets.set_overdraft(wallet_of(org), limit_micros=15, reason="Contract", by=MANAGER)
    charge(wallet_of(org), 25)
    with pytest.raises(InsufficientFunds):
        charge(wallet_of(org), 1)
    with pytest.raises(Invalid), transaction(org=org.id):
        wallets.set_overdraft(wallet_of(org), limit_micros=-1, reason="x", by=MANAGER)
    grant(wallet_of(org), 15)
    delete(org)
    with pytest.raises(InsufficientFunds):
        charge(wallet_of(org), 1)


def test_closing_meets_a_grant(app: Flask) -> None:
    """Never a closed organization with money that came in after it was found empty."""
    with app.app_context():
        orgs = [make_org() for _ in range(20)]
        owners = [owner_of(org) for org in orgs]
    outcomes: Counter[tuple[str, ...]] = Counter()
    for number, (org, owner) in enumerate(zip(orgs, owners, strict=True)):

        def close(org: Organization = org, owner: Actor = owner) -> str:
            retrying(delete)(org, owner)
            return "closed"

        def give(org: Organization = org, number: int = number) -> str:
            with transaction(org=org.id):
                grants.grant(
                    org,
                    mode="test",
                    amount_micros=MICROS_PER_USD,
                    category="goodwill",
                    reason="x",
                    by=MANAGER,
                    key=str(number),
                )
            return "granted"

        outcomes[tuple(head_on(app, close, give))] += 1
        with app.app_context():
            balance = db.session.scalar(select(Wallet.balance).filter_by(org_id=org.id, mode=settings().mode))
            assert (again(org).closed_at is None) == (balance == MICROS_PER_USD)
    assert set(outcomes) <= {("closed", "not_found"), ("org_not_empty", "granted")}


@pytest.mark.usefixtures("app_context")
def test_settings_are_checked_and_only_what_differs_is_told() -> None:
    org = make_org()
    with transaction(org=org.id):
        org_settings.change(org, {"name": "  New   name ", "slug": "new-name", "billing_address": "A 1\r\n\r\n B  2 ",
                                  "tax_id": "SE1", "timezone": "Europe/Stockholm",
                                  "billing_email": "Bills@Example.test"}, by=SYSTEM)  # fmt: skip
    row = again(org)
    assert (row.name, row.slug, row.billing_address, row.tax_id) == ("New name", "new-name", "A 1\nB 2", "SE1")
    assert (row.timezone, row.billing_email) == ("Europe/Stockholm", "bills@example.test")
    found = organizations.by_slug("new-name")
    assert found is not None
    assert found.id == org.id
    assert organizations.by_slug("acme") is None
    with transaction(org=org.id):
        org_settings.change(row, {"name": "New name", "tax_id": ""}, by=SYSTEM)
    told = db.session.scalars(select(AuditEntry).filter_by(org_id=org.id).order_by(AuditEntry.id.desc())).first()
    assert told is not None
    assert (told.action, told.before, told.after) == ("organization.changed", {"tax_id": "SE1"}, {"tax_id": None})


ODD = {
    "name": ["", " ", "a" * 101, "a\x00"],
    "slug": ["", "A", "a", "a b", "-ab", "ab-", "a--b", "ä1", "x" * 41, "ab\x00"],
    "timezone": ["", "Mars/Base", "../../etc/passwd", "\x00", "x" * 5000],
    "billing_email": ["x", "a@b", "a@b.test\nBcc: c@d.test"],
    "billing_address": ["x" * 501, "a\x00b"],
    "tax_id": ["x" * 51, "a\nb"],
}


@pytest.mark.usefixtures("app_context")
@each(("name", "value"), [(name, value) for name, values in ODD.items() for value in values])
def test_odd_settings_are_refused_at_their_field(name: str, value: str) -> None:
    org = make_org()
    with pytest.raises(Invalid) as refusal, transaction(org=org.id):
        org_settings.change(org, {name: value}, by=SYSTEM)
    assert refusal.value.field == name


def test_of_two_who_want_the_same_address_one_gets_it(app: Flask) -> None:
    with app.app_context():
        orgs = [make_org() for _ in range(2)]

    def want(org: Organization) -> Any:
        def work() -> str:
            with transaction(org=org.id):
                org_settings.change(org, {"slug": "the-one"}, by=SYSTEM)
            return "done"

        return work

    assert sorted(head_on(app, *(want(org) for org in orgs))) == ["done", "slug_taken"]
    with app.app_context():
        assert org_settings.suggestion("the-one") == "the-one-2"


@pytest.mark.usefixtures("app_context")
def test_a_key_made_for_an_organization_that_was_reopened_is_a_new_one() -> None:
    org = make_org()
    old = make_key(org, "wallet:read")
    delete(org)
    act(org, lifecycle.reopen)
    with pytest.raises(CofferError):
        keys.authenticate(old)
    assert keys.authenticate(make_key(org, "wallet:read")).org_id == org.id
    owner = db.session.get_one(User, owner_of(org).id)
    assert org.id in {entry.org.id for entry in user_organizations.listed(owner.id)}
