"""The demo where Stripe is configured: it starts whatever the key is worth, and says where nothing can be bought."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe
from flask import Flask

from dashboard import providers
from dashboard.cli import demo
from dashboard.core.db import db
from dashboard.models import Payment
from dashboard.providers.stripe import StripeProvider
from tests.stripe_fake.client import FakeClient
from tests.stripe_fake.state import Fake
from tests.web.people import token_in

KEY = "sk_test_of_the_demo"


class Refused(FakeClient):
    """No way out."""

    def request(self, *_: Any, **__: Any) -> Any:
        raise stripe.APIConnectionError("Connection refused", should_retry=False)


def signed_in(app: Flask, name: str) -> Any:
    client = app.test_client()
    form = {"email": f"{name}@demo.test", "password": demo.PASSWORD, "csrf_token": token_in(client.get("/login").text)}
    assert client.post("/login", data=form).status_code == 303
    return client


@pytest.mark.slow
def test_the_demo_starts_with_stripe_and_says_where_nothing_can_be_bought(make_app: Callable[..., Flask]) -> None:
    app = make_app(payment={"stripe": {"api_key": KEY, "webhook_secret": "whsec_x"}})

    def use(fake: Fake, client: type[FakeClient] = FakeClient, key: str = KEY) -> None:
        app.extensions[providers.EXTENSION] = StripeProvider(api_key=key, http_client=client(fake))

    use(Fake(), Refused)
    with app.app_context():
        assert demo.seed("test") == "The demo is ready."
        assert {row.provider for row in db.session.query(Payment)} == {"dummy"}
    owner, manager = signed_in(app, "owner"), signed_in(app, "manager")
    wrong = Fake()
    wrong.revoked_keys.add("sk_test_wrong")
    for fake, client, key, reason in (
        (Fake(), Refused, KEY, "Stripe did not answer."),
        (wrong, FakeClient, "sk_test_wrong", "Stripe does not accept the API key."),
    ):  # fmt: skip
        use(fake, client, key)
        page = owner.get("/o/demo/buy").text
        assert "Buying credits is not available now" in page
        assert reason not in page
        for place in ("/admin/catalog/packs", "/admin/system"):
            assert reason in manager.get(place).text
    use(Fake())
    assert "not available now" not in owner.get("/o/demo/buy").text
    assert "Nothing can be bought now" not in manager.get("/admin/catalog/packs").text
    assert owner.get("/o/demo/payments").status_code == 200


def test_no_demo_is_made_with_live_keys(make_app: Callable[..., Flask]) -> None:
    """Its passwords are public."""
    app = make_app(payment={"stripe": {"api_key": "sk_live_x", "webhook_secret": "whsec_x"}})
    with app.app_context():
        assert "users create" in demo.seed("live")
        assert db.session.query(Payment).count() == 0
