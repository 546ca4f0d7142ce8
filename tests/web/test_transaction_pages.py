"""What the statement opens on, and the page of one charge."""

from datetime import UTC, datetime

import pytest
from flask import Flask

from dashboard.core import clock
from dashboard.core.db import transaction
from dashboard.domain.access import keys
from dashboard.domain.access.permissions import of_key
from dashboard.domain.audit import Actor
from dashboard.domain.funds import ledger
from tests.factories import grant, wallet_of
from tests.servers import Servers
from tests.web.people import Team, ready_team
from tests.web.test_transactions import member_id, org_of, rows_in


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


def test_the_statement_opens_on_this_month_or_on_all_if_that_is_empty(app: Flask, team: Team) -> None:
    here = f"/o/{team.slug}/transactions"
    with clock.at(datetime(2027, 3, 20, 12, tzinfo=UTC)), app.app_context():
        grant(wallet_of(org_of(team)), 5_000_000)
    with clock.at(datetime(2027, 4, 10, 12, tzinfo=UTC)):
        team.owner.sign_in()
        page = team.owner.get(here).text
        assert "Statement, all time" in page
        assert '<option value="all" selected>' in page
        with app.app_context():
            grant(wallet_of(org_of(team)), 6_000_000)
        page = team.owner.get(here).text
        assert "Statement, 1 Apr to 10 Apr" in page
        assert '<option value="month" selected>' in page
        assert 'type="date" name="from" value=""' in page
        assert rows_in(page) == 1
        for query, rows in (("range=all", 2), ("range=last-month", 1), ("range=7", 1), ("type=admin_grant", 2)):
            assert rows_in(team.owner.get(f"{here}?{query}").text) == rows, query
        page = team.owner.get(f"{here}?range=month&q=20.00").text
        assert "Search all time" in page
        page = team.owner.get(f"{here}?range=month&from=2027-03-01&direction=in").text
        assert rows_in(page) == 2
        assert "More filters (2)" in page


def test_a_charge_says_why_in_its_first_line_and_leads_on(app: Flask, team: Team) -> None:
    user_id = member_id(app, team)
    with app.app_context():
        org = org_of(team)
        grant(wallet_of(org), 50_000_000)
        with transaction(org=org.id):
            key = keys.make(
                org, name="Nightly", scopes=["wallet:charge"], mode="test", by=Actor("user", user_id), made_by=user_id
            ).row
        by = of_key(key).actor
        made = ledger.post(
            wallet_of(org), type="charge", amount=-18_100, origin="api", key="job-42", by=by, app="chat-api",
            description="1,204 tokens",
        )  # fmt: skip
    today = made.created_at.date()
    for person in (team.owner, team.member):
        page = person.get(f"/o/{team.slug}/transactions/{made.id}").text
        assert "<h1>\u2212$0.0181 · 1,204 tokens" in page
        assert f'href="/o/{team.slug}/keys/{key.id}"' in page
        assert "Key of Member Person" in page
        assert 'data-value="job-42"' in page
        assert f"mailto:?subject=Question%20about%20charge%20{made.id}" in page
        for query in (f"by={key.id}", "app=chat-api"):
            href = f"/o/{team.slug}/transactions?{query}&from={today}&to={today}"
            assert href.replace("&", "&amp;") in page
            assert rows_in(person.get(href).text) == 1
    page = team.viewer.get(f"/o/{team.slug}/transactions/{made.id}").text
    assert f"/keys/{key.id}" not in page
