"""Promotion codes on the buy form, and packs that are sold in certain quantities only."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.catalog import products
from dashboard.domain.identity import organizations
from dashboard.domain.payments import fulfil
from dashboard.models import PLATFORM_ORG_ID, Payment
from dashboard.providers import current
from tests.factories import make_pack
from tests.web.people import Team, hidden, make_team


@pytest.fixture
def team(app: Flask) -> Team:
    return make_team(app)


@pytest.fixture
def pack(app: Flask) -> str:
    with app.app_context():
        return str(make_pack(price_minor=2_500, credits_micros=25_000_000).product.id)


def order(team: Team, pack: str, **changes: Any) -> dict[str, Any]:
    key = hidden(team.owner.get(f"/o/{team.slug}/buy").text, "idempotency_key")
    return {"product_id": pack, "quantity": "2", "idempotency_key": key} | changes


def payments(app: Flask) -> list[Payment]:
    with app.app_context():
        return list(db.session.scalars(select(Payment).order_by(Payment.id)))


@pytest.mark.parametrize(("code", "paid"), [("demo20", 4_000), ("FREE", 0)])
def test_a_code_takes_off_and_the_full_grant_is_credited(
    app: Flask, team: Team, pack: str, code: str, paid: int
) -> None:
    hosted = team.owner.post(f"/o/{team.slug}/buy", order(team, pack, promotion_code=code)).location
    page = team.owner.get(hosted).text
    assert f"Code {code.upper()}" in page
    assert ("Complete order" in page) == (paid == 0)
    assert team.owner.post(hosted, {"outcome": "pay"}).status_code == 303
    payment = payments(app)[0]
    with app.app_context():
        done = fulfil.confirm(payment.org_id, payment.id, provider=current())
        assert (done.state, done.total_minor, done.discount_minor) == ("credited", paid, 5_000 - paid)
        assert organizations.wallet(team.org_id, "test").balance == 50_000_000
    shown = team.owner.get(f"/o/{team.slug}/buy/return?payment={payment.id}").text
    assert "Discount" in shown


@pytest.mark.parametrize("code", ["NEVER", "no such code", "<b>", "\x00"])
def test_a_code_that_does_not_work_is_said_at_its_field(app: Flask, team: Team, pack: str, code: str) -> None:
    fields = order(team, pack, promotion_code=code)
    answer = team.owner.post(f"/o/{team.slug}/buy", fields)
    assert answer.status_code == 422
    assert 'id="f-promotion_code-error"' in answer.text
    assert 'name="quantity" type="text" value="2"' in answer.text
    assert payments(app) == []
    again = fields | {"promotion_code": "DEMO20", "idempotency_key": hidden(answer.text, "idempotency_key")}
    assert team.owner.post(f"/o/{team.slug}/buy", again).status_code == 303


def test_two_codes_are_no_answer(app: Flask, team: Team, pack: str) -> None:
    fields = order(team, pack, promotion_code=["DEMO20", "FREE"])
    assert team.owner.post(f"/o/{team.slug}/buy", fields).status_code == 422
    assert payments(app) == []


def test_one_form_with_another_code_is_another_purchase(app: Flask, team: Team, pack: str) -> None:
    fields = order(team, pack, promotion_code="DEMO20")
    assert team.owner.post(f"/o/{team.slug}/buy", fields).status_code == 303
    assert team.owner.post(f"/o/{team.slug}/buy", fields | {"promotion_code": "demo20"}).status_code == 303
    assert team.owner.post(f"/o/{team.slug}/buy", fields | {"promotion_code": "FREE"}).status_code == 422
    assert len(payments(app)) == 1


@pytest.mark.parametrize("quantity", ["1", "6", "100"])
def test_a_pack_says_how_many_are_sold_at_once(app: Flask, team: Team, pack: str, quantity: str) -> None:
    with app.app_context(), transaction(org=PLATFORM_ORG_ID):
        found = products.on_sale(PLATFORM_ORG_ID)[0].product.id
        products.change(PLATFORM_ORG_ID, found, by=SYSTEM, min_quantity=2, max_quantity=5)
    page = team.owner.get(f"/o/{team.slug}/buy").text
    assert "2 to 5 at once" in page
    assert 'name="quantity" type="text" value="2"' in page
    answer = team.owner.post(f"/o/{team.slug}/buy", order(team, pack, quantity=quantity))
    assert (answer.status_code, "Enter a whole number from 2 to 5." in answer.text) == (422, True)
    assert payments(app) == []
