"""The catalog's pages: what they show, what they refuse, who may, and two managers at one pack."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard import providers
from dashboard.core import ids
from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.catalog import products, sync
from dashboard.domain.catalog.products import Offer
from dashboard.jobs import platform_provider
from dashboard.models import PLATFORM_ORG_ID, Organization, Product
from dashboard.providers.stripe import StripeProvider
from tests.each import each
from tests.factories import make_pack
from tests.servers import Servers
from tests.stripe_fake.client import FakeClient
from tests.stripe_fake.state import Fake
from tests.web.people import Person, Team, hidden, ready_team

LIST = "/admin/catalog/packs"
GOOD = {
    "name": "Starter", "description": "A start", "price": "25", "credits": "25.5", "bonus": "", "grant_kind": "paid",
    "min_quantity": "1", "max_quantity": "100",
}  # fmt: skip
WRITES = ("", "/{id}/edit", "/{id}/move", "/{id}/archive", "/{id}/restore", "/{id}/price")


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


@pytest.fixture
def pack(app: Flask) -> UUID:
    with app.app_context():
        return make_pack().product.id


@pytest.fixture
def stripe(app: Flask) -> Iterator[Fake]:
    fake = Fake()
    app.extensions[providers.EXTENSION] = StripeProvider(api_key="sk_test_pages", http_client=FakeClient(fake))
    yield fake
    app.extensions.pop(providers.EXTENSION, None)
    assert fake.complaints == []


def offer_of(app: Flask, product_id: UUID, catalog_id: UUID = PLATFORM_ORG_ID) -> Offer:
    with app.app_context():
        return products.find(catalog_id, product_id, mode="test")


def named(app: Flask, name: str) -> list[Product]:
    with app.app_context():
        return list(db.session.scalars(select(Product).filter_by(name=name)))


def order(app: Flask) -> list[str]:
    with app.app_context():
        return [offer.product.name for offer in products.on_sale(PLATFORM_ORG_ID, mode="test")]


def make_own(app: Flask, team: Team) -> str:
    with app.app_context(), transaction(org=team.org_id):
        db.session.get_one(Organization, team.org_id).funding = "own"
    return f"/o/{team.slug}/catalog/packs"


def form(**changes: Any) -> dict[str, Any]:
    return GOOD | {"key": str(ids.new())} | changes


def edit(manager: Person, product_id: UUID, **changes: Any) -> Any:
    page = manager.get(f"{LIST}/{product_id}/edit").text
    return manager.post(f"{LIST}/{product_id}/edit", GOOD | {"revision": hidden(page, "revision")} | changes)


def test_a_pack_is_made_and_shown(app: Flask, team: Team) -> None:
    answer = team.manager.post(LIST, form(bonus="1.25", min_quantity="2", max_quantity="10"))
    assert answer.status_code == 303
    page = team.manager.get(answer.location).text
    for words in ("Starter", "$25.00", "$25.50", "$1.25", "2 to 10 at once", "On sale", "Version 1"):
        assert words in page
    assert "Starter" in team.manager.get(LIST).text


def test_a_rate_far_from_the_others_is_asked_about_a_second_time(app: Flask, team: Team, pack: UUID) -> None:
    fields = form(name="Gift", price="0.50", credits="999999")
    asked = team.manager.post(LIST, fields)
    assert asked.status_code == 422
    for words in (
        "$0.50 buys $999,999.00 of credit: 1,999,998 credits per dollar. The pack on sale gives 1.",
        'value="999999"', 'value="0.50"', "Nothing is saved yet.",
    ):  # fmt: skip
        assert words in asked.text
    [answer] = re.findall(r'name="confirm_unusual_rate" value="([^"]+)"', asked.text)
    assert team.manager.post(LIST, fields | {"credits": "9999", "confirm_unusual_rate": answer}).status_code == 422
    assert not named(app, "Gift")
    assert team.manager.post(LIST, fields | {"confirm_unusual_rate": answer}).status_code == 303
    assert named(app, "Gift")


def test_a_new_rate_of_a_pack_is_asked_about_and_other_changes_are_not(app: Flask, team: Team, pack: UUID) -> None:
    make_own(app, team)
    asked = edit(team.manager, pack, price="25", credits="2500")
    assert (asked.status_code, "100 credits per dollar. Usual is 1 credit per dollar." in asked.text) == (422, True)
    assert offer_of(app, pack).version.number == 1
    [answer] = re.findall(r'name="confirm_unusual_rate" value="([^"]+)"', asked.text)
    assert edit(team.manager, pack, price="25", credits="2500", confirm_unusual_rate=answer).status_code == 303
    assert edit(team.manager, pack, price="25", credits="2500", max_quantity="5", name="Big").status_code == 303
    assert edit(team.manager, pack, price="25", credits="40").status_code == 303


def test_a_form_sent_twice_makes_one_pack(app: Flask, team: Team) -> None:
    fields = form()
    assert [team.manager.post(LIST, fields).status_code for _ in range(2)] == [303, 303]
    assert len(named(app, "Starter")) == 1


def test_a_form_that_made_another_pack_says_so_and_makes_this_one_when_sent_again(app: Flask, team: Team) -> None:
    fields = form()
    made = team.manager.post(LIST, fields).location
    answer = team.manager.post(LIST, fields | {"name": "Large", "price": "49"})
    assert (answer.status_code, "This form made Starter already" in answer.text) == (409, True)
    for words in (f'href="{made}"', 'value="Large"', 'value="49"'):
        assert words in answer.text
    assert not named(app, "Large")
    again = fields | {"name": "Large", "price": "49", "key": hidden(answer.text, "key")}
    assert team.manager.post(LIST, again).status_code == 303
    assert order(app) == ["Starter", "Large"]


@each(
    ("field", "typed"),
    [
        *(("price", text) for text in ("", "0", "-1", "1e2", "24.999", "1,000", "NaN", "1000000", "１０", "25 USD")),
        *(("credits", text) for text in ("", "0", "1e2", "0.0000001", "Infinity", "9999999999999")),
        *(("bonus", text) for text in ("-1", "x", "0.0000001", "999999999999")),
        *(("min_quantity", text) for text in ("", "0", "101", "1.0", "١")),
        *(("max_quantity", text) for text in ("", "0", "101", "abc")),
        ("grant_kind", "gift"), ("name", ""), ("name", "x" * 101), ("name", "a\x00b"), ("description", "x" * 501),
    ],
)  # fmt: skip
def test_what_cannot_be_sold_is_refused_at_its_field(app: Flask, team: Team, field: str, typed: str) -> None:
    answer = team.manager.post(LIST, form(**{field: typed}))
    assert answer.status_code == 422
    assert f'id="f-{field}-error"' in answer.text
    assert "A start" in answer.text or field == "description"
    assert not named(app, "Starter")


def test_a_pack_that_no_payment_could_take_is_refused_at_its_field(app: Flask, team: Team) -> None:
    answer = team.manager.post(LIST, form(price="500000", min_quantity="2"))
    assert answer.status_code == 422
    assert 'id="f-min_quantity-error">That is more than the largest payment' in answer.text
    assert not named(app, "Starter")


def test_every_odd_entry_is_said_at_once_and_kept(team: Team) -> None:
    page = team.manager.post(LIST, form(price="abc", credits="-5", max_quantity="zero", name="Mine & <b>")).text
    for field in ("price", "credits", "max_quantity"):
        assert f'id="f-{field}-error"' in page
    for kept in ('value="abc"', 'value="-5"', 'value="zero"', "Mine &amp; &lt;b&gt;"):
        assert kept in page


def test_the_preview_says_what_saving_does(app: Flask, team: Team, pack: UUID) -> None:
    def preview(**changes: str) -> str:
        asked = GOOD | {"credits": "25", "of": str(pack)} | changes
        return team.manager.client.get(f"{LIST}/preview", query_string=asked).text

    assert "Saving keeps version 1" in preview(name="Another name")
    assert "Saving makes version 2" in preview(price="30")
    assert "there is nothing to show yet" in preview(price="3o")
    assert "+$5.00 bonus" in preview(bonus="5")
    assert offer_of(app, pack).version.number == 1


def test_without_script_the_form_updates_its_preview(app: Flask, team: Team) -> None:
    page = team.manager.post(LIST, form(price="", update="1"))
    assert (page.status_code, "there is nothing to show yet" in page.text) == (200, True)
    assert not named(app, "Starter")


def test_a_new_price_makes_a_version(app: Flask, team: Team, pack: UUID) -> None:
    answer = edit(team.manager, pack, price="30", credits="25")
    assert answer.status_code == 303
    offer = offer_of(app, pack)
    assert (offer.version.number, offer.version.price_minor) == (2, 3_000)
    page = team.manager.get(answer.location).text
    assert "Version 2, on sale now" in page
    assert "$25.00" in page


def test_two_managers_at_one_pack_see_both_values(app: Flask, team: Team, pack: UUID) -> None:
    stale = hidden(team.manager.get(f"{LIST}/{pack}/edit").text, "revision")
    edit(team.manager, pack, price="30", name="Begin")
    answer = team.manager.post(f"{LIST}/{pack}/edit", GOOD | {"revision": stale, "price": "40"})
    assert answer.status_code == 409
    assert "Someone changed this pack" in answer.text
    for value in ("$30.00", "$40.00", "Begin", 'value="40"'):
        assert value in answer.text
    assert offer_of(app, pack).version.price_minor == 3_000
    again = team.manager.post(
        f"{LIST}/{pack}/edit", GOOD | {"revision": hidden(answer.text, "revision"), "price": "40"}
    )
    assert again.status_code == 303
    assert offer_of(app, pack).version.price_minor == 4_000


def test_a_double_click_is_no_conflict(app: Flask, team: Team, pack: UUID) -> None:
    fields = GOOD | {"revision": hidden(team.manager.get(f"{LIST}/{pack}/edit").text, "revision"), "price": "30"}
    assert [team.manager.post(f"{LIST}/{pack}/edit", fields).status_code for _ in range(2)] == [303, 303]
    assert offer_of(app, pack).version.number == 2


def test_archived_packs_come_back(app: Flask, team: Team, pack: UUID) -> None:
    assert team.manager.post(f"{LIST}/{pack}/archive").status_code == 303
    assert order(app) == []
    assert "Starter" in team.manager.get(f"{LIST}?state=archived").text
    assert "Customers do not see it" in team.manager.get(f"{LIST}/{pack}").text
    team.manager.post(f"{LIST}/{pack}/restore")
    assert order(app) == ["Starter"]


def test_packs_move_up_and_down(app: Flask, team: Team) -> None:
    with app.app_context():
        made = [make_pack(name).product.id for name in ("A", "B", "C")]
    team.manager.post(f"{LIST}/{made[2]}/move", {"to": "up"})
    team.manager.post(f"{LIST}/{made[0]}/move", {"to": "down"})
    assert order(app) == ["C", "A", "B"]


def test_a_pack_of_the_settings_is_not_changed_here(app: Flask, team: Team) -> None:
    team.owner.get(f"/o/{team.slug}/buy")  # makes it
    found = named(app, "Mini")[0].id
    assert "Comes from" in team.manager.get(f"{LIST}/{found}").text
    assert team.manager.get(f"{LIST}/{found}/edit").status_code == 403
    assert team.manager.post(f"{LIST}/{found}/edit", form()).status_code == 403
    assert team.manager.post(f"{LIST}/{found}/archive").status_code == 403


@each("path", WRITES)
def test_only_platform_managers_write_here(team: Team, pack: UUID, app: Flask, path: str) -> None:
    for person in (team.owner, team.admin, team.member, team.viewer, team.stranger):
        assert person.post(LIST + path.format(id=pack), form()).status_code == 403
    offer = offer_of(app, pack)
    assert (offer.version.number, offer.product.active, order(app)) == (1, True, ["Starter"])


def test_prices_that_differ_at_stripe_are_shown_with_both_values(
    app: Flask, team: Team, pack: UUID, stripe: Fake
) -> None:
    _sync(app)
    assert "Matches" in team.manager.get(LIST).text
    price = stripe.account().newest("price")[0]
    price |= {"unit_amount": 1_900, "unit_amount_decimal": "1900"}
    _sync(app, again=True)
    assert "Differs" in team.manager.get(LIST).text
    page = team.manager.get(f"{LIST}/{pack}").text
    for words in ("Not sold now: the price at Stripe differs", "25.00 USD", "19.00 USD", "Put ours in place"):
        assert words in page
    shown = team.owner.get(f"/o/{team.slug}/buy").text
    assert "not available now" in shown
    assert team.manager.post(f"{LIST}/{pack}/price", {"anew": "1"}).status_code == 303
    _sync(app)
    assert "Not sold now" not in team.manager.get(f"{LIST}/{pack}").text
    assert "not available now" not in team.owner.get(f"/o/{team.slug}/buy").text


def test_a_product_archived_at_stripe_is_shown_with_both_values(
    app: Flask, team: Team, pack: UUID, stripe: Fake
) -> None:
    _sync(app)
    stripe.account().newest("product")[0]["active"] = False
    _sync(app, again=True)
    page = team.manager.get(f"{LIST}/{pack}").text
    states = re.findall(r'<th scope="row">(\w+)</th><td>([^<]+)</td><td>([^<]+)</td>', page)
    assert states[1:] == [("Price", "on sale", "active"), ("Product", "on sale", "archived")]
    assert team.manager.post(f"{LIST}/{pack}/price", {"anew": "1"}).status_code == 303
    _sync(app)
    assert "Not sold now" not in team.manager.get(f"{LIST}/{pack}").text
    assert stripe.account().newest("product")[0]["active"]


def test_the_buyer_of_a_blocked_pack_is_refused(app: Flask, team: Team, pack: UUID, stripe: Fake) -> None:
    _sync(app)
    stripe.account().newest("price")[0]["active"] = False
    _sync(app, again=True)
    answer = team.owner.post(
        f"/o/{team.slug}/buy", {"product_id": str(pack), "quantity": "1", "idempotency_key": str(ids.new())}
    )
    assert (answer.status_code, "This pack is not available now." in answer.text) == (422, True)


def test_a_self_funded_organization_has_the_same_pages(app: Flask, team: Team) -> None:
    here = make_own(app, team)
    for person in (team.owner, team.admin):
        assert "No packs are on sale" in person.get(here).text or "Starter" in person.get(here).text
        answer = person.post(here, form())
        assert (answer.status_code, answer.location.startswith(here)) == (303, True)
        assert "Starter" in person.get(answer.location).text
    assert 'href="/admin' not in team.owner.get(here).text
    with app.app_context():
        assert len(products.on_sale(team.org_id, mode="test")) == 2
        assert products.on_sale(PLATFORM_ORG_ID, mode="test") == []


@each("path", WRITES)
def test_who_may_not_manage_the_own_catalog_is_refused(app: Flask, team: Team, path: str) -> None:
    here = make_own(app, team)
    with app.app_context(), transaction(org=team.org_id):
        own = products.create(team.org_id, name="Own", price_minor=100, grant_micros=1_000_000, by=SYSTEM).product.id
    statuses = {
        name: getattr(team, name).post(here + path.format(id=own), form()).status_code
        for name in ("member", "viewer", "stranger", "manager")
    }
    assert statuses == {"member": 403, "viewer": 403, "stranger": 404, "manager": 403}
    assert offer_of(app, own, team.org_id).product.active


@pytest.mark.parametrize("name", ["viewer", "manager"])
def test_who_may_only_read_the_own_catalog_finds_nothing_to_press(app: Flask, team: Team, name: str) -> None:
    here, reader = make_own(app, team), getattr(team, name)
    with app.app_context(), transaction(org=team.org_id):
        own = products.create(team.org_id, name="Own", price_minor=100, grant_micros=1_000_000, by=SYSTEM).product.id
    for path in ("", f"/{own}"):
        page = reader.get(here + path)
        assert (page.status_code, "Own" in page.text) == (200, True)
        assert f'action="{here}' not in page.text
        assert f"{here}/new" not in page.text
        assert "/edit" not in page.text
    assert reader.get(f"{here}/{own}/edit").status_code == 403
    assert team.owner.get(f"{here}/{own}").text.count("/edit") == 1


def test_catalogs_do_not_see_each_other(app: Flask, team: Team, pack: UUID) -> None:
    here = make_own(app, team)
    for path in ("", "/edit"):
        assert team.owner.get(f"{here}/{pack}{path}").status_code == 404
    for path in ("edit", "move", "archive", "restore", "price"):
        assert team.owner.post(f"{here}/{pack}/{path}", form()).status_code == 404
    assert offer_of(app, pack).product.active


def _sync(app: Flask, *, again: bool = False) -> None:
    with app.app_context():
        if again:
            with transaction(org=PLATFORM_ORG_ID) as session:
                session.execute(db.text("UPDATE provider_prices SET next_check_at = now()"))
        sync.run(PLATFORM_ORG_ID, provider=platform_provider())
