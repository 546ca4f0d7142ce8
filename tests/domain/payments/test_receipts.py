"""Receipts: written with the credit, once, to the person who paid; the same words in mail, text and file."""

import io
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from pypdf import PdfReader

from dashboard.core import clock, ids, mail
from dashboard.core.db import db, transaction
from dashboard.core.errors import NotFound
from dashboard.core.money import from_minor, money
from dashboard.domain.audit import Actor
from dashboard.domain.organizations import org_settings
from dashboard.domain.payments import fulfil, review
from dashboard.domain.payments.checkout import checkout
from dashboard.domain.payments.receipts import receipt_pdf, receipts
from dashboard.models import OutboxEmail, Payment, User
from tests.domain.messages.test_outbox import FACTS
from tests.domain.payments.seller import Seller
from tests.each import each
from tests.factories import make_pack, make_user

ODD_NAMES = [
    "שלום בע\"מ", "شركة الاختبار", "🚀🧑‍🚀 Rocket", "W" * 300, "a b" * 120, "\x00\x07\x1b[31mred\x7f", "\u202egnp.exe",
    "日本語株式会社", "Zoë Müller-Łukasiewicz", "<script>alert(1)</script>", "\n\n\n", "", " ", "{{ 7*7 }}", "%s %(x)s",
    "e\u0301" * 40, "\ufffe\uffff", "\U0001f1e9\U0001f1ea", "\u200b\u200b", "نص with English و123",
]  # fmt: skip


def buy(seller: Seller, by: Actor, key: str = "form-1", quantity: int = 2) -> Payment:
    return checkout.open_checkout(
        checkout.Buyer(seller.org, by, "ada@example.test"), seller.offer, provider=seller.provider, quantity=quantity,
        success_url="http://127.0.0.1/ok?payment={payment_id}", cancel_url="http://127.0.0.1/no",
        key=key, body_hash=key.encode().ljust(32, b"0"),
    )  # fmt: skip


def credited(seller: Seller, by: Actor, **changes: Any) -> Payment:
    payment = buy(seller, by)
    seller.stripe.pay(str(payment.session_id))
    if changes:
        seller.stripe.amend(str(payment.session_id), **changes)
    return fulfil.confirm(seller.org.id, payment.id, provider=seller.provider)


@pytest.fixture
def ada(app_context: Flask) -> User:
    return make_user("ada@example.test", name="Ada Example")


def person(user: User) -> Actor:
    return Actor("user", user.id)


def words_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def test_the_payer_is_mailed_once_with_the_credit(seller: Seller, ada: User) -> None:
    payment = credited(seller, person(ada))
    for _ in range(3):
        fulfil.confirm(seller.org.id, payment.id, provider=seller.provider)
    row = db.session.query(OutboxEmail).one()
    assert (row.key, row.event, row.to_address) == (f"receipt:{payment.id}", "receipt", "ada@example.test")
    assert (row.org_id, row.state) == (seller.org.id, "waiting")
    assert receipts.mailed(payment) is row


BILLS = {"billing_email": "bills@acme.test", "billing_address": "Street 1\nTown", "tax_id": "SE1"}


@pytest.mark.parametrize("program", [False, True])
def test_it_goes_where_bills_go_too_and_names_the_customer(seller: Seller, ada: User, program: bool) -> None:
    with transaction(org=seller.org.id):
        org_settings.change(seller.org, BILLS, by=person(ada))
    payment = credited(seller, Actor("key", ids.new()) if program else person(ada))
    rows = db.session.query(OutboxEmail).order_by(OutboxEmail.id).all()
    assert [row.to_address for row in rows] == ([] if program else ["ada@example.test"]) + ["bills@acme.test"]
    said = receipts.facts(payment)
    letter = mail.render("receipt", said)
    for place in (letter.text, letter.html, words_of(receipts.pdf(said).content)):
        for words in ("Street 1", "Town", "SE1"):
            assert words in place
    before = {name: value for name, value in said.items() if name not in ("address", "tax_id")}
    assert "Tax ID" not in mail.render("receipt", before).text  # a mail that was owed before there were any
    assert receipts.pdf(before).content


def test_who_pays_and_takes_the_bills_gets_one_mail(seller: Seller, ada: User) -> None:
    with transaction(org=seller.org.id):
        org_settings.change(seller.org, {"billing_email": ada.email}, by=person(ada))
    credited(seller, person(ada))
    assert db.session.query(OutboxEmail).count() == 1


