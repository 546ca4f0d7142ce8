"""The page that payers come back to: it reads, rings once, and never shows another person's payment."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from dashboard.core import clock, ids, queue
from dashboard.core.db import db, transaction
from dashboard.domain import rate_limits
from dashboard.domain.payments import fulfil, timeline
from dashboard.jobs import payments, platform_provider
from dashboard.models import AuditEntry, Payment, Transaction
from dashboard.providers.dummy import DummyProvider
from tests.each import each
from tests.factories import make_pack, make_user
from tests.servers import Servers
from tests.web.people import Person, Team, make_team, ready_team, unseen


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


@pytest.fixture
def payment_id(app: Flask, team: Team) -> str:
    with app.app_context():
        pack = make_pack("Starter", price_minor=2_500, credits_micros=25_000_000).product.id
    here = f"/o/{team.slug}/buy"
    team.owner.post(here, {"product_id": str(pack), "quantity": "2"} | unseen(team.owner.get(here).text))
    with app.app_context():
        return str(db.session.scalars(select(Payment.id)).one())


def at(team: Team, payment_id: str, **more: Any) -> str:
    return f"/o/{team.slug}/buy/return?" + "&".join(f"{k}={v}" for k, v in {"payment": payment_id, **more}.items())


def decide(app: Flask, payment_id: str, state: str) -> None:
    """The payer acts on the payment page, and the worker asks the provider how it went."""
    with app.app_context():
        payment = db.session.scalars(select(Payment).filter_by(id=ids.parse(payment_id))).one()
        provider = platform_provider()
        assert isinstance(provider, DummyProvider)
        assert provider.decide(payment.session_id or "", state)
        fulfil.confirm(payment.org_id, payment.id, provider=provider, declined=state == "declined")


def change(app: Flask, payment_id: str, **values: Any) -> None:
    with app.app_context():
        payment = db.session.scalars(select(Payment).filter_by(id=ids.parse(payment_id))).one()
        with transaction(payment.org_id):
            for name, value in values.items():
                setattr(payment, name, value)


def written(app: Flask) -> tuple[Any, ...]:
    """What a page that only reads must leave as it is."""
    with app.app_context():
        states = tuple(db.session.scalars(select(Payment.state)))
        counts = [db.session.scalar(select(func.count()).select_from(model)) for model in (Transaction, AuditEntry)]
        return (states, *counts)


def jobs(app: Flask) -> list[Any]:
    with app.app_context():
        found = queue.Queue(queue.WORK, connection=queue.job_queue().redis, serializer=queue.JSONSerializer).jobs
        return [(job.func_name, *job.args) for job in found]


def test_a_payment_that_is_not_confirmed_waits_and_asks_by_itself(app: Flask, team: Team, payment_id: str) -> None:
    before = written(app)
    page = team.owner.get(at(team, payment_id)).text
    assert "Payment being confirmed" in page
    assert 'hx-trigger="every 2s"' in page
    assert '<noscript><meta http-equiv="refresh" content="2; url=/o/' in page
    assert "Check now" in page
    assert 'hx-trigger="load"' in page
    assert "mail" not in page.split('id="payment"')[1]
    assert written(app) == before
    assert not jobs(app)


def test_a_poll_changes_nothing_until_there_is_news(app: Flask, team: Team, payment_id: str) -> None:
    poll = at(team, payment_id, since=int(clock.now().timestamp()))
    assert team.owner.get(poll, htmx=True).status_code == 204
    decide(app, payment_id, "paid")
    answer = team.owner.get(poll, htmx=True)
    assert answer.headers["HX-Redirect"] == f"/o/{team.slug}/buy/return?payment={payment_id}"


def test_the_page_says_from_the_start_that_a_bank_may_take_days(team: Team, payment_id: str) -> None:
    page = team.owner.get(at(team, payment_id)).text
    assert "A payment from a bank account may take days: do not pay again in the meantime." in page


def test_a_delayed_payment_is_on_its_way_and_not_to_be_paid_again(app: Flask, team: Team, payment_id: str) -> None:
    change(app, payment_id, problem=timeline.DELAYED)
    poll = at(team, payment_id, since=int(clock.now().timestamp()))
    assert team.owner.get(poll, htmx=True).headers["HX-Redirect"] == f"/o/{team.slug}/buy/return?payment={payment_id}"
    for more in ({}, {"cancelled": 1}):
        page = team.owner.get(at(team, payment_id, **more)).text
        assert "Payment on its way" in page
        assert "The bank may need days to confirm it. Do not pay again." in page
        assert "every 2s" not in page
        assert "Nothing was charged and no credits" not in page
    shown = team.owner.get(f"/o/{team.slug}/payments/{payment_id}").text
    assert "Do not pay again: the credits are then added automatically." in shown
    assert "Wait, and do not pay again" in shown
    assert "Continue to payment" not in shown


def test_what_is_paid_and_not_booked_says_so(app: Flask, team: Team, payment_id: str) -> None:
    change(app, payment_id, state="paid", problem=fulfil.UNREADABLE)
    for path in (at(team, payment_id), f"/o/{team.slug}/payments/{payment_id}"):
        page = team.owner.get(path).text
        assert "Paid, credits on the way" in page
        assert "Do not pay again" in page


@pytest.mark.parametrize(
    ("total", "words"),
    [(10_825, ("<dt>Tax</dt><dd>$8.25</dd>", "<dt>Paid</dt><dd>$108.25</dd>")),
     (10_000, ("<dt>Paid</dt><dd>$100.00</dd>", "<dt>Of which tax</dt><dd>$8.25, $91.75 without tax</dd>"))],
)  # fmt: skip
def test_tax_on_top_and_tax_in_the_price_are_told_apart(
    app: Flask, team: Team, payment_id: str, total: int, words: tuple[str, ...]
) -> None:
    decide(app, payment_id, "paid")
    change(
        app, payment_id, unit_price_minor=5_000, amount_minor=10_000, total_minor=total, tax_minor=825,
        paid_currency="usd",
    )  # fmt: skip
    page = team.owner.get(at(team, payment_id)).text
    for one in words:
        assert one in page


@pytest.mark.parametrize("since", ["0", "x", "-1", "1" * 50])
def test_waiting_ends_with_a_promise(team: Team, payment_id: str, since: str) -> None:
    for htmx in (True, False):
        page = team.owner.get(at(team, payment_id, since=since), htmx=htmx).text
        assert "You can close this page" in page
        assert "every 2s" not in page
        assert "refresh" not in page


def test_an_invented_future_does_not_wait_longer(team: Team, payment_id: str) -> None:
    page = team.owner.get(at(team, payment_id, since="999999999999")).text
    assert "since=9999" not in page


def test_a_credited_payment_shows_the_amount_and_the_new_balance(app: Flask, team: Team, payment_id: str) -> None:
    decide(app, payment_id, "paid")
    before = written(app)
    page = team.owner.get(at(team, payment_id)).text
    assert "Payment confirmed" in page
    assert page.count("$50.00") >= 3
    assert "Opening this page again adds nothing" in page
    assert "every 2s" not in page
    assert written(app) == before


def test_a_payment_of_long_ago_is_already_handled(app: Flask, team: Team, payment_id: str) -> None:
    decide(app, payment_id, "paid")
    change(app, payment_id, credited_at=clock.now() - timedelta(hours=1))
    assert "Payment already credited" in team.owner.get(at(team, payment_id)).text


def test_leaving_the_payment_page_charges_nothing(app: Flask, team: Team, payment_id: str) -> None:
    before = written(app)
    page = team.owner.get(at(team, payment_id, cancelled=1)).text
    assert "Nothing was charged and no credits were added." in page
    assert "Try again" in page
    assert written(app) == before


def test_who_left_but_had_paid_is_told_so(app: Flask, team: Team, payment_id: str) -> None:
    decide(app, payment_id, "paid")
    page = team.owner.get(at(team, payment_id, cancelled=1)).text
    assert "the payment had gone through" in page
    assert "Nothing was charged" not in page


@pytest.mark.parametrize(
    ("state", "words"),
    [("declined", "insufficient funds. Nothing was charged."), ("expired", "expired before it was paid")],
)
def test_a_payment_that_came_to_nothing_says_why(
    app: Flask, team: Team, payment_id: str, state: str, words: str
) -> None:
    decide(app, payment_id, state)
    page = team.owner.get(at(team, payment_id)).text
    assert words in page
    assert "No credits were added" in page or "no credits were added" in page


def test_a_rejected_payment_is_not_paid_again(app: Flask, team: Team, payment_id: str) -> None:
    change(app, payment_id, state="failed", paid_at=clock.now(), problem="Rejected after review: a stolen card")
    page = team.owner.get(at(team, payment_id)).text
    assert "a stolen card" in page
    assert "given back by the operator" in page
    assert "Try again" not in page
    assert "Nothing was charged" not in page


def test_a_payment_in_review_is_held_and_says_nothing_internal(app: Flask, team: Team, payment_id: str) -> None:
    change(app, payment_id, state="review", problem="Sold for 5000 usd (minor units), the provider took 1 usd.")
    page = team.owner.get(at(team, payment_id)).text
    assert "held for review by the operator" in page
    assert "minor units" not in page


def test_a_page_that_could_not_be_opened_says_nothing_of_the_account(app: Flask, team: Team, payment_id: str) -> None:
    change(app, payment_id, state="failed", session_id=None, session_url=None, problem="key sk_test_secret refused")
    page = team.owner.get(at(team, payment_id)).text
    assert "refused to open a payment page. Nothing was charged." in page
    assert "sk_test_secret" not in page


@each(
    "query",
    ["", "?session={CHECKOUT_SESSION_ID}", "?payment=%7Bpayment_id%7D&session=%7BCHECKOUT_SESSION_ID%7D",
     "?payment=x%00y", "?payment=&cancelled=1", "?since=%F0%9F%98%80", "?payment=' OR 1=1 --"],
)  # fmt: skip
def test_an_address_that_names_no_payment_still_helps(team: Team, query: str) -> None:
    answer = team.owner.get(f"/o/{team.slug}/buy/return{query}")
    assert answer.status_code == 200
    assert "does not name a payment" in answer.text


def test_the_placeholder_of_the_session_does_not_matter(team: Team, payment_id: str) -> None:
    answer = team.owner.get(at(team, payment_id, session="{CHECKOUT_SESSION_ID}"))
    assert answer.status_code == 200
    assert "Starter" in answer.text


def test_another_persons_payment_is_not_there(app: Flask, team: Team, payment_id: str) -> None:
    with app.app_context():
        stranger = make_user()
        other = Person(app, stranger.email)
    for person in (team.admin, team.stranger, other):
        assert person.get(at(team, payment_id)).status_code == 404
        assert person.post(f"/o/{team.slug}/buy/return/check", {"payment": payment_id}).status_code == 404
    unknown = at(team, "019a3c1e-2b7d-7c11-9a44-0a51c3d27f2e")
    assert team.owner.get(unknown).status_code == 404
    assert not jobs(app)


def test_a_payment_of_another_organization_is_not_there(app: Flask, team: Team, payment_id: str) -> None:
    elsewhere = make_team(app)
    path = f"/o/{elsewhere.slug}/buy/return"
    assert elsewhere.owner.get(f"{path}?payment={payment_id}").status_code == 404
    assert elsewhere.owner.post(f"{path}/check", {"payment": payment_id}).status_code == 404
    assert not jobs(app)


def test_wrong_roles_cannot_ring(app: Flask, team: Team, payment_id: str) -> None:
    for person in (team.member, team.viewer):
        assert person.get(at(team, payment_id)).status_code == 403
        assert person.post(f"/o/{team.slug}/buy/return/check", {"payment": payment_id}).status_code == 403
    assert not jobs(app)


def test_check_rings_for_the_worker_who_asks_the_provider(app: Flask, team: Team, payment_id: str) -> None:
    before = written(app)
    path = f"/o/{team.slug}/buy/return/check"
    assert team.owner.post(path, {"payment": payment_id}, htmx=True).status_code == 204
    assert jobs(app) == [("dashboard.jobs.payments.check", str(team.org_id), payment_id)]
    assert written(app) == before
    answer = team.owner.post(path, {"payment": payment_id})
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/o/{team.slug}/buy/return?payment={payment_id}"
    with app.app_context():
        provider = platform_provider()
        assert isinstance(provider, DummyProvider)
        provider.decide(db.session.scalars(select(Payment.session_id)).one() or "", "paid")
    for _ in range(3):
        with app.app_context():
            payments.check(str(team.org_id), payment_id)
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Transaction).filter_by(type="purchase")) == 1


def test_a_payer_rings_thirty_times_a_minute(app: Flask, team: Team, payment_id: str) -> None:
    path = f"/o/{team.slug}/buy/return/check"
    with app.app_context(), transaction():
        payer = db.session.scalars(select(Payment.actor_id)).one()
        for _ in range(30):
            assert rate_limits.exceeded(rate_limits.PAYMENT_CHECK, str(payer)) is None
    assert team.owner.post(path, {"payment": payment_id}).status_code == 303
    assert not jobs(app)


def test_nothing_is_rung_for_a_payment_that_ended(app: Flask, team: Team, payment_id: str) -> None:
    decide(app, payment_id, "paid")
    team.owner.post(f"/o/{team.slug}/buy/return/check", {"payment": payment_id}, htmx=True)
    assert not jobs(app)


def test_check_without_a_payment_is_not_found(team: Team) -> None:
    assert team.owner.post(f"/o/{team.slug}/buy/return/check", {"payment": "x"}).status_code == 404
