"""The list of payments and the page of one: who sees what, what it tells, and what polls."""

import csv
import io
import re
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import QueuePool, text

from dashboard.core.db import autocommit, db, transaction
from dashboard.domain.audit import Actor
from dashboard.domain.funds import ledger
from dashboard.domain.organizations import organizations
from dashboard.domain.payments import fulfil, listing, sweep, timeline
from dashboard.domain.payments.checkout import checkout
from dashboard.domain.payments.listing import PaymentFilters
from dashboard.jobs import platform_provider
from dashboard.models import AuditEntry, Payment, User
from dashboard.providers.dummy import DummyProvider
from tests.factories import make_org, make_pack
from tests.servers import Servers
from tests.web.people import Team, ready_team

MANY = text("""INSERT INTO payments (org_id, id, created_at, state, kind, provider, mode, key, body_hash, actor_kind,
  product_id, version_id, name, quantity, unit_price_minor, amount_minor, currency, grant_micros, bonus_micros,
  grant_kind, success_url, cancel_url, changed_at, checks)
SELECT :org, CAST('ffffffff-ffff-7000-8000-' || lpad(to_hex(n), 12, '0') AS uuid), now(), 'expired', 'pack', 'dummy',
  'test', 'many' || n, '', 'system', :org, :org, 'Pack', 1, 1, 1, 'usd', 1, 0, 'paid', '', '', now(), 0
FROM generate_series(1, :many) AS n""")
STATES = ("paid", "declined", "expired", "review", "")


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


def buy(app: Flask, org_id: UUID, outcome: str = "", *, quantity: int = 1, name: str = "Starter") -> UUID:
    """A purchase by the organization's owner that ended as `outcome`; '' leaves its page open."""
    with app.test_request_context(base_url="http://localhost"):
        org, provider = organizations.by_id(org_id), platform_provider()
        assert org
        assert isinstance(provider, DummyProvider)
        owner = db.session.query(User).filter_by(name="Olga Owner").first()
        payment = checkout.open_checkout(
            checkout.Buyer(org, Actor("user", owner.id if owner else None), None),
            make_pack(name, bonus_micros=1_000_000), provider=provider, quantity=quantity, key=str(uuid4()),
            success_url="http://localhost/ok", cancel_url="http://localhost/no", body_hash=ledger.body_hash("/", {}),
        )  # fmt: skip
        if outcome == "review":
            provider.amend(str(payment.session_id), total_minor=1)
        if outcome:
            provider.decide(str(payment.session_id), "paid" if outcome == "review" else outcome)
            fulfil.confirm(org_id, payment.id, provider=provider)
        return payment.id


def row(app: Flask, payment_id: UUID) -> Payment:
    with app.app_context():
        return db.session.query(Payment).filter_by(id=payment_id).one()


def told(page: str) -> list[str]:
    """The titles of a page's timeline."""
    return re.findall(r"<li[^>]*><span class=\"strong\">([^<]+)</span>", page)


def test_without_payments_it_says_so_and_leads_to_buying(team: Team) -> None:
    page = team.owner.get(f"/o/{team.slug}/payments").text
    assert "No payments yet." in page
    assert f'href="/o/{team.slug}/buy"' in page
    assert "Buy credits" not in team.viewer.get(f"/o/{team.slug}/payments").text


def test_each_payment_stands_with_its_state_and_its_reason(app: Flask, team: Team) -> None:
    for outcome in STATES:
        buy(app, team.org_id, outcome, quantity=2)
    for person in (team.owner, team.admin, team.viewer, team.manager):
        page = person.get(f"/o/{team.slug}/payments").text
        for word in ("Credited", "Failed", "Expired", "In review", "Pending", "2 x Starter", "insufficient funds"):
            assert word in page, word
        assert "$0.01 was paid" in page


def test_strangers_find_nothing_and_members_are_refused(app: Flask, team: Team) -> None:
    payment_id = buy(app, team.org_id)
    for path in ("payments", "payments.csv", "payments/live", f"payments/{payment_id}", f"payments/{payment_id}/live"):
        assert team.stranger.get(f"/o/{team.slug}/{path}").status_code == 404, path
        assert team.member.get(f"/o/{team.slug}/{path}").status_code == 403, path
    assert "payments" not in team.member.get(f"/o/{team.slug}/").text.split("<main")[0]