def test_mail_text_html_and_file_say_the_same(seller: Seller, ada: User) -> None:
    with clock.at(clock.now().replace(year=2026, month=11, day=20, hour=9, minute=41)):
        payment = credited(
            seller,
            person(ada),
            amount_total=4_860,
            total_details={"amount_discount": 500, "amount_tax": 360, "amount_shipping": 0},
        )
    said = receipts.facts(payment)
    letter = mail.render("receipt", said)
    file = words_of(receipts.pdf(said).content)
    assert letter.subject == "Receipt: $48.60 for Acme (test mode)"
    for place in (letter.text, letter.html, file):
        for word in (
            "Starter", "$50.00", "$25.00", "$5.00", "$3.60", "$48.60", "$52.00", "$2.00", "20 November 2026, 09:41 UTC",
            "Acme", "Ada Example", str(payment.id),
        ):  # fmt: skip
            assert word in place, word
        assert "no money was moved" in place
    assert "2 x Starter" in letter.text
    assert "<title>" in letter.html
    assert "http" not in letter.text  # no base URL is set, so no link is invented


def test_what_is_zero_is_not_mentioned(seller: Seller, ada: User) -> None:
    payment = credited(seller, person(ada))
    letter = mail.render("receipt", receipts.facts(payment))
    for place in (letter.text, letter.html, words_of(receipts.pdf(receipts.facts(payment)).content)):
        assert "Discount" not in place
        assert "Tax" not in place
        assert "None" not in place


def details(tax: int, discount: int = 0) -> dict[str, int]:
    return {"amount_discount": discount, "amount_tax": tax, "amount_shipping": 0}


def test_tax_on_top_is_one_of_the_sums(seller: Seller, ada: User) -> None:
    seller.offer = make_pack(price_minor=5_000, credits_micros=50_000_000)
    payment = credited(seller, person(ada), amount_total=10_825, total_details=details(825))
    said = receipts.facts(payment)
    assert (said["price"], said["tax"], said["paid"], said["credits"]) == ("$100.00", "$8.25", "$108.25", "$100.00")
    assert (said["tax_included"], said["without_tax"], seller.wallet.balance) == ("", "", 100_000_000)
    letter = mail.render("receipt", said)
    for place in (letter.text, letter.html, words_of(receipts.pdf(said).content)):
        assert "Of which tax" not in place


@pytest.mark.parametrize(
    ("total", "tax", "discount", "net"), [(10_000, 1_667, 0, "$83.33"), (7_500, 1_250, 2_500, "$62.50")]
)
def test_tax_in_the_price_is_a_part_of_what_was_paid(
    seller: Seller, ada: User, total: int, tax: int, discount: int, net: str
) -> None:
    seller.offer = make_pack(price_minor=5_000, credits_micros=50_000_000)
    payment = credited(seller, person(ada), amount_total=total, total_details=details(tax, discount))
    said = receipts.facts(payment)
    assert (said["tax"], said["tax_included"], said["without_tax"]) == ("", money(from_minor(tax)), net)
    assert seller.wallet.balance == 100_000_000
    letter = mail.render("receipt", said)
    for place in (letter.text, letter.html, words_of(receipts.pdf(said).content)):
        assert "f which tax" in place
        for words in (money(from_minor(tax)), net, money(from_minor(total))):
            assert words in place
    owed_before = {name: value for name, value in said.items() if name not in ("tax_included", "without_tax")}
    assert "which tax" not in mail.render("receipt", owed_before).text
    assert receipts.pdf(owed_before).content


def test_a_whole_discount_is_paid_with_nothing(seller: Seller, ada: User) -> None:
    payment = credited(
        seller, person(ada), amount_total=0,
        total_details={"amount_discount": 5_000, "amount_tax": 0, "amount_shipping": 0},
        payment_status="no_payment_required",
    )  # fmt: skip
    assert payment.state == "credited"
    said = receipts.facts(payment)
    assert (said["paid"], said["discount"], said["credits"]) == ("$0.00", "$50.00", "$52.00")


@pytest.mark.parametrize("by", [Actor("key"), Actor("system"), Actor("user"), Actor("user", UUID(int=7))])
def test_programs_and_people_who_are_gone_get_no_mail(seller: Seller, by: Actor) -> None:
    payment = credited(seller, by)
    assert payment.state == "credited"
    assert db.session.query(OutboxEmail).count() == 0
    assert receipts.facts(payment)["payer"] == ""
    assert words_of(receipts.pdf(receipts.facts(payment)).content)


