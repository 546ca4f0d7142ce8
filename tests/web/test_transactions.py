"""The statement, its filters and pages, one row explained, and the file of what is shown."""

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock, ids
from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.domain.funds import ledger
from dashboard.domain.funds.ledger import LedgerEntry
from dashboard.models import AuditEntry, Membership, Organization, Transaction, User
from tests.each import each
from tests.factories import charge, grant, make_org, make_user, wallet_of
from tests.servers import Servers
from tests.web.people import Team, ready_team

MOST_BYTES = 60_000
NOON = clock.now().replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


def org_of(team: Team) -> Organization:
    org = db.session.get(Organization, team.org_id)
    assert org
    return org


def day_before(days: int) -> date:
    return (NOON - timedelta(days=days)).date()


def make_history(app: Flask, team: Team) -> None:
    """$100 twenty days ago, then $1.000001 on each of the next ten days."""
    with app.app_context():
        wallet = wallet_of(org_of(team))
        with clock.at(NOON - timedelta(days=20)):
            grant(wallet, 100_000_000)
        for back in range(19, 9, -1):
            with clock.at(NOON - timedelta(days=back)):
                charge(wallet, 1_000_001, app="search" if back % 2 else "chat-api")


def post_as(app: Flask, team: Team, by: Actor, description: str, micros: int = 1_000) -> UUID:
    with app.app_context():
        return ledger.post(
            wallet_of(org_of(team)), type="charge", amount=-micros, origin="api", key=description, by=by,
            description=description, reason="A reason",
        ).id  # fmt: skip


def member_id(app: Flask, team: Team, role: str = "member") -> UUID:
    with app.app_context():
        return db.session.scalars(select(Membership).filter_by(org_id=team.org_id, role=role)).one().user_id


def newest(app: Flask, team: Team) -> Transaction:
    with app.app_context():
        query = select(Transaction).filter_by(org_id=team.org_id).order_by(Transaction.seq.desc()).limit(1)
        return db.session.scalars(query).one()


def rows_in(page: str) -> int:
    return page.split('id="transactions"')[1].count('<td class="cell-amount')


def test_the_statement_adds_up(app: Flask, team: Team) -> None:
    make_history(app, team)
    page = team.owner.get(f"/o/{team.slug}/transactions?from={day_before(15)}&to={day_before(12)}").text
    assert "$96.999996" not in page
    for words in ("$95.999996", "+ $0.000000", "− $4.000004", "= $91.999992", "4 transactions"):
        assert words in page
    whole = team.owner.get(f"/o/{team.slug}/transactions?range=all").text
    for words in ("Statement, all time", "+ $100.000000", "− $10.000010", "= $89.999990"):
        assert words in whole


def test_changed_filters_change_statement_and_export_too(app: Flask, team: Team) -> None:
    make_history(app, team)
    answer = team.owner.get(f"/o/{team.slug}/transactions?from={day_before(12)}&zone=utc", htmx=True).text
    assert answer.lstrip().startswith('<div id="transactions">')
    assert 'hx-target="#statement"' in answer
    assert f"transactions.csv?from={day_before(12)}" in answer


@pytest.fixture
def history(app: Flask, team: Team) -> None:
    make_history(app, team)


@each(
    ("query", "rows"),
    [
        ("range=all", 11),
        ("type=charge", 10),
        ("type=purchase", 0),
        ("direction=in", 1),
        ("direction=out", 10),
        ("app=search", 5),
        ("min=50", 1),
        ("max=1.000001", 10),
        ("max=1", 0),
        ("type=&q=&from=&to=&app=&by=&min=&max=&range=all", 11),
    ],
)
def test_each_filter_narrows(history: None, team: Team, query: str, rows: int) -> None:
    assert rows_in(team.viewer.get(f"/o/{team.slug}/transactions?{query}").text) == rows


