"""The buy form's promotion codes, packs of certain quantities only, and terms that change while one chooses."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core.db import db, transaction
from dashboard.domain import rate_limits
from dashboard.domain.audit import SYSTEM
from dashboard.domain.catalog import products
from dashboard.domain.funds import wallets
from dashboard.domain.payments import fulfil
from dashboard.jobs import platform_provider
from dashboard.models import PLATFORM_ORG_ID, Payment
from tests.factories import make_pack
from tests.servers import Servers
from tests.web.people import Team, hidden, ready_team, unseen

Change = Callable[..., None]


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


@pytest.fixture
def pack(app: Flask) -> str:
    with app.app_context():
        return str(make_pack(price_minor=2_500, credits_micros=25_000_000).product.id)


def order(team: Team, pack: str, **changes: Any) -> dict[str, Any]:
    return {"product_id": pack, "quantity": "2"} | unseen(team.owner.get(f"/o/{team.slug}/buy").text) | changes


@pytest.fixture
def change(app: Flask) -> Change:
    def by_manager(pack: str, **changes: Any) -> None:
        with app.app_context(), transaction(org=PLATFORM_ORG_ID):
            products.change(PLATFORM_ORG_ID, UUID(pack), by=SYSTEM, **changes)

    return by_manager


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
        done = fulfil.confirm(payment.org_id, payment.id, provider=platform_provider())
        assert (done.state, done.total_minor, done.discount_minor) == ("credited", paid, 5_000 - paid)
        assert wallets.of_organization(team.org_id, "test").balance == 50_000_000
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


def test_a_spent_budget_of_codes_is_said_at_its_field_and_keeps_the_form(app: Flask, team: Team, pack: str) -> None:
    with app.app_context(), transaction():
        for _ in range(10):
            rate_limits.exceeded(rate_limits.PROMOTION, "org", str(team.org_id))
    fields = order(team, pack, promotion_code="DEMO20")
    answer = team.owner.post(f"/o/{team.slug}/buy", fields)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 1_800
    assert 'id="f-promotion_code-error"' in answer.text
    assert "Buy without a code, or wait. Try again in" in answer.text
    for kept in ('value="DEMO20"', 'name="quantity" type="text" value="2"'):
        assert kept in answer.text
    assert hidden(answer.text, "idempotency_key") == fields["idempotency_key"]
    assert payments(app) == []
    assert team.owner.post(f"/o/{team.slug}/buy", fields | {"promotion_code": ""}).status_code == 303


def test_a_spent_budget_of_pages_is_said_and_keeps_the_form(app: Flask, team: Team, pack: str) -> None:
    with app.app_context(), transaction():
        for _ in range(60):
            rate_limits.exceeded(rate_limits.CHECKOUT_ORG, str(team.org_id))
    fields = order(team, pack)
    answer = team.owner.post(f"/o/{team.slug}/buy", fields)
    assert (answer.status_code, "Too many payment pages" in answer.text) == (429, True)
    assert hidden(answer.text, "idempotency_key") == fields["idempotency_key"]
    assert payments(app) == []


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


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "dialog"])
def test_terms_that_changed_since_the_form_was_shown_are_not_bought(
    app: Flask, team: Team, pack: str, change: Change, htmx: bool
) -> None:
    shown = team.owner.get(f"/o/{team.slug}/buy", htmx=htmx).text
    fields = {"product_id": pack, "quantity": "2", "promotion_code": "DEMO20"} | unseen(shown)
    change(pack, price_minor=3_000)
    answer = team.owner.post(f"/o/{team.slug}/buy", fields, htmx=htmx)
    assert answer.status_code == 422
    assert ("<main" in answer.text, 'id="modal-title"' in answer.text) == (not htmx, htmx)
    for words in ("changed since the form was opened. Nothing was charged.", "<strong>$30.00</strong>", "$60.00"):
        assert words in answer.text
    for kept in (f'value="{pack}" checked', 'name="quantity" type="text" value="2"', 'value="DEMO20"'):
        assert kept in answer.text
    assert payments(app) == []
    again = fields | unseen(answer.text)
    assert team.owner.post(f"/o/{team.slug}/buy", again, htmx=htmx).status_code < 400
    assert [payment.amount_minor for payment in payments(app)] == [6_000]


def test_another_pack_that_changed_keeps_nobody_from_buying(app: Flask, team: Team, pack: str, change: Change) -> None:
    with app.app_context():
        other = str(make_pack("Other").product.id)
    fields = order(team, pack)
    change(other, price_minor=3_000)
    assert team.owner.post(f"/o/{team.slug}/buy", fields).status_code == 303


def test_new_words_are_no_new_terms(app: Flask, team: Team, pack: str, change: Change) -> None:
    fields = order(team, pack)
    change(pack, name="Begin")
    assert team.owner.post(f"/o/{team.slug}/buy", fields).status_code == 303


@pytest.mark.parametrize("version", [None, "", "x", "00000000-0000-0000-0000-000000000000"])
def test_a_form_that_showed_no_terms_buys_nothing(app: Flask, team: Team, pack: str, version: str | None) -> None:
    fields = order(team, pack) | {"version_id": version}
    if version is None:
        del fields["version_id"]
    assert team.owner.post(f"/o/{team.slug}/buy", fields).status_code == 422
    assert payments(app) == []


def test_a_spent_form_does_not_buy_other_terms(app: Flask, team: Team, pack: str, change: Change) -> None:
    """A buyer who accepts new terms in a form that had bought the old ones is asked again."""
    fields = order(team, pack)
    assert team.owner.post(f"/o/{team.slug}/buy", fields).status_code == 303
    change(pack, price_minor=3_000)
    refused = team.owner.post(f"/o/{team.slug}/buy", fields)
    asked = team.owner.post(f"/o/{team.slug}/buy", fields | unseen(refused.text))
    assert (asked.status_code, "sent before with another choice" in asked.text) == (422, True)
    assert len(payments(app)) == 1


@pytest.mark.parametrize("quantity", ["1", "6", "100"])
def test_a_pack_says_how_many_are_sold_at_once(
    app: Flask, team: Team, pack: str, change: Change, quantity: str
) -> None:
    with app.app_context():
        found = make_pack("Small", price_minor=500, credits_micros=5_000_000).product.id
    change(str(found), min_quantity=2, max_quantity=5)
    page = team.owner.get(f"/o/{team.slug}/buy").text
    assert "2 to 5 at once" in page
    assert 'name="quantity" type="text" value="2"' in page
    answer = team.owner.post(f"/o/{team.slug}/buy", order(team, str(found), quantity=quantity))
    assert (answer.status_code, "Enter a whole number from 2 to 5." in answer.text) == (422, True)
    assert payments(app) == []


@pytest.mark.parametrize(
    ("code", "quantity", "shown"),
    [
        ("demo20", "2", ["$50.00 − $10.00", "(DEMO20) =", ">$40.00<"]),
        ("FREE", "1", ["$25.00 − $25.00", ">$0.00<"]),
        ("NEVER", "2", [">$50.00<", "This code is unknown, has expired or was used up."]),
        ("<b>", "2", [">$50.00<", "This code is unknown"]),
    ],
)
def test_the_preview_shows_the_price_after_a_code(
    app: Flask, team: Team, pack: str, code: str, quantity: str, shown: list[str]
) -> None:
    fields = order(team, pack, quantity=quantity, promotion_code=code)
    for _ in range(12):  # each refused look-up counts; choosing on does not look up again
        answer = team.owner.post(f"/o/{team.slug}/buy/preview", fields, htmx=True)
    for text in shown:
        assert text in re.sub(r"</?span[^>]*>", "", answer.text)
    update = team.owner.post(f"/o/{team.slug}/buy", fields | {"update": "1"})
    refused = ">$50.00<" in shown
    assert (update.status_code, 'id="f-promotion_code-error"' in update.text) == (422 if refused else 200, refused)
    assert payments(app) == []


def test_where_only_the_provider_can_tell_the_price_is_before_any_discount(team: Team, app: Flask) -> None:
    with app.app_context():
        odd = str(make_pack("Odd", price_minor=1_001, credits_micros=10_010_000).product.id)
    fields = order(team, odd, quantity="1", promotion_code="DEMO20")
    page = team.owner.post(f"/o/{team.slug}/buy/preview", fields, htmx=True).text
    assert "before any discount" in page


def test_packs_are_sorted_by_price_and_compared(app: Flask, team: Team, pack: str) -> None:
    with app.app_context():
        large = make_pack("Large", price_minor=10_000, credits_micros=100_000_000, bonus_micros=5_000_000).product.id
    page = team.owner.get(f"/o/{team.slug}/buy").text
    assert re.findall(r"<strong>(\$[0-9.]+)</strong><small>", page) == ["$10.00", "$25.00", "$100.00"]
    assert "+$5.00 bonus (+5%)" in page
    bought = team.owner.post(f"/o/{team.slug}/buy", order(team, str(large), quantity="1")).location
    assert team.owner.post(bought, {"outcome": "pay"}).status_code == 303
    payment = payments(app)[0]
    with app.app_context():
        fulfil.confirm(payment.org_id, payment.id, provider=platform_provider())
    assert re.search(rf'value="{large}" checked', team.owner.get(f"/o/{team.slug}/buy").text)
