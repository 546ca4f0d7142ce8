"""The form that buys credits: what it offers, what it refuses, and that one form opens one payment page."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.datastructures import MultiDict

from dashboard import providers
from dashboard.core import clock, ids
from dashboard.core.db import db, transaction
from dashboard.domain.payments import fulfil
from dashboard.jobs import platform_provider
from dashboard.models import DummySession, Organization, Payment, Product, Transaction
from dashboard.providers.base import (
    CheckoutOrder,
    CheckoutSession,
    Price,
    ProviderBusy,
    ProviderRefused,
    ProviderUnavailable,
)
from dashboard.providers.dummy import DummyProvider
from tests.each import each
from tests.factories import charge, grant, make_pack, wallet_of
from tests.servers import Servers
from tests.web.people import Team, hidden, make_team, ready_team, unseen

BAD_QUANTITIES = [
    "", " ", "0", "-1", "-0", "+1", "101", "1000", "NaN", "Infinity", "-Infinity", "1e1", "1e3", "1e-30", "1E+999999",
    "9223372036854775808", "1_0", "１０", "0.1+0.2", "1,0", "1.0", "1 0", "0x10", "01", "1\n", "\t1", "١", "five",
    "1" * 5_000, "\x00", "1;2", "½",
]  # fmt: skip


class AwayProvider(DummyProvider):
    """A provider that does not answer."""

    def open_checkout(self, order: CheckoutOrder) -> CheckoutSession:
        raise ProviderUnavailable("time-out")


class CrowdedProvider(DummyProvider):
    """A provider that too many wait for."""

    def flow(self) -> AbstractContextManager[None]:
        raise ProviderBusy("crowded")


class SilentStripe(DummyProvider):
    """Stripe, as far as its name goes, while it does not answer."""

    name = "stripe"

    def read_price(self, price_id: str) -> Price:
        raise ProviderUnavailable("time-out")


class RefusingProvider(DummyProvider):
    def open_checkout(self, order: CheckoutOrder) -> CheckoutSession:
        raise ProviderRefused("account sk_test_hidden is restricted")


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=10_000_000)


@pytest.fixture
def pack(app: Flask) -> str:
    with app.app_context():
        return str(
            make_pack("Starter", price_minor=2_500, credits_micros=25_000_000, bonus_micros=1_000_000).product.id
        )


@pytest.fixture
def swap(app: Flask) -> Iterator[Any]:
    def put(kind: type[DummyProvider]) -> None:
        app.extensions[providers.EXTENSION] = kind("secret")

    yield put
    app.extensions.pop(providers.EXTENSION, None)


def order(team: Team, pack: str, **changes: Any) -> dict[str, Any]:
    return {"product_id": pack, "quantity": "2"} | unseen(team.owner.get(f"/o/{team.slug}/buy").text) | changes


def preview(team: Team, pack: str, quantity: str) -> str:
    return team.owner.post(f"/o/{team.slug}/buy/preview", order(team, pack, quantity=quantity), htmx=True).text


def rows(app: Flask, model: type) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def one_payment(app: Flask) -> Payment:
    with app.app_context():
        return db.session.scalars(select(Payment)).one()


def test_the_form_shows_packs_and_what_they_make_of_the_balance(team: Team, pack: str) -> None:
    page = team.owner.get(f"/o/{team.slug}/buy?product_id={pack}").text
    assert "Starter" in page
    assert "$25.00" in page
    assert "+$1.00 bonus" in page
    assert "Mini" in page
    assert "$36.00" in page
    assert 'name="promotion_code"' in page


def test_htmx_gets_the_form_alone_for_the_dialog(team: Team, pack: str) -> None:
    fragment = team.owner.get(f"/o/{team.slug}/buy", htmx=True).text
    assert fragment.lstrip().startswith("<form")
    assert 'id="modal-title"' in fragment


def test_the_preview_follows_the_choice_and_asks_for_nothing_else(team: Team, pack: str) -> None:
    answer = preview(team, pack, "3")
    assert "$88.00" in answer
    assert 'id="buy-after"' in answer
    assert "$10.00" in preview(team, pack, "x")


def test_the_preview_says_how_long_it_lasts(app: Flask, pack: str) -> None:
    team = make_team(app)
    with app.app_context():
        wallet = wallet_of(db.session.get_one(Organization, team.org_id))
        for days_ago in range(8, 0, -1):
            with clock.at(clock.now() - timedelta(days=days_ago)):
                if days_ago == 8:
                    grant(wallet, 10_000_000)
                charge(wallet, 1_000_000)
    assert "Lasts about 28 days, until" in preview(team, pack, "1")
    page = team.owner.get(f"/o/{team.slug}/buy").text
    assert "About 26 days at your pace" in page


def test_update_without_script_shows_the_new_balance_and_buys_nothing(app: Flask, team: Team, pack: str) -> None:
    fields = order(team, pack, quantity="3", update="1")
    page = team.owner.post(f"/o/{team.slug}/buy", fields)
    assert page.status_code == 200
    assert "$88.00" in page.text
    assert hidden(page.text, "idempotency_key") == fields["idempotency_key"]
    assert rows(app, Payment) == 0


def test_buying_leads_to_the_payment_page_and_credits_nothing(app: Flask, team: Team, pack: str) -> None:
    before = rows(app, Transaction)
    answer = team.owner.post(f"/o/{team.slug}/buy", order(team, pack))
    assert answer.status_code == 303
    payment = one_payment(app)
    assert answer.headers["Location"] == payment.session_url
    assert (payment.state, payment.amount_minor, payment.grant_micros) == ("pending", 5_000, 50_000_000)
    back = urlsplit(payment.success_url)
    assert back.path == f"/o/{team.slug}/buy/return"
    assert parse_qs(back.query) == {"payment": [str(payment.id)], "session": ["{CHECKOUT_SESSION_ID}"]}
    assert payment.cancel_url.endswith(f"?payment={payment.id}&cancelled=1")
    assert rows(app, Transaction) == before


def test_htmx_is_sent_to_the_payment_page_by_header(app: Flask, team: Team, pack: str) -> None:
    answer = team.owner.post(f"/o/{team.slug}/buy", order(team, pack), htmx=True)
    assert answer.headers["HX-Redirect"] == one_payment(app).session_url


def test_the_same_form_twice_opens_one_session(app: Flask, team: Team, pack: str) -> None:
    fields = order(team, pack)
    places = {team.owner.post(f"/o/{team.slug}/buy", fields).headers["Location"] for _ in range(2)}
    assert len(places) == 1
    assert (rows(app, Payment), rows(app, DummySession)) == (1, 1)


def test_the_same_form_in_parallel_opens_one_session(app: Flask, team: Team, pack: str) -> None:
    fields = order(team, pack)
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(team.owner.post, f"/o/{team.slug}/buy", fields) for _ in range(4)]
    assert {answer.result().status_code for answer in sent} == {303}
    assert len({answer.result().headers["Location"] for answer in sent}) == 1
    assert (rows(app, Payment), rows(app, DummySession)) == (1, 1)


def test_a_spent_form_with_another_choice_is_asked_again(app: Flask, team: Team, pack: str) -> None:
    fields = order(team, pack)
    team.owner.post(f"/o/{team.slug}/buy", fields)
    answer = team.owner.post(f"/o/{team.slug}/buy", fields | {"quantity": "5"})
    assert answer.status_code == 422
    assert "sent before with another choice" in answer.text
    assert hidden(answer.text, "idempotency_key") != fields["idempotency_key"]
    assert rows(app, Payment) == 1


@each("quantity", BAD_QUANTITIES)
def test_an_odd_quantity_is_refused_in_place(app: Flask, team: Team, pack: str, quantity: str) -> None:
    fields = order(team, pack, quantity=quantity)
    answer = team.owner.post(f"/o/{team.slug}/buy", fields)
    assert answer.status_code == 422
    assert "Enter a whole number from 1 to 100." in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert hidden(answer.text, "idempotency_key") == fields["idempotency_key"]
    assert rows(app, Payment) == 0


def test_every_quantity_of_the_range_is_taken(team: Team, pack: str) -> None:
    for quantity in ("1", "100", " 7 "):
        assert team.owner.post(f"/o/{team.slug}/buy", order(team, pack, quantity=quantity)).status_code == 303


@pytest.mark.parametrize("name", ["quantity", "product_id", "idempotency_key"])
def test_two_fields_of_one_name_are_no_answer(app: Flask, team: Team, pack: str, name: str) -> None:
    fields = order(team, pack)
    doubled = MultiDict({**fields, name: [fields[name], fields[name]]})
    answer = team.owner.post(f"/o/{team.slug}/buy", doubled.to_dict(flat=False))
    assert answer.status_code == 422
    assert rows(app, Payment) == 0


@pytest.mark.parametrize("product", ["", "x", "00000000-0000-0000-0000-000000000000", "' OR 1=1"])
def test_only_packs_on_sale_can_be_bought(app: Flask, team: Team, pack: str, product: str) -> None:
    answer = team.owner.post(f"/o/{team.slug}/buy", order(team, pack, product_id=product))
    assert answer.status_code == 422
    assert "Choose a credit pack that is on sale." in answer.text
    assert rows(app, Payment) == 0


def test_an_archived_pack_is_not_sold(app: Flask, team: Team, pack: str) -> None:
    fields = order(team, pack)
    with app.app_context():
        product = db.session.scalars(select(Product).where(Product.id == ids.parse(pack))).one()
        with transaction(product.org_id):
            product.active = False
    assert team.owner.post(f"/o/{team.slug}/buy", fields).status_code == 422
    assert rows(app, Payment) == 0


@pytest.mark.parametrize("key", ["", "x" * 300, "none of ours"])
def test_a_form_without_its_key_buys_nothing(app: Flask, team: Team, pack: str, key: str) -> None:
    answer = team.owner.post(f"/o/{team.slug}/buy", order(team, pack, idempotency_key=key))
    assert answer.status_code == 422
    assert "Nothing was charged" in answer.text
    assert rows(app, Payment) == 0


def test_a_provider_that_is_away_is_said_with_a_fresh_key(app: Flask, team: Team, pack: str, swap: Any) -> None:
    fields = order(team, pack)
    swap(AwayProvider)
    answer = team.owner.post(f"/o/{team.slug}/buy", fields)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "The payment page is not available. Nothing was charged." in answer.text
    assert hidden(answer.text, "idempotency_key") != fields["idempotency_key"]
    assert one_payment(app).state == "unknown"
    swap(DummyProvider)
    again = fields | {"idempotency_key": hidden(answer.text, "idempotency_key")}
    assert team.owner.post(f"/o/{team.slug}/buy", again).status_code == 303


@pytest.mark.parametrize(("htmx", "status"), [(False, 503), (True, 422)], ids=["page", "dialog"])
def test_a_crowded_provider_keeps_the_form_and_its_key(
    app: Flask, team: Team, pack: str, swap: Any, htmx: bool, status: int
) -> None:
    fields = order(team, pack, promotion_code="DEMO20")
    swap(CrowdedProvider)
    answer = team.owner.post(f"/o/{team.slug}/buy", fields, htmx=htmx)
    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "5")
    assert "others wait for it. Nothing was charged. Try again in a few seconds." in answer.text
    for kept in (f'value="{pack}" checked', 'name="quantity" type="text" value="2"', 'value="DEMO20"'):
        assert kept in answer.text
    assert hidden(answer.text, "idempotency_key") == fields["idempotency_key"]
    assert rows(app, Payment) == 0
    swap(DummyProvider)
    assert team.owner.post(f"/o/{team.slug}/buy", fields).status_code == 303


def test_a_refusal_of_the_provider_tells_nothing_of_the_account(team: Team, pack: str, swap: Any) -> None:
    fields = order(team, pack)
    swap(RefusingProvider)
    answer = team.owner.post(f"/o/{team.slug}/buy", fields)
    assert answer.status_code == 422
    assert "refused to open a payment page. Nothing was charged." in answer.text
    assert "sk_test_hidden" not in answer.text


def test_an_empty_catalog_says_who_fills_it(app: Flask, team: Team) -> None:
    team.owner.get(f"/o/{team.slug}/buy")
    with app.app_context():
        for product in db.session.scalars(select(Product)):
            with transaction(product.org_id):
                product.active = False
    page = team.owner.get(f"/o/{team.slug}/buy")
    assert page.status_code == 200
    assert "No credit packs are on sale" in page.text
    assert "A platform manager adds packs" in page.text


def test_a_self_funded_organization_buys_nothing_at_the_platforms_account(app: Flask, team: Team, pack: str) -> None:
    fields = order(team, pack)
    with app.app_context(), transaction(team.org_id):
        db.session.get_one(Organization, team.org_id).funding = "own"
    assert "a payment account of its own" in team.owner.get(f"/o/{team.slug}/buy").text
    answer = team.owner.post(f"/o/{team.slug}/buy", fields)
    assert answer.status_code == 422
    assert "a payment account of its own" in answer.text
    assert rows(app, Payment) == 0
    assert "Self-funded" in team.manager.get(f"/admin/orgs/{team.org_id}").text
    assert "Self-funded" in team.manager.get("/admin/orgs").text


def test_a_suspended_organization_reads_but_does_not_buy(app: Flask, team: Team, pack: str) -> None:
    fields = order(team, pack)
    with app.app_context():
        org = db.session.get_one(Organization, team.org_id)
        with transaction(org.id):
            org.suspended_at = clock.now()
    assert "This organization is suspended" in team.owner.get(f"/o/{team.slug}/buy").text
    assert team.owner.post(f"/o/{team.slug}/buy", fields).status_code == 403
    assert rows(app, Payment) == 0


def test_strangers_and_wrong_roles_buy_nothing(app: Flask, team: Team, pack: str) -> None:
    fields = order(team, pack)
    for person, status in ((team.stranger, 404), (team.member, 403), (team.viewer, 403), (team.manager, 403)):
        assert person.get(f"/o/{team.slug}/buy").status_code == status
        assert person.post(f"/o/{team.slug}/buy/preview", fields).status_code == status
        assert person.post(f"/o/{team.slug}/buy", fields).status_code == status
    assert app.test_client().get(f"/o/{team.slug}/buy").headers["Location"].startswith("/login?next=")
    assert rows(app, Payment) == 0


def test_a_form_of_another_site_buys_nothing(app: Flask, team: Team, pack: str) -> None:
    assert team.owner.client.post(f"/o/{team.slug}/buy", data=order(team, pack)).status_code == 403
    assert rows(app, Payment) == 0


def test_a_form_whose_payment_ended_leads_to_what_became_of_it(app: Flask, team: Team, pack: str) -> None:
    fields = order(team, pack)
    team.owner.post(f"/o/{team.slug}/buy", fields)
    payment = one_payment(app)
    with app.app_context():
        provider = platform_provider()
        assert isinstance(provider, DummyProvider)
        provider.decide(payment.session_id or "", "paid")
        fulfil.confirm(payment.org_id, payment.id, provider=provider)
    answer = team.owner.post(f"/o/{team.slug}/buy", fields)
    assert answer.headers["Location"] == f"/o/{team.slug}/buy/return?payment={payment.id}"
    assert (rows(app, Payment), rows(app, DummySession)) == (1, 1)


def test_a_catalog_that_cannot_be_completed_still_sells(make_app: Callable[..., Flask]) -> None:
    stripe = {"api_key": "sk_test_x", "webhook_secret": "whsec_x", "price_id": "price_x"}
    app = make_app(payment={"provider": "stripe", "stripe": stripe})
    app.extensions[providers.EXTENSION] = SilentStripe("secret")
    team = make_team(app)
    with app.app_context():
        make_pack("Starter")
    page = team.owner.get(f"/o/{team.slug}/buy")
    assert page.status_code == 200
    assert "Starter" in page.text
    assert "The payment provider does not answer now" in page.text
    assert "moves no money" not in page.text


def test_buying_does_not_need_the_queue(make_app: Callable[..., Flask]) -> None:
    app = make_app(redis_url="redis://127.0.0.1:1/0")
    team = make_team(app)
    with app.app_context():
        chosen = str(make_pack().product.id)
    assert team.owner.post(f"/o/{team.slug}/buy", order(team, chosen)).status_code == 303
    payment = one_payment(app)
    checked = team.owner.post(f"/o/{team.slug}/buy/return/check", {"payment": str(payment.id)})
    assert checked.status_code == 303
    assert team.owner.get(checked.headers["Location"]).status_code == 200


def test_a_refusal_names_who_can_help_and_keeps_the_navigation(team: Team) -> None:
    page = team.member.get(f"/o/{team.slug}/buy").text
    assert "Only owners and admins can do this. Ask Olga Owner (owner) or Admin Person (admin)." in page
    assert f'href="/o/{team.slug}/members">See members' in page
    for address in (f"/o/{team.slug}/nowhere", f"/o/{team.slug}/transactions/1"):
        answer = team.member.get(address)
        assert (answer.status_code, f'href="/o/{team.slug}/transactions"' in answer.text) == (404, True), address
    stranger = team.stranger.get(f"/o/{team.slug}/nowhere").text
    assert 'href="/account/security"' in stranger
    assert "Acme" not in stranger


def test_a_managers_look_keeps_the_platforms_strip_and_a_way_back(team: Team) -> None:
    page = team.manager.get(f"/o/{team.slug}/").text
    assert '<body class="platform"' in page
    assert f'<a href="/admin/orgs/{team.org_id}">Back to Acme (platform)</a>' in page
