"""The work list, the money, and the books on demand."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text

from dashboard.core import clock
from dashboard.core.db import autocommit, db, transaction
from dashboard.domain import audit
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds.seals import checkpoints
from dashboard.jobs.tick import tick
from dashboard.models import PLATFORM_ORG_ID, Organization, Transaction
from tests.domain.platform.test_invariants import plant
from tests.factories import charge, wallet_of
from tests.servers import Servers
from tests.web.admin.test_orgs import make_payment
from tests.web.admin.test_webhooks import store, work
from tests.web.people import Team, ready_team


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=10_000_000)


def test_nothing_to_do_says_so_with_the_time(app: Flask, team: Team) -> None:
    with app.app_context():
        tick()
    page = team.manager.get("/admin/").text
    assert "Nothing needs attention" in page
    assert "Checked" in page


def test_a_worker_that_never_ran_is_work(team: Team) -> None:
    assert "Worker is late" in team.manager.get("/admin/").text


def test_each_trouble_has_a_count_an_age_and_a_link_that_finds_it(app: Flask, team: Team) -> None:
    store(app)
    work(app)
    past = clock.now() - timedelta(minutes=20)
    with app.app_context():
        for state in ("review", "unknown", "paid"):
            make_payment(team.org_id, state=state, changed_at=past)
    page = team.manager.get("/admin/live", htmx=True).text
    assert page.startswith('<section class="card flush" id="work"')
    links = {
        "/admin/webhooks?state=parked": "evt_1", "/admin/payments?state=review": ">Acme<",
        "/admin/payments?state=unknown": ">Acme<", "/admin/payments?state=paid": ">Acme<",
    }  # fmt: skip
    for link, found in links.items():
        assert f'href="{link}"' in page, link
        assert found in team.manager.get(link).text, link
    assert page.count("20 min ago") == 3


def test_money_today_and_what_is_owed(app: Flask, team: Team) -> None:
    with app.app_context():
        org = db.session.get(Organization, team.org_id)
        assert org
        charge(wallet_of(org), 1_500_000)
    page = team.manager.get("/admin/").text
    used = page.partition('id="used"')[2][:300]
    assert "$1.50" in used
    assert "Total liability" in page


def test_books_that_hold_say_so(team: Team) -> None:
    answer = team.manager.post("/admin/verify")
    assert (answer.status_code, "All checks passed" in answer.text) == (200, True)
    assert team.manager.get("/admin/verify").status_code == 405


def test_books_that_do_not_name_the_first_broken_row(app: Flask, team: Team) -> None:
    with app.app_context():
        autocommit().execute(text("UPDATE wallets SET balance = balance + 1 WHERE org_id = :org"), {"org": team.org_id})
    page = team.manager.post("/admin/verify").text
    assert "The books are wrong" in page
    assert f'<a href="/admin/orgs/{team.org_id}">Wallet ' in page
    assert_links_hold(team, page)


def test_what_is_broken_leads_to_its_page(app: Flask, servers: Servers, team: Team) -> None:
    with app.app_context():
        org = db.session.get_one(Organization, team.org_id)
        charge(wallet_of(org), 1)
        row = db.session.scalars(select(Transaction).filter_by(org_id=org.id, type="charge")).one()
        moved = "balance_before = balance_before + 1, balance_after = balance_after + 1"
        plant(servers, f"UPDATE transactions SET {moved} WHERE id = %(t)s", t=row.id)
        page = f"/o/{org.slug}/transactions/{row.id}"
    assert f'<a href="{page}">Transaction ' in team.manager.post("/admin/verify").text
    assert team.manager.get(page).status_code == 200


def test_what_is_broken_at_the_platform_leads_to_no_organization(app: Flask, team: Team) -> None:
    with app.app_context(), transaction(org=PLATFORM_ORG_ID):
        head = {"at": clock.now().isoformat(), "wallets": 7, "hash": "0" * 64}
        audit.record(audit.Ref("ledger", "x"), checkpoints.ACTION, by=SYSTEM, org=PLATFORM_ORG_ID, after=head)
    page = team.manager.post("/admin/verify").text
    assert "was logged as 0000" in page
    assert ">The platform<" in page
    assert_links_hold(team, page)


def assert_links_hold(team: Team, page: str) -> None:
    for link in set(re.findall(r'href="(/admin/orgs/[^"]+)"', page)):
        assert team.manager.get(link).status_code == 200, link
