"""Our prices at Stripe, and promotion codes: what is sent, what is read, what is found again."""

import dataclasses
from uuid import uuid4

import pytest

from dashboard.providers.base import PriceOrder, PromotionRefused, ProviderRefused, ProviderUnavailable
from dashboard.providers.dummy import DummyProvider
from dashboard.providers.stripe import StripeProvider
from tests.providers.test_stripe import order, provider_with, raised_by
from tests.stripe_fake import endpoints
from tests.stripe_fake.model import Call
from tests.stripe_fake.state import Fake


@pytest.fixture
def fake():
    made = Fake()
    yield made
    assert made.complaints == []


@pytest.fixture
def provider(fake: Fake) -> StripeProvider:
    return provider_with(fake, "sk_test_catalog")


def wanted(**changes: object) -> PriceOrder:
    version_id = uuid4()
    made = PriceOrder(
        org_id=uuid4(), product_id=uuid4(), version_id=version_id, mode="test", name="Starter", description="A start",
        unit_amount_minor=2_500, currency="usd", lookup_key=f"coffer_{version_id.hex}",
        idempotency_key=f"price:{version_id}",
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def promotion(fake: Fake, code: str, *, percent: int = 20, **more: object) -> str:
    coupon = made(fake, "/v1/coupons", {"percent_off": percent, "duration": "once"})
    return made(fake, "/v1/promotion_codes", {"promotion": {"type": "coupon", "coupon": coupon}, "code": code, **more})


def made(fake: Fake, path: str, params: dict[str, object]) -> str:
    return str(endpoints.run(fake, fake.account(), Call("POST", path, params, None, "test", None))["id"])


def test_a_price_is_made_with_its_product_and_found_again(fake: Fake, provider: StripeProvider):
    asked = wanted()
    assert provider.find_price(asked.lookup_key) is None
    made = provider.make_price(asked)
    assert (made.unit_amount_minor, made.currency, made.active) == (2_500, "usd", True)
    assert (made.product_name, made.product_description) == ("Starter", "A start")
    assert made.product_id == f"coffer_{asked.product_id.hex}"
    assert made.version_id == str(asked.version_id)
    assert provider.find_price(asked.lookup_key) == made == provider.read_price(made.id)
    sent = fake.calls[1]
    assert (sent.path, sent.params["metadata"]["org_id"]) == ("/v1/products", str(asked.org_id))


def test_making_a_price_again_makes_no_second_one(fake: Fake, provider: StripeProvider):
    asked = wanted()
    assert provider.make_price(asked).id == provider.make_price(asked).id
    assert len(fake.account().newest("product")) == len(fake.account().newest("price")) == 1


def test_a_second_version_shares_the_product_and_a_new_name_is_told(provider: StripeProvider):
    first = provider.make_price(asked := wanted())
    version_id = uuid4()
    second = provider.make_price(
        dataclasses.replace(asked, version_id=version_id, lookup_key=f"coffer_{version_id.hex}", idempotency_key="2")
    )
    assert second.product_id == first.product_id
    provider.name_product(first.product_id, name="Begin", description="")
    assert (provider.read_price(first.id).product_name, provider.read_price(second.id).product_description) == (
        "Begin",
        "",
    )


def test_a_price_ends_and_comes_back(provider: StripeProvider):
    made = provider.make_price(asked := wanted())
    assert provider.switch_price(made.id, active=False).active is False
    found = provider.find_price(asked.lookup_key)
    assert found is not None
    assert found.active is False
    assert provider.switch_price(made.id, active=True).active is True


def test_an_archived_product_is_seen_at_its_price_and_comes_back(fake: Fake, provider: StripeProvider):
    made = provider.make_price(wanted())
    provider.switch_product(made.product_id, active=False)
    seen = provider.read_price(made.id)
    assert (seen.active, seen.product_active) == (True, False)
    assert isinstance(raised_by(lambda: provider.open_checkout(order(price_id=made.id))), ProviderRefused)
    provider.switch_product(made.product_id, active=True)
    assert provider.open_checkout(order(price_id=made.id)).url


def test_a_replacement_takes_the_lookup_key(provider: StripeProvider):
    first = provider.make_price(asked := wanted())
    second = provider.make_price(dataclasses.replace(asked, idempotency_key="again"))
    assert second.id != first.id
    assert provider.find_price(asked.lookup_key) == second


@pytest.mark.parametrize("kind", ["timeout", "reset", "broken"])
def test_a_lost_answer_leaves_one_price(fake: Fake, provider: StripeProvider, kind: str):
    asked = wanted()
    fake.inject(kind, path="/v1/prices", method="POST", executed=True, times=2, seconds=0)
    assert isinstance(raised_by(lambda: provider.make_price(asked)), ProviderUnavailable)
    fake.faults.clear()
    assert provider.make_price(asked) == provider.find_price(asked.lookup_key)
    assert len(fake.account().newest("price")) == 1


def test_a_promotion_code_is_found_in_any_case(fake: Fake, provider: StripeProvider):
    made = promotion(fake, "LAUNCH20")
    assert provider.find_promotion("launch20").id == made


@pytest.mark.parametrize(
    "more",
    [{"expires_at": 1_000_000_000}, {"active": False}, {"customer": "cus_1"}, None],
    ids=["expired", "off", "another's", "unknown"],
)
def test_a_code_that_does_not_work_is_refused(fake: Fake, provider: StripeProvider, more: dict | None):
    if more is not None:
        promotion(fake, "LAUNCH20", **more)
    error = raised_by(lambda: provider.find_promotion("LAUNCH20"))
    assert isinstance(error, PromotionRefused)
    assert "unknown, has expired or was used up" in error.detail


def test_a_used_up_code_is_refused_also_by_the_page(fake: Fake, provider: StripeProvider):
    found = promotion(fake, "ONCE", max_redemptions=1)
    fake.pay(provider.open_checkout(order(promotion_id=found)).id)
    for act in (lambda: provider.find_promotion("ONCE"), lambda: provider.open_checkout(order(promotion_id=found))):
        assert isinstance(raised_by(act), PromotionRefused)
    assert isinstance(raised_by(lambda: provider.open_checkout(order(promotion_id="promo_never"))), PromotionRefused)


def test_a_discounted_session_tells_what_was_taken_off(fake: Fake, provider: StripeProvider):
    session = provider.open_checkout(order(promotion_id=promotion(fake, "LAUNCH20")))
    fake.pay(session.id)
    paid = provider.read_checkout(session.id)
    assert (paid.amount_subtotal, paid.amount_discount, paid.amount_total) == (2_000, 400, 1_600)
    assert paid.payment_status == "paid"


def test_a_free_order_needs_no_payment(fake: Fake, provider: StripeProvider):
    session = provider.open_checkout(order(promotion_id=promotion(fake, "FREE", percent=100)))
    fake.pay(session.id)
    paid = provider.read_checkout(session.id)
    assert (paid.amount_total, paid.payment_status, paid.payment_intent_id) == (0, "no_payment_required", None)


def test_the_dummy_provider_knows_two_codes_and_keeps_no_prices():
    provider = DummyProvider("secret")
    assert [provider.find_promotion(code).id for code in ("demo20", "FREE")] == ["DEMO20", "FREE"]
    with pytest.raises(PromotionRefused):
        provider.find_promotion("LAUNCH20")
    assert not provider.keeps_prices
    assert provider.find_price("any") is None
    with pytest.raises(ProviderRefused):
        provider.make_price(wanted())
