"""The credits of an organization: what is left, when it expires, and what it paid for."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds import expiry, ledger
from dashboard.domain.funds.credit_grants import notices
from dashboard.domain.funds.ledger import NewGrant
from dashboard.models import CreditGrant, Organization, Transaction, Wallet
from dashboard.web.formats import day
from tests.factories import charge, wallet_of
from tests.servers import Servers
from tests.web.people import Team, ready_team


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    """$10 paid without a date, and $4 promotional for 20 days, of which $1.50 are spent."""
    team = ready_team(app, servers)
    with app.app_context():
        ledger.post(
            wallet(team), type="deposit", amount=14_000_000, origin="test", key="in", by=SYSTEM,
            slices=[
                NewGrant("paid", "deposit", 10_000_000),
                NewGrant("promotional", "goodwill", 4_000_000, priority=3, expires_at=expiry.after_days(20)),
            ],
        )  # fmt: skip
        for number in range(3):
            charge(wallet(team), 500_000, key=f"c{number}")
    return team


def wallet(team: Team) -> Wallet:
    return wallet_of(db.session.get_one(Organization, team.org_id))


def grant_id(team: Team, category: str) -> str:
    return str(db.session.scalars(select(CreditGrant.id).filter_by(org_id=team.org_id, category=category)).one())


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_page_tells_what_is_left_and_when_it_expires(app: Flask, team: Team) -> None:
    page = team.owner.get(f"/o/{team.slug}/grants").text
    last = clock.today() + timedelta(days=20)
    assert "Goodwill credit Promotional · priority 3 · added" in words(page)
    assert f"$2.50 after {day(last)}" in words(page)
    assert page.index("Goodwill credit") < page.index("Deposited credit")
    for card in ("$10.00", "$2.50"):
        assert card in page
    assert len(re.findall(r'data-th="Month"', page)) == 12
    assert f'href="/o/{team.slug}/grants"' in team.owner.get(f"/o/{team.slug}/").text


def test_the_list_is_by_state(app: Flask, team: Team) -> None:
    with app.app_context():
        ids = {name: grant_id(team, name) for name in ("deposit", "goodwill")}
    here = f"/o/{team.slug}/grants"
    for at, expected in (
        (clock.now(), {"": {"deposit", "goodwill"}, "open": {"deposit", "goodwill"}, "expired": set(), "used": set()}),
        (expiry.after_days(20),
         {"": {"deposit", "goodwill"}, "open": {"deposit"}, "expired": {"goodwill"}, "used": set()}),
    ):  # fmt: skip
        with app.app_context(), clock.at(at):
            expiry.drain(team.org_id)
        for state, names in expected.items():
            page = team.owner.get(f"{here}?state={state}").text
            rows = page[page.index('<div id="grants"') :]
            assert {name for name, one in ids.items() if one in rows} == names, (at, state)
    refused = team.owner.get(f"{here}?state=gone")
    assert (refused.status_code, "Choose one from the list" in refused.text) == (422, True)
    assert team.owner.get(f"{here}?cursor=x").status_code == 422


def test_a_grant_lists_what_it_paid_with_its_rows(app: Flask, team: Team) -> None:
    with app.app_context():
        charge(wallet(team), 3_000_000, key="both")
        goodwill, deposit = grant_id(team, "goodwill"), grant_id(team, "deposit")
        (both,) = db.session.scalars(select(Transaction).filter_by(org_id=team.org_id, key="both"))
        assert wallet(team).settled_seq == 0
    page = team.owner.get(f"/o/{team.slug}/grants/{goodwill}").text
    assert "4 transactions Entries 2 to 5" in words(page)
    rows = re.search(r'href="(/o/[^"]+/transactions\?[^"]+)"', page[page.index('id="paid"') :])
    assert rows
    listed = team.owner.get(rows[1].replace("&amp;", "&"))
    assert listed.status_code == 200
    assert len(re.findall(r'data-th="Balance after"', listed.text)) == 4, listed.text
    page = team.owner.get(f"/o/{team.slug}/grants/{deposit}").text
    assert f"/o/{team.slug}/transactions/{both.id}" in page
    assert "$0.50" in page


def test_credit_that_expired_leads_to_its_row_and_back(app: Flask, team: Team) -> None:
    with app.app_context():
        goodwill = grant_id(team, "goodwill")
        with clock.at(expiry.after_days(20)):
            expiry.drain(team.org_id)
        row = db.session.scalars(select(Transaction).filter_by(org_id=team.org_id, type="expiry")).one()
    page = team.owner.get(f"/o/{team.slug}/grants/{goodwill}").text
    assert f"/o/{team.slug}/transactions/{row.id}" in page
    assert "− $2.500000" in words(page)
    assert f"/o/{team.slug}/grants/{goodwill}" in team.owner.get(f"/o/{team.slug}/transactions/{row.id}").text
    assert "Expiry" in team.owner.get(f"/o/{team.slug}/transactions?type=expiry").text


def test_members_see_what_is_left_and_no_rows(app: Flask, team: Team) -> None:
    with app.app_context():
        goodwill = grant_id(team, "goodwill")
    page = team.member.get(f"/o/{team.slug}/grants")
    assert page.status_code == 200
    assert "Goodwill credit" in page.text
    main = page.text[page.text.index("<main") :]
    assert "/transactions/" not in main
    assert f"/grants/{goodwill}" not in main
    assert team.member.get(f"/o/{team.slug}/grants/{goodwill}").status_code == 403


def test_a_grant_of_another_organization_does_not_exist(app: Flask, team: Team) -> None:
    for one in ("0193a7c0-0000-7000-8000-000000000042", "x"):
        assert team.owner.get(f"/o/{team.slug}/grants/{one}").status_code == 404


def test_a_notice_tells_what_expires_soon(app: Flask, team: Team) -> None:
    pages = (f"/o/{team.slug}/grants", f"/o/{team.slug}/")
    for page in pages:
        assert "of credit expires" not in team.owner.get(page).text
    with app.app_context(), clock.at(expiry.after_days(14)):
        assert notices.write(team.org_id) == 1
    for page in pages:
        assert "$2.50 of credit expires in 20 days" in team.owner.get(page).text
    assert "of credit expires" in team.member.get(pages[0]).text
    with app.app_context():
        charge(wallet(team), 9_000_000)
    text = team.owner.get(pages[1]).text
    assert "Balance is below $5.00" in text
    assert "of credit expires" not in text
