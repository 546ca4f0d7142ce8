"""Cost management: what it shows to whom, in every state of a wallet, and how it stays live."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape

import pytest
from flask import Flask
from sqlalchemy import event, func, select

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain.audit import Actor
from dashboard.domain.funds import ledger
from dashboard.models import AuditEntry, Membership, Organization
from tests.each import each
from tests.factories import charge, grant, wallet_of
from tests.servers import Servers
from tests.web.people import Team, ready_team

MOST_BYTES = 60_000
MOST_READS = 30
APPS = ("chat-api", "search", "render-worker", "backup", "mail", "")


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


def org_of(team: Team) -> Organization:
    org = db.session.get(Organization, team.org_id)
    assert org
    return org


def spend_for_days(app: Flask, team: Team, days: int, micros: int = 1_000_000) -> None:
    """One charge at noon on each of the last `days` full days, from a balance of $100."""
    with app.app_context():
        wallet = wallet_of(org_of(team))
        noon = clock.now().replace(hour=12, minute=0)
        with clock.at(noon - timedelta(days=days + 1)):
            grant(wallet, 100_000_000)
        for back in range(days, 0, -1):
            with clock.at(noon - timedelta(days=back)):
                charge(wallet, micros, app=APPS[back % len(APPS)])


def pay_in(app: Flask, team: Team, micros: int) -> None:
    with app.app_context():
        grant(wallet_of(org_of(team)), micros)


def by_member(app: Flask, team: Team, micros: int, description: str) -> None:
    """A charge that the member caused."""
    with app.app_context():
        member = db.session.scalars(select(Membership).filter_by(org_id=team.org_id, role="member")).one()
        ledger.post(
            wallet_of(org_of(team)), type="charge", amount=-micros, origin="api", key=description,
            by=Actor("user", member.user_id), description=description,
        )  # fmt: skip


def live_of(page: str) -> str:
    found = re.search(r'id="live"[^>]* hx-get="([^"]+)"', page)
    assert found
    return found[1].replace("&amp;", "&")


def test_a_stranger_finds_nothing_and_a_visitor_signs_in(app: Flask, team: Team) -> None:
    assert team.stranger.get(f"/o/{team.slug}/").status_code == 404
    assert team.stranger.get(f"/o/{team.slug}/live?v=0").status_code == 404
    answer = app.test_client().get(f"/o/{team.slug}/")
    assert answer.status_code in (302, 303)
    assert "/login" in answer.headers["Location"]


def test_a_new_organization_sees_three_steps(team: Team) -> None:
    page = team.owner.get(f"/o/{team.slug}/").text
    assert "Three steps to the first charge" in page
    assert "Create an API key" in page
    assert "Out of credits" in page
    assert "No transactions yet" in page
    assert "Buy credits" not in team.viewer.get(f"/o/{team.slug}/").text.split("Three steps")[0]


def test_the_cards_tell_how_much_how_long_and_what_came_in(app: Flask, team: Team) -> None:
    spend_for_days(app, team, 10)
    page = team.owner.get(f"/o/{team.slug}/").text
    assert "$90.000000 exact" in page
    assert "90 days" in page
    assert "7-day pace $1.00/day" in page
    assert "How is the run-out date calculated?" in page
    assert "$100.00 granted" in page
    assert "Three steps" not in page
    for app_name in APPS[:4]:
        assert app_name in page


@pytest.mark.parametrize("role", ["admin", "viewer", "manager"])
def test_readers_of_the_ledger_see_the_costs(app: Flask, team: Team, role: str) -> None:
    spend_for_days(app, team, 4)
    page = getattr(team, role).get(f"/o/{team.slug}/").text
    assert "Daily cost" in page
    assert ("/buy" in page.split("<main")[1]) == (role == "admin")


def test_a_member_sees_the_balance_and_own_rows_alone(app: Flask, team: Team) -> None:
    spend_for_days(app, team, 4)
    by_member(app, team, 5_000, "My own call")
    page = team.member.get(f"/o/{team.slug}/").text
    assert "$95.995000 exact" in page
    assert "My own call" in page
    assert re.search(r"Your cost in 30 days.+?\$0\.0050</span>.+Your daily cost", page, re.S)
    assert "Runs out in" not in page
    assert ">search<" not in page
    assert page.split('id="recent"')[1].count("<tr>") == 2
    assert "Three steps to the first charge" not in page


@each(
    ("chosen", "words"),
    [
        ("7", "Spent in 7 days"),
        ("30", "Spent in 30 days"),
        ("90", "Spent in 90 days"),
        ("month", "Spent this month"),
        ("last-month", "Spent last month"),
        ("bogus", "Spent in 30 days"),
    ],
)
def test_each_range_can_be_chosen(app: Flask, team: Team, chosen: str, words: str) -> None:
    spend_for_days(app, team, 3)
    page = team.owner.get(f"/o/{team.slug}/?range={chosen}&group=type").text
    assert words in page
    assert "Cost by type" in page


def test_recent_charges_are_told_by_the_hour_and_singly(app: Flask, team: Team) -> None:
    pay_in(app, team, 50_000_000)
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    with app.app_context():
        wallet = wallet_of(org_of(team))
        for minute, name in ((1, "chat"), (2, "chat"), (3, "search"), (4, "chat")):
            with clock.at(hour + timedelta(hours=1, minutes=minute)):
                charge(wallet, 10_000, app=name)
    team.owner.sign_in()
    lines = team.owner.get(f"/o/{team.slug}/?range=7").text.split('id="recent"')[1]
    assert lines.count("<tr>") == 4
    assert "3 charges" in lines
    assert "\u2212$0.03<" in lines
    link = re.search(r'href="([^"]+)">3 charges', lines)
    assert link
    with clock.at(hour + timedelta(hours=2)):
        assert team.owner.get(unescape(link[1])).text.count('<td class="cell-amount') == 3
    single = re.search(r'href="([^"]+)#recent">Show single entries', lines)
    assert single
    assert "range=7" in single[1]
    assert team.owner.get(unescape(single[1])).text.split('id="recent"')[1].count("<tr>") == 6
    assert "<form" not in lines


def test_a_bar_leads_to_its_day_and_the_line_to_the_day_at_zero(app: Flask, team: Team) -> None:
    spend_for_days(app, team, 10)
    page = team.owner.get(f"/o/{team.slug}/?range=7").text
    days = re.findall(r'<a class="day[^"]*" href="([^"]+)"', page)
    assert len(days) == 7
    assert team.owner.get(unescape(days[-2])).text.count('<td class="cell-amount') == 1
    assert "Balance at this pace: $90.00, zero about" in page
    assert "Balance at this pace" not in team.owner.get(f"/o/{team.slug}/?range=last-month").text


@pytest.mark.parametrize(
    ("balance", "words"),
    [(0, "Out of credits"), (-2_000_000, "overdrawn by $2.00"), (3_000_000, "Credits run out in 3 days")],
)
def test_one_notice_the_worst_first(app: Flask, team: Team, balance: int, words: str) -> None:
    spend_for_days(app, team, 8)
    with app.app_context():
        wallet = wallet_of(org_of(team))
        ledger.post(
            wallet, type="admin_removal", amount=balance - wallet.balance, origin="test", key="down",
            by=Actor("system"), allow_negative=True,
        )  # fmt: skip
    page = team.owner.get(f"/o/{team.slug}/").text
    assert words in page
    assert page.count('<section class="notice') == 1


def test_a_low_balance_without_a_pace_is_noticed(app: Flask, team: Team) -> None:
    pay_in(app, team, 4_000_000)
    assert "Balance is below $5.00" in team.owner.get(f"/o/{team.slug}/").text


def test_live_answers_nothing_until_the_ledger_moves(app: Flask, team: Team) -> None:
    pay_in(app, team, 50_000_000)
    live = live_of(team.owner.get(f"/o/{team.slug}/").text)
    assert team.owner.get(live, htmx=True).status_code == 204
    pay_in(app, team, 7_000_000)
    answer = team.owner.get(live, htmx=True)
    assert answer.status_code == 200
    for target in ("pill-top", "pill-side", "balance", "forecast", "top-notice", "new-rows", "live"):
        assert f'hx-target="#{target}"' in answer.text
    assert "$57.000000 exact" in answer.text
    assert "1 new transaction<" in answer.text
    again = live_of(answer.text)
    assert team.owner.get(again, htmx=True).status_code == 204
    pay_in(app, team, 1)
    assert "2 new transactions<" in team.owner.get(again, htmx=True).text


def test_live_says_once_that_the_balance_got_low(app: Flask, team: Team) -> None:
    pay_in(app, team, 6_000_000)
    live = live_of(team.owner.get(f"/o/{team.slug}/").text)
    with app.app_context():
        charge(wallet_of(org_of(team)), 4_000_000)
    answer = team.owner.get(live, htmx=True).text
    assert "The balance is $2.00: low." in answer
    with app.app_context():
        charge(wallet_of(org_of(team)), 1_000_000)
    assert "#toasts" not in team.owner.get(live_of(answer), htmx=True).text


def test_live_survives_odd_versions(app: Flask, team: Team) -> None:
    pay_in(app, team, 1_000_000)
    for query in ("", "v=x", "v=-5&since=abc", "v=99&state=odd&part=odd"):
        assert team.owner.get(f"/o/{team.slug}/live?{query}", htmx=True).status_code == 200


def test_a_member_is_not_told_how_many_rows_others_made(app: Flask, team: Team) -> None:
    pay_in(app, team, 50_000_000)
    live = live_of(team.member.get(f"/o/{team.slug}/").text)
    pay_in(app, team, 1_000_000)
    answer = team.member.get(live, htmx=True).text
    assert "$51.000000 exact" in answer
    assert "new transaction" not in answer
    assert "#forecast" not in answer


def test_a_manager_looks_once_and_does_not_poll(app: Flask, team: Team) -> None:
    page = team.manager.get(f"/o/{team.slug}/").text
    assert 'id="live"' not in page
    with app.app_context():
        seen = select(func.count()).select_from(AuditEntry)
        query = seen.filter_by(org_id=team.org_id, action="organization.visited")
        assert db.session.scalar(query) == 1


@pytest.fixture
def statements(app: Flask) -> Iterator[list[str]]:
    """The SQL that is sent from now on."""
    sent: list[str] = []
    with app.app_context():
        engine = db.engine

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def test_the_page_keeps_its_budgets(app: Flask, team: Team, statements: list[str]) -> None:
    with app.app_context():
        wallet = wallet_of(org_of(team))
        noon = clock.now().replace(hour=12, minute=0)
        with clock.at(noon - timedelta(days=100)):
            grant(wallet, 10**12)
        for back in range(95, 0, -1):
            with clock.at(noon - timedelta(days=back)):
                for name in APPS:
                    charge(wallet, 12_345 * (back % 7 + 1), app=name)
    team.owner.sign_in()
    for query in ("", "?range=90", "?range=90&table=1", "?range=last-month&group=type"):
        statements.clear()
        answer = team.owner.get(f"/o/{team.slug}/{query}")
        assert answer.status_code == 200
        assert len(answer.data) < MOST_BYTES, query
        assert len(statements) <= MOST_READS, query


def test_a_long_chart_has_its_table_on_a_page_of_its_own(app: Flask, team: Team) -> None:
    spend_for_days(app, team, 3)
    assert "<table" in team.owner.get(f"/o/{team.slug}/?range=30").text.split("Recent transactions")[0]
    page = team.owner.get(f"/o/{team.slug}/?range=90").text.split("Recent transactions")[0]
    assert "<table" not in page
    assert "Show as table" in page
    table = team.owner.get(f"/o/{team.slug}/?range=90&table=1").text.split("Recent transactions")[0]
    assert "Show as chart" in table
    assert table.count("<tr>") == 91


def test_names_that_no_page_knows_are_left_alone(team: Team) -> None:
    odd = "slug=x&endpoint=y&_external=1&_anchor=z&_method=POST&zone=utc&range=%00&group[]=1"
    for page in ("", "transactions", "transactions.csv", "live"):
        answer = team.owner.get(f"/o/{team.slug}/{page}?{odd}")
        assert answer.status_code == 200, page
        assert "http://" not in answer.text.replace("curl http://", "")