def test_the_list_narrows_to_a_person_a_word_and_an_id(app: Flask, team: Team) -> None:
    make_history(app, team)
    admin = member_id(app, team, "admin")
    made = post_as(app, team, Actor("user", admin), "Monthly backup of images")
    for query in (f"by={admin}", "q=backup+images", f"q={made}"):
        page = team.owner.get(f"/o/{team.slug}/transactions?{query}").text
        assert rows_in(page) == 1
        assert "Monthly backup of images" in page
    assert f'<option value="{admin}" selected>' in team.owner.get(f"/o/{team.slug}/transactions?by={admin}").text


@each(
    "query",
    ["by=nobody", "from=2026-13-01", "type=gift", "min=0", "min=-1", "max=1e3", "min=5&max=1", "cursor=%00", "q=%00"],
)
def test_odd_filters_are_refused_in_place(team: Team, query: str) -> None:
    answer = team.owner.get(f"/o/{team.slug}/transactions?{query}")
    assert answer.status_code == 422
    assert "These filters cannot be used" in answer.text
    assert team.owner.get(f"/o/{team.slug}/transactions?{query}", htmx=True).status_code == 422


def test_pages_lead_to_older_and_back_to_newer_rows(app: Flask, team: Team) -> None:
    with app.app_context():
        wallet = wallet_of(org_of(team))
        grant(wallet, 10**9)
        entries = [LedgerEntry(wallet.id, 1_000 + number, str(number), app="x") for number in range(119)]
        with transaction(org=team.org_id):
            ledger.post_batch(team.org_id, entries, mode=wallet.mode, origin="api", by=SYSTEM)
    first = team.owner.get(f"/o/{team.slug}/transactions?type=charge&zone=utc")
    assert len(first.data) < MOST_BYTES
    assert rows_in(first.text) == 50
    second = team.owner.get(link(first.text, "Older")).text
    third = team.owner.get(link(second, "Older")).text
    assert rows_in(third) == 19
    assert "type=charge" in link(second, "Newer")
    assert rows_in(team.owner.get(link(third, "Newer")).text) == 50
    assert '<span class="btn small" aria-disabled="true">Older' in third
    assert '<span class="btn small" aria-disabled="true">Newer' in first.text


def link(page: str, words: str) -> str:
    found = re.search(rf'href="([^"]+)">{words}<', page)
    assert found, words
    return found[1].replace("&amp;", "&")


def test_a_search_that_ends_at_its_window_offers_to_go_on(app: Flask, team: Team) -> None:
    with app.app_context():
        wallet = wallet_of(org_of(team))
        grant(wallet, 10**12)
        for batch in range(5):
            entries = [LedgerEntry(wallet.id, 1, f"{batch}-{number}") for number in range(4_100)]
            with transaction(org=team.org_id):
                ledger.post_batch(team.org_id, entries, mode=wallet.mode, origin="api", by=SYSTEM)
    page = team.owner.get(f"/o/{team.slug}/transactions?direction=in").text
    assert "Nothing found in the newest 20,000 transactions" in page
    assert rows_in(team.owner.get(link(page, "Search further back")).text) == 1


def test_times_are_shown_in_the_own_zone_or_in_utc(app: Flask, team: Team) -> None:
    with app.app_context():
        with transaction():
            user = db.session.get(User, member_id(app, team, "owner"))
            assert user
            user.timezone = "Asia/Kathmandu"
        with clock.at(NOON - timedelta(days=2)):
            grant(wallet_of(org_of(team)), 5_000_000)
    own = team.owner.get(f"/o/{team.slug}/transactions?type=admin_grant").text
    assert ", 17:45</time>" in own
    assert "times in Asia/Kathmandu, days in UTC" in own
    utc = team.owner.get(link(own, "UTC")).text
    assert ", 12:00</time>" in utc
    assert 'name="zone" value="utc"' in utc
    assert rows_in(utc) == 1
    detail = team.owner.get(f"/o/{team.slug}/transactions/{newest(app, team).id}").text
    assert "12:00 UTC (17:45 for you)" in detail