def test_another_organizations_payment_is_not_there(app: Flask, team: Team) -> None:
    with app.app_context():
        other = make_org("Elsewhere").id
    theirs = buy(app, other, "paid")
    for path in (f"payments/{theirs}", f"payments/{theirs}/live", f"payments/{uuid4()}"):
        assert team.owner.get(f"/o/{team.slug}/{path}").status_code == 404
    assert "No payments yet." in team.owner.get(f"/o/{team.slug}/payments").text
    assert str(theirs) not in team.owner.get(f"/o/{team.slug}/payments.csv").text


def test_filters_narrow_and_odd_ones_are_422(app: Flask, team: Team) -> None:
    paid, declined = buy(app, team.org_id, "paid", name="Alpha"), buy(app, team.org_id, "declined", name="Beta")
    known = row(app, paid)
    queries = {
        "": {paid, declined}, "state=credited": {paid}, "state=failed": {declined}, "state=review": set(),
        "q=alp": {paid}, "q=alpha+beta": set(), f"q={paid}": {paid}, f"q={known.session_id}": {paid},
        f"q={known.intent_id}": {paid}, f"q={known.transaction_id}": {paid}, "q=dummy_cs_none": set(),
        "from=2020-01-01": {paid, declined}, "to=2020-01-01": set(), "q=100%25": set(),
    }  # fmt: skip
    for query, expected in queries.items():
        page = team.owner.get(f"/o/{team.slug}/payments?{query}", htmx=True).text
        assert {one for one in (paid, declined) if f"/payments/{one}" in page} == expected, query
        assert "<!doctype" not in page
    for query in ("state=x", "from=x", "from=2026-02-01&to=2026-01-01", "q=" + "x" * 201, "cursor=x", "q=%00"):
        assert team.owner.get(f"/o/{team.slug}/payments?{query}").status_code == 422, query


def test_pages_hold_each_payment_once(app: Flask, team: Team) -> None:
    made = {buy(app, team.org_id, name="P") for _ in range(5)}
    with app.app_context():
        seen, cursor = [], None
        while True:
            page = listing.page(PaymentFilters(org_id=team.org_id), mode="test", cursor=cursor, limit=2)
            seen += [one.id for one in page.rows]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == sorted(made, reverse=True)
        assert [
            one.id for block in listing.every(PaymentFilters(org_id=team.org_id), mode="test") for one in block
        ] == seen


def test_the_file_holds_what_is_shown_and_its_export_is_noted(app: Flask, team: Team) -> None:
    paid = buy(app, team.org_id, "paid", quantity=2, name="=HYPERLINK(1)")
    buy(app, team.org_id, "declined")
    answer = team.viewer.get(f"/o/{team.slug}/payments.csv?state=credited")
    assert re.search(
        rf"{team.slug}-payments-\d{{4}}-\d\d-\d\d-\d{{4}}-\d\d-\d\d\.csv", answer.headers["Content-Disposition"]
    )
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [line["id"] for line in lines] == [str(paid)]
    one = lines[0]
    assert (one["product"], one["amount"], one["paid"], one["credits"]) == (
        "'=HYPERLINK(1)",
        "50.00",
        "50.00",
        "52.000000",
    )
    assert (one["session_id"], one["currency"], one["by"]) == (row(app, paid).session_id, "USD", "Olga Owner")
    with app.app_context():
        entry = db.session.query(AuditEntry).filter_by(action="payments.exported").one()
        assert (entry.org_id, entry.after) == (team.org_id, {"state": "credited"})


def test_an_open_payments_page_notices_that_the_bank_takes_its_time(app: Flask, team: Team) -> None:
    payment_id = buy(app, team.org_id)
    page = team.owner.get(f"/o/{team.slug}/payments/{payment_id}").text
    assert "Continue to payment" in page
    live = page.partition('hx-get="')[2].partition('"')[0].replace("&amp;", "&")
    assert team.owner.get(live, htmx=True).status_code == 204
    with app.app_context(), transaction(org=team.org_id):
        db.session.query(Payment).filter_by(id=payment_id).one().problem = timeline.DELAYED
    answer = team.owner.get(live, htmx=True)
    assert answer.status_code == 200
    assert "Continue to payment" not in answer.text


def test_an_export_started_twice_is_whole_both_times_and_told_twice(app: Flask, team: Team) -> None:
    many = 1_100  # more than one reading of the database
    with app.app_context(), transaction(org=team.org_id) as session:
        session.execute(MANY, {"org": team.org_id, "many": many})
    path = f"/o/{team.slug}/payments.csv"
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda person: person.get(path).text, (team.owner, team.viewer))
    assert first == second
    assert len(list(csv.DictReader(io.StringIO(first)))) == many
    with app.app_context():
        assert db.session.query(AuditEntry).filter_by(action="payments.exported").count() == 2


