"""Pages tell what credit lapses, when, and why it did."""

import re
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.catalog import products
from dashboard.domain.funds import expiry, ledger
from dashboard.domain.funds.ledger import NewGrant
from dashboard.models import (
    PLATFORM_ORG_ID,
    CreditGrant,
    Organization,
    Product,
    Transaction,
    Wallet,
)
from dashboard.web.formats import day
from tests.factories import charge, make_pack, wallet_of
from tests.servers import Servers
from tests.web.people import Team, hidden, ready_team


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=10_000_000)


def wallet(team: Team) -> Wallet:
    org = db.session.get(Organization, team.org_id)
    assert org
    return wallet_of(org)


def dated(team: Team, micros: int, at: datetime) -> None:
    ledger.post(
        wallet(team), type="admin_grant", amount=micros, origin="test", key=f"{at}", by=SYSTEM,
        slices=[NewGrant("promotional", "promotion", micros, expires_at=at)],
    )  # fmt: skip


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


def test_the_balance_tells_what_lapses_next(app: Flask, team: Team) -> None:
    page = f"/o/{team.slug}/"
    assert "lapses on" not in team.owner.get(page).text
    with app.app_context():
        dated(team, 5_000_000, expiry.after_days(9))
        dated(team, 2_000_000, expiry.after_days(40))
        charge(wallet(team), 1_500_000)
    said = f"$3.50 expires on {day(clock.today() + timedelta(days=9))}"
    assert said in words(team.owner.get(page).text)
    with app.app_context():
        assert wallet(team).settled_seq == 0


def test_the_page_of_an_expiry_explains_its_slice(app: Flask, team: Team) -> None:
    last = f"{clock.today() + timedelta(days=2):%-d %B %Y} (UTC)"
    with app.app_context():
        dated(team, 5_000_000, expiry.after_days(2))
        charge(wallet(team), 1_500_000)
        with clock.at(expiry.after_days(2)):
            expiry.drain(team.org_id)
        row = db.session.scalars(select(Transaction).filter_by(org_id=team.org_id, type="expiry")).one()
        opened = db.session.scalars(select(Transaction).filter_by(org_id=team.org_id, amount=5_000_000)).one()
    text = words(team.owner.get(f"/o/{team.slug}/transactions/{row.id}").text)
    for said in ("$5.00 promotional credit came in", f"Its last day was {last}",
                 "$1.50 of it had been spent", "Credit reached its last day"):  # fmt: skip
        assert said in text, text
    text = words(team.owner.get(f"/o/{team.slug}/transactions/{opened.id}").text)
    assert f"expires after {last}" in text


def test_a_manager_grants_credit_with_a_last_day(app: Flask, team: Team) -> None:
    here, last = f"/admin/orgs/{team.org_id}/grant", clock.today() + timedelta(days=30)
    fields = {"amount": "5", "category": "promotion", "reason": "Spring", "expires_at": last.isoformat()}
    review = team.manager.post(here, fields).text
    assert f"Anything left at the end of {day(last)} (UTC)" in words(review)
    assert hidden(review, "expires_at") == last.isoformat()
    key = hidden(review, "idempotency_key")
    for _ in range(2):
        assert team.manager.post(here, fields | {"idempotency_key": key, "confirm": "1"}).status_code == 303
    with app.app_context():
        (grant,) = db.session.scalars(select(CreditGrant).filter_by(org_id=team.org_id, category="promotion")).all()
    assert grant.expires_at == expiry.end_of(last.isoformat())
    yesterday = (clock.today() - timedelta(days=1)).isoformat()
    refused = team.manager.post(here, fields | {"expires_at": yesterday})
    assert (refused.status_code, "This day is in the past" in refused.text) == (422, True)
    refused = team.manager.post(here.replace("/grant", "/remove"), fields)
    assert refused.status_code == 422


def test_buyers_read_when_a_pack_lapses(app: Flask, team: Team) -> None:
    with app.app_context():
        pack = make_pack("Season")
        with transaction(org=PLATFORM_ORG_ID):
            products.change(PLATFORM_ORG_ID, pack.product.id, by=SYSTEM, expires_days=90)
    assert "expires after 90 days" in team.owner.get(f"/o/{team.slug}/buy").text


@pytest.mark.parametrize(("typed", "kept"), [("30", 30), ("", None), (" 3650 ", 3650)])
def test_the_form_of_a_pack_takes_days(app: Flask, team: Team, typed: str, kept: int | None) -> None:
    page = team.manager.get("/admin/catalog/packs/new").text
    fields = {
        "name": "Season", "description": "", "price": "25", "credits": "25", "bonus": "1", "grant_kind": "paid",
        "min_quantity": "1", "max_quantity": "5", "key": hidden(page, "key"),
    }  # fmt: skip
    for odd in ("0", "-1", "3651", "9999", "1.5", "x"):
        assert team.manager.post("/admin/catalog/packs", fields | {"expires_days": odd}).status_code == 422, odd
    made = team.manager.post("/admin/catalog/packs", fields | {"expires_days": typed})
    assert made.status_code == 303
    with app.app_context():
        product = db.session.scalars(select(Product).filter_by(name="Season")).one()
        assert products.find(PLATFORM_ORG_ID, product.id, mode="test").version.expires_days == kept
    shown = team.manager.get(made.headers["Location"]).text
    assert f"<dt>Expires</dt><dd>{f'{kept:,} days after the purchase' if kept else 'Never'}</dd>" in shown


def test_the_bonus_of_a_pack_has_an_expiry_and_a_priority_of_its_own(app: Flask, team: Team) -> None:
    page = team.manager.get("/admin/catalog/packs/new").text
    fields = {
        "name": "Season", "description": "", "price": "25", "credits": "25", "bonus": "5", "grant_kind": "paid",
        "min_quantity": "1", "max_quantity": "5", "key": hidden(page, "key"), "expires_days": "365",
        "bonus_expires_days": "30", "bonus_priority": "7",
    }  # fmt: skip
    for name, odd in (("bonus_priority", "101"), ("bonus_priority", "-1"), ("bonus_priority", "x"),
                      ("bonus_expires_days", "0"), ("bonus_expires_days", "3651")):  # fmt: skip
        refused = team.manager.post("/admin/catalog/packs", fields | {name: odd})
        assert (refused.status_code, f'id="f-{name}-error"' in refused.text) == (422, True), (name, odd)
    made = team.manager.post("/admin/catalog/packs", fields)
    assert made.status_code == 303
    shown = words(team.manager.get(made.headers["Location"]).text)
    assert "promotional credit, priority 7, expires after 30 days" in shown
    buy = team.owner.get(f"/o/{team.slug}/buy").text
    assert "the bonus expires after 30 days" in buy
    assert "expires after 365 days" in buy