UTC_RANGES = {
    "from=2027-03-01&to=2027-03-31": (24, 28), "from=2027-04-01&to=2027-04-01": (1, 5),
    "from=2027-03-28&to=2027-03-28": (22, 22),
}  # fmt: skip
BERLIN_RANGES = {
    "from=2027-03-01T00:00:00%2B01:00&to=2027-03-31T23:59:59.999999%2B02:00": (23, 23),
    "from=2027-04-01T00:00:00%2B02:00&to=2027-04-01T23:59:59.999999%2B02:00": (2, 10),
    "from=2027-03-28T00:00:00%2B01:00&to=2027-03-28T23:59:59.999999%2B02:00": (23, 23),
}
"""What a range holds: rows, and dollars. In Berlin 28 March 2027 has 23 hours."""


def test_list_file_and_statement_agree_on_which_day_it_is_and_name_the_zone(app: Flask, team: Team) -> None:
    first = datetime(2027, 3, 27, 23, 30, tzinfo=UTC)  # the first of the 23 hours
    moments = [(first + timedelta(hours=n), 1) for n in range(23)]
    moments += [(datetime(2027, 3, 31, 23, 30, tzinfo=UTC), 5), (datetime(2027, 4, 1, 0, 10, tzinfo=UTC), 5)]
    with app.app_context():
        with transaction():
            user = db.session.get(User, member_id(app, team, "owner"))
            assert user
            user.timezone = "Europe/Berlin"
        for moment, dollars in moments:
            with clock.at(moment):
                grant(wallet_of(org_of(team)), dollars * 1_000_000)
    with clock.at(datetime(2027, 4, 2, 12, tzinfo=UTC)):
        team.owner.sign_in()
        for query, (rows, dollars) in {**UTC_RANGES, **BERLIN_RANGES}.items():
            page = team.owner.get(f"/o/{team.slug}/transactions?{query}").text
            file = list(csv.DictReader(io.StringIO(team.owner.get(f"/o/{team.slug}/transactions.csv?{query}").text)))
            assert (rows_in(page), len(file)) == (rows, rows), query
            assert sum(int(row["amount"].replace(".", "")) for row in file) == dollars * 1_000_000
            assert f"<dt>In</dt><dd>+ ${dollars}.000000</dd>" in page, query
            assert "times in Europe/Berlin, days in UTC" in page
            assert {row["time_utc"][-1] for row in file} == {"Z"}
        page = team.owner.get(f"/o/{team.slug}/transactions?{list(BERLIN_RANGES)[1]}").text
        assert "Statement from 31 March 2027, 22:00 UTC until 1 April 2027, 22:00 UTC" in page


def test_strangers_find_neither_list_nor_row_nor_file(app: Flask, team: Team) -> None:
    make_history(app, team)
    row = newest(app, team).id
    for path in ("transactions", "transactions.csv", f"transactions/{row}"):
        assert team.stranger.get(f"/o/{team.slug}/{path}").status_code == 404
        assert "/login" in app.test_client().get(f"/o/{team.slug}/{path}").headers["Location"]


def test_a_row_of_another_organization_is_not_there(app: Flask, team: Team) -> None:
    with app.app_context():
        other = grant(wallet_of(make_org("Other")), 5).id
    for row in (other, ids.new(), "not-an-id"):
        assert team.owner.get(f"/o/{team.slug}/transactions/{row}").status_code == 404


def test_a_member_reads_own_rows_alone(app: Flask, team: Team) -> None:
    make_history(app, team)
    own = post_as(app, team, Actor("user", member_id(app, team)), "Mine")
    foreign = post_as(app, team, Actor("user", member_id(app, team, "admin")), "Not mine")
    page = team.member.get(f"/o/{team.slug}/transactions").text
    assert rows_in(page) == 1
    assert "Statement" not in page
    assert "Admin Person" not in page
    assert team.member.get(f"/o/{team.slug}/transactions/{own}").status_code == 200
    assert team.member.get(f"/o/{team.slug}/transactions/{foreign}").status_code == 404
    assert team.member.get(f"/o/{team.slug}/transactions?q={foreign}").text.count("Not mine") == 0
    file = team.member.get(f"/o/{team.slug}/transactions.csv").text
    assert "Mine" in file
    assert "Not mine" not in file