def test_an_export_that_is_given_up_keeps_no_connection(app: Flask, team: Team) -> None:
    with app.app_context(), transaction(org=team.org_id) as session:
        session.execute(MANY, {"org": team.org_id, "many": 600})
    answer = team.owner.client.get(f"/o/{team.slug}/payments.csv")
    assert next(answer.iter_encoded()).startswith(b'"id",')
    answer.close()
    with app.app_context():
        assert isinstance(db.engine.pool, QueuePool)
        assert db.engine.pool.checkedout() == 0


def test_a_credited_payment_tells_its_story_and_leads_to_its_transaction(app: Flask, team: Team) -> None:
    payment = row(app, buy(app, team.org_id, "paid"))
    page = team.owner.get(f"/o/{team.slug}/payments/{payment.id}").text
    assert told(page) == ["Created", "Sent to the provider", "Paid", "Credited"]
    for text_ in (payment.session_id, payment.intent_id, str(payment.id), "$26.00", "Olga Owner", "receipt.pdf"):
        assert str(text_) in page, text_
    assert f"/o/{team.slug}/transactions/{payment.transaction_id}" in page
    assert "/live" not in page
    back = team.owner.get(f"/o/{team.slug}/transactions/{payment.transaction_id}").text
    assert f"/o/{team.slug}/payments/{payment.id}" in back


def test_a_declined_payment_says_why_and_what_to_do(app: Flask, team: Team) -> None:
    payment_id = buy(app, team.org_id, "declined", quantity=3)
    page = team.owner.get(f"/o/{team.slug}/payments/{payment_id}").text
    assert told(page)[-1] == "Failed"
    for text_ in ("insufficient funds", "Pay with another card.", "insufficient_funds", "quantity=3"):
        assert text_ in page, text_
    assert "Buy again" not in team.viewer.get(f"/o/{team.slug}/payments/{payment_id}").text


def test_an_open_payment_leads_on_to_its_page_for_who_may_buy(app: Flask, team: Team) -> None:
    payment = row(app, buy(app, team.org_id))
    page = team.owner.get(f"/o/{team.slug}/payments/{payment.id}").text
    assert str(payment.session_url) in page
    assert told(page)[-1] == "Waiting for the payment"
    assert str(payment.session_url) not in team.viewer.get(f"/o/{team.slug}/payments/{payment.id}").text


@pytest.mark.parametrize("path", ["payments", "payments/{id}"])
def test_what_waits_is_asked_after_until_it_changes(app: Flask, team: Team, path: str) -> None:
    payment_id = buy(app, team.org_id)
    page = team.owner.get(f"/o/{team.slug}/{path.format(id=payment_id)}").text
    live = re.search(r'hx-get="([^"]*/live[^"]*)"', page)
    assert live
    address = live[1].replace("&amp;", "&")
    assert team.owner.get(address, htmx=True).status_code == 204
    with app.app_context():
        provider = platform_provider()
        assert isinstance(provider, DummyProvider)
        provider.decide(str(row(app, payment_id).session_id), "paid")
        autocommit().execute(text("UPDATE payments SET next_check_at = now() - interval '1 second'"))
        assert sweep.due() == [team.org_id]
        sweep.drain(team.org_id, provider=provider)
    answer = team.owner.get(address, htmx=True)
    assert (answer.status_code, "Credited" in answer.text, "hx-get" in answer.text) == (200, True, False)


def test_a_managers_visit_is_noted_and_shows_the_review(app: Flask, team: Team) -> None:
    payment_id = buy(app, team.org_id, "review")
    assert f"/admin/payments/{payment_id}" in team.manager.get(f"/o/{team.slug}/payments/{payment_id}").text
    page = team.owner.get(f"/o/{team.slug}/payments/{payment_id}").text
    assert "Held for review" in page
    assert "/admin/" not in page
    with app.app_context():
        entries = db.session.query(AuditEntry).filter_by(org_id=team.org_id, action="organization.visited")
        assert [entry.object_id for entry in entries] == [f"/o/{team.slug}/payments/{payment_id}"]


def test_names_are_text_on_the_pages(app: Flask, team: Team) -> None:
    payment_id = buy(app, team.org_id, "declined", name="<script>alert(1)</script>")
    with app.app_context(), transaction(org=team.org_id):
        found = db.session.query(Payment).filter_by(id=payment_id).one()
        found.problem, found.promotion_code = "<b>problem</b>", "<i>code</i>"
    for path in ("payments", f"payments/{payment_id}"):
        page = team.owner.get(f"/o/{team.slug}/{path}").text
        assert "<script>alert" not in page
        assert "<b>problem" not in page
        assert "<i>code" not in page
