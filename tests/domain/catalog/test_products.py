"""Products and versions: what makes a new version, who wins when two edit, what stands where."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from dashboard.core.db import db, lock, transaction
from dashboard.core.errors import Invalid, NotFound
from dashboard.domain.audit import SYSTEM
from dashboard.domain.catalog import products
from dashboard.domain.catalog.products import AlreadyMade, Offer, Stale
from dashboard.domain.catalog.sales import RecentSales
from dashboard.domain.catalog.terms import LARGEST_PAYMENT_MINOR, Terms
from dashboard.models import PLATFORM_ORG_ID, AuditEntry, Organization, Product, ProductVersion
from tests.concurrency import somebody_waits
from tests.domain.payments.seller import Seller
from tests.each import each
from tests.factories import make_org, make_pack
from tests.scenarios.processes import wait_until

PLATFORM = PLATFORM_ORG_ID


def change(offer: Offer, **changes: Any) -> Offer:
    with transaction(org=PLATFORM):
        return products.change(PLATFORM, offer.product.id, by=SYSTEM, **changes)


def order() -> list[str]:
    db.session.expire_all()
    return [offer.product.name for offer in products.on_sale(PLATFORM, mode="test")]


@pytest.mark.parametrize(
    "changes",
    [
        {"price_minor": 3_000}, {"grant_micros": 26_000_000}, {"bonus_micros": 1}, {"min_quantity": 2},
        {"max_quantity": 5}, {"grant_kind": "promotional"},
    ],
    ids=str,
)  # fmt: skip
def test_other_terms_make_a_version_and_the_old_one_stays(app_context: Flask, changes: dict[str, Any]) -> None:
    first = make_pack()
    second = change(first, **changes)
    assert second.version.number == 2
    kept = products.versions(first.product)[1]
    assert (kept.id, kept.price_minor, kept.grant_micros) == (first.version.id, 2_500, 25_000_000)
    assert {name: getattr(second.version, name) for name in changes} == changes


def test_words_and_order_make_no_version(app_context: Flask) -> None:
    pack = change(make_pack(), name="Begin", description="Small")
    assert (pack.version.number, pack.product.name, pack.product.revision) == (1, "Begin", 2)


def test_what_changes_nothing_leaves_no_trace(app_context: Flask) -> None:
    pack = make_pack()
    entries = db.session.query(AuditEntry).count()
    again = change(pack, name=pack.product.name, price_minor=2_500, revision=999)
    assert (again.version.number, again.product.revision) == (1, 1)
    assert db.session.query(AuditEntry).count() == entries


def test_who_edits_an_old_state_is_refused(app_context: Flask) -> None:
    pack = make_pack()
    change(pack, revision=1, price_minor=2_600)
    with pytest.raises(Stale):
        change(pack, revision=1, price_minor=2_700)
    assert products.find(PLATFORM, pack.product.id, mode="test").version.price_minor == 2_600


@each(
    ("changes", "field"),
    [
        ({"price_minor": 0}, "price_cents"), ({"price_minor": 100_000_000}, "price_cents"),
        ({"grant_micros": 0}, "amount_micros"), ({"bonus_micros": -1}, "bonus_micros"),
        ({"min_quantity": 0}, "min_quantity"), ({"max_quantity": 101}, "max_quantity"),
        ({"price_minor": 50_000_000, "min_quantity": 2}, "min_quantity"),
        ({"min_quantity": 5, "max_quantity": 4}, "max_quantity"), ({"grant_kind": "gift"}, "grant_kind"),
        ({"name": " "}, "name"), ({"name": "x" * 101}, "name"), ({"description": "a\nb"}, "description"),
    ],
)  # fmt: skip
def test_terms_that_cannot_be_sold_are_refused(app_context: Flask, changes: dict[str, Any], field: str) -> None:
    pack = make_pack()
    with pytest.raises(Invalid) as refusal:
        change(pack, **changes)
    assert refusal.value.field == field
    assert db.session.query(ProductVersion).filter_by(product_id=pack.product.id).count() == 1


def test_the_smallest_quantity_fits_into_one_payment(app_context: Flask) -> None:
    pack = change(make_pack(), price_minor=33_333_333, min_quantity=3, confirmed=True)
    assert pack.version.price_minor * pack.version.min_quantity == LARGEST_PAYMENT_MINOR


def test_what_was_allowed_once_goes_off_sale_and_does_not_come_back(app_context: Flask) -> None:
    pack = make_pack()
    with transaction(org=PLATFORM):
        products.add_version(pack.product, 2, Terms(50_000_000, 1, min_quantity=2))
    assert not change(pack, active=False).product.active
    with pytest.raises(Invalid):
        change(pack, active=True)
    assert order() == []


def test_packs_stand_where_they_are_put(app_context: Flask) -> None:
    packs = {name: make_pack(name) for name in ("A", "B", "C")}
    for name, up in (("C", True), ("A", False), ("A", False), ("A", False)):
        with transaction(org=PLATFORM):
            products.move(PLATFORM, packs[name].product.id, up=up, by=SYSTEM)
    assert order() == ["C", "B", "A"]
    change(packs["C"], active=False)
    assert order() == ["B", "A"]
    change(packs["C"], active=True)
    assert order() == ["B", "A", "C"]
    with pytest.raises(NotFound), transaction(org=PLATFORM):
        products.move(PLATFORM, uuid4(), up=True, by=SYSTEM)


def test_a_change_locks_the_catalog_before_the_pack(app_context: Flask) -> None:
    """In the order of those who move packs, so that neither waits for the other."""
    pack = make_pack()

    def work() -> None:
        with app_context.app_context():
            change(pack, name="Begin")

    with ThreadPoolExecutor(1) as threads:
        with transaction(org=PLATFORM):
            lock(db.select(Organization).filter_by(id=PLATFORM))
            changing = threads.submit(work)
            wait_until(somebody_waits, "the change to wait for the catalog")
            assert db.session.execute(db.select(Product).with_for_update(nowait=True)).all()
        changing.result()


def test_a_form_sent_twice_makes_one_product(app_context: Flask) -> None:
    key, made = uuid4(), []
    for _ in range(2):
        with transaction(org=PLATFORM):
            made.append(
                products.create(
                    PLATFORM, name="Once", price_minor=100, grant_micros=1_000_000, by=SYSTEM, product_id=key
                )
            )
    assert made[0].product.id == made[1].product.id == key
    assert order() == ["Once"]


@pytest.mark.parametrize("other", [{"name": "Other"}, {"description": "Other"}, {"price_minor": 200}], ids=str)
def test_a_form_sent_with_something_else_is_refused(app_context: Flask, other: dict[str, Any]) -> None:
    asked = {"name": "Once", "price_minor": 100, "grant_micros": 1_000_000, "by": SYSTEM, "product_id": uuid4()}
    with transaction(org=PLATFORM):
        products.create(PLATFORM, **asked)
    with pytest.raises(AlreadyMade, match="made Once already"), transaction(org=PLATFORM):
        products.create(PLATFORM, **asked | other)
    assert order() == ["Once"]


def test_a_catalog_has_an_end(app_context: Flask) -> None:
    for number in range(products.MOST_ON_SALE):
        make_pack(f"Pack {number}")
    with pytest.raises(Invalid, match="at most 100"):
        make_pack("One more")


def sell(seller: Seller, key: str, quantity: int) -> None:
    seller.stripe.pay(seller.buy(key, quantity=quantity).session_id or "")
    seller.deliver_all()
    seller.work()


def test_sales_are_counted_by_version(seller: Seller) -> None:
    sell(seller, "one", 3)
    first = seller.offer
    seller.offer = change(first, price_minor=2_600)
    sell(seller, "two", 2)
    sold = RecentSales(PLATFORM, [first.product.id], mode="test")
    assert sold.by_product == {first.product.id: 5}
    assert sold.by_version == {first.version.id: 3, seller.offer.version.id: 2}
    assert not sold.partial


def test_sales_of_another_catalog_under_the_same_id_are_not_counted(seller: Seller) -> None:
    sell(seller, "ours", 3)
    ours, seller.org = seller.offer, make_org("Other")
    with transaction(org=seller.org.id):
        seller.offer = products.create(
            seller.org.id,
            name="Same id",
            price_minor=100,
            grant_micros=1_000_000,
            by=SYSTEM,
            product_id=ours.product.id,
        )
    same = [ours.product.id]
    assert RecentSales(seller.org.id, same, mode="test").by_product == {ours.product.id: 0}
    sell(seller, "theirs", 2)
    assert RecentSales(PLATFORM, same, mode="test").by_version == {ours.version.id: 3}
    assert RecentSales(seller.org.id, same, mode="test").by_version == {seller.offer.version.id: 2}