def test_a_disabled_payer_gets_no_mail(seller: Seller, ada: User) -> None:
    with transaction():
        ada.disabled_at = clock.now()
    assert credited(seller, person(ada)).state == "credited"
    assert db.session.query(OutboxEmail).count() == 0


@pytest.mark.parametrize("address", ["ada@example.test\nBcc: x@y.test", "not an address", "a@b.test,c@d.test"])
def test_an_address_no_mail_can_reach_never_stops_the_credit(seller: Seller, ada: User, address: str) -> None:
    with transaction():
        ada.email = address
    payment = credited(seller, person(ada))
    assert payment.state == "credited"
    assert seller.wallet.balance == 52_000_000
    assert db.session.query(OutboxEmail).count() == 0


def test_what_was_not_credited_has_no_receipt(seller: Seller, ada: User) -> None:
    payment = buy(seller, person(ada))
    assert not receipts.exists(payment)
    with pytest.raises(NotFound):
        receipts.facts(payment)
    seller.stripe.pay(str(payment.session_id))
    seller.stripe.amend(str(payment.session_id), amount_subtotal=4_000, amount_total=4_000)
    held = fulfil.confirm(seller.org.id, payment.id, provider=seller.provider)
    assert held.state == "review"
    assert not receipts.exists(held)
    assert db.session.query(OutboxEmail).count() == 0


def test_where_nobody_told_what_was_taken_the_credit_comes_without_a_receipt(seller: Seller, ada: User) -> None:
    held = credited(seller, person(ada), currency=None, amount_total=None)
    assert held.state == "review"
    with transaction(org=seller.org.id):
        assert review.accept(seller.org.id, held.id, reason="Seen at the bank", by=Actor("manager", UUID(int=7)))
    assert seller.wallet.balance == 52_000_000
    assert not receipts.exists(seller.payment(held.id))
    assert db.session.query(OutboxEmail).count() == 0


def test_what_a_review_accepted_says_what_was_paid_in_its_currency(seller: Seller, ada: User) -> None:
    held = credited(seller, person(ada), amount_subtotal=4_650, amount_total=4_150, currency="eur",
                    total_details={"amount_discount": 500, "amount_tax": 0, "amount_shipping": 0})  # fmt: skip
    with transaction(org=seller.org.id):
        review.accept(seller.org.id, held.id, reason="Charged in euros by mistake", by=Actor("manager", UUID(int=7)))
    said = receipts.facts(seller.payment(held.id))
    assert (said["price"], said["discount"], said["paid"], said["credits"]) == (
        "$50.00", "5.00 EUR", "41.50 EUR", "$52.00",
    )  # fmt: skip
    assert db.session.query(OutboxEmail).one().context == said
    assert "Charged in euros" not in str(said)
    letter = mail.render("receipt", said)
    for told in (letter.text, letter.html, " ".join(words_of(receipts.pdf(said).content).split())):
        assert "it was reviewed and accepted" in told
        assert "41.50 EUR" in told


@each("name", ODD_NAMES)
@each("wide", [True, False])
def test_no_name_breaks_a_receipt(app_context: Flask, tmp_path: Any, name: str, wide: bool) -> None:
    said = FACTS | {"org": name, "payer": name or "x", "payer_email": name, "pack": name, "promotion_code": name}
    said |= {"discount": "$1.00", "tax": "$1.00"}
    fonts = receipt_pdf.FONTS if wide else tmp_path
    (page,) = PdfReader(io.BytesIO(receipt_pdf.draw(said, fonts=fonts))).pages
    assert "$200.00" in page.extract_text()
    assert FACTS["payment_id"] in page.extract_text()
    letter = mail.render("receipt", said)
    assert "\n" not in letter.subject
    assert "<script>alert" not in letter.html
    assert "49" not in letter.subject


def test_the_largest_sums_fit(app_context: Flask) -> None:
    most = money(from_minor(99_999_999))
    said = FACTS | {"unit_price": most, "price": most, "paid": most, "credits": most, "quantity": 100}
    assert words_of(receipt_pdf.draw(said)).count(most) >= 4


def test_the_html_loads_nothing_and_runs_nothing(app_context: Flask) -> None:
    html = mail.render("receipt", FACTS | {"link": "https://billing.example.com/o/a/transactions/1"}).html
    for what in ("<script", "<img", "<link", "<iframe", "url(", "@import", "javascript:", " on"):
        assert what not in html.replace(" on the", "").replace(" only", ""), what
    assert html.count("http") == 1