def test_a_row_is_explained_to_the_last_micro(app: Flask, team: Team) -> None:
    with app.app_context():
        grant(wallet_of(org_of(team)), 50_000_000)
    made = post_as(app, team, Actor("user", member_id(app, team, "admin")), "Backup <b>of</b> images", 1_234_567)
    page = team.viewer.get(f"/o/{team.slug}/transactions/{made}").text
    for words in (
        "$50.000000",
        "−$1.234567",
        "$48.765433",
        "Started by Admin Person",
        "Requested through the API",
        "A reason",
    ):
        assert words in page
    assert "Backup &lt;b&gt;of&lt;/b&gt; images" in page
    assert f'data-value="{made}"' in page
    assert "&#34;amount&#34;: -1234567" in page
    assert "body_hash" not in page


def test_customers_do_not_read_which_manager_acted(app: Flask, team: Team) -> None:
    with app.app_context():
        by = Actor("manager", make_user(name="Hidden Name", manager=True).id)
    with app.app_context():
        made = ledger.post(
            wallet_of(org_of(team)), type="admin_grant", amount=5, origin="grant", key="g", by=by,
            slices=[ledger.NewGrant("promotional", "goodwill", 5)],
        ).id  # fmt: skip
    page = team.owner.get(f"/o/{team.slug}/transactions/{made}").text
    assert "Platform manager" in page
    assert "Hidden Name" not in page


def test_the_file_holds_the_filtered_rows_and_no_formula(app: Flask, team: Team) -> None:
    make_history(app, team)
    texts = ("=HYPERLINK(1)", "+1", "-1", "@x", "＝1+1", " =1", "a;=1+1;b", "a;  @x", "a = b; c", "plain, with a comma")
    for text in texts:
        post_as(app, team, Actor("system"), text)
    answer = team.viewer.get(f"/o/{team.slug}/transactions.csv?type=charge&from={day_before(0)}")
    assert answer.headers["Content-Type"].startswith("text/csv")
    name = f"{team.slug}-transactions-{day_before(0)}-{clock.today()}.csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["description"] for row in reversed(rows)] == [
        "'=HYPERLINK(1)", "'+1", "'-1", "'@x", "'＝1+1", " '=1", "a;'=1+1;b", "a;  '@x", "a = b; c",
        "plain, with a comma",
    ]  # fmt: skip
    assert {row["amount"] for row in rows} == {"-0.001000"}
    assert {row["currency"] for row in rows} == {"USD"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", row["time_utc"]) for row in rows)


def test_the_file_goes_on_past_one_page_and_is_recorded(app: Flask, team: Team) -> None:
    with app.app_context():
        wallet = wallet_of(org_of(team))
        grant(wallet, 10**9)
        entries = [LedgerEntry(wallet.id, 1, str(number)) for number in range(250)]
        with transaction(org=team.org_id):
            ledger.post_batch(team.org_id, entries, mode=wallet.mode, origin="api", by=SYSTEM)
    page = team.owner.get(f"/o/{team.slug}/transactions").text
    assert "251 rows" in page
    rows = list(csv.DictReader(io.StringIO(team.owner.get(link_of_file(page)).text)))
    assert len(rows) == len({row["id"] for row in rows}) == 251
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).filter_by(action="transactions.exported")).one()
        assert entry.org_id == team.org_id
        assert entry.actor_kind == "user"


def link_of_file(page: str) -> str:
    found = re.search(r'href="(/o/[^"]+\.csv[^"]*)"', page)
    assert found
    return found[1].replace("&amp;", "&")


def test_an_odd_filter_makes_no_file(team: Team) -> None:
    assert team.owner.get(f"/o/{team.slug}/transactions.csv?type=gift").status_code == 422
