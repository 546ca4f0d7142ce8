"""The audit log of an organization and of the platform: who sees what, filters, one entry, the file."""

import csv
import io
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock, ids
from dashboard.core.db import db, transaction
from dashboard.domain import audit
from dashboard.domain.audit import SYSTEM, Actor, Ref, names
from dashboard.domain.people import authentication
from dashboard.domain.people.authentication import BadCredentials
from dashboard.models import PLATFORM_ORG_ID, AuditEntry
from tests.factories import PASSWORD, make_user
from tests.servers import Servers
from tests.web.people import Person, Team, make_team, ready_team

THING = Ref("ledger", "1")


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


def add(app: Flask, team: Team, action: str = "key.made", about: Ref = THING, **values: Any) -> UUID:
    with app.app_context(), transaction(org=team.org_id):
        entry = audit.record(about, action, by=SYSTEM, org=team.org_id, **values)
        db.session.flush()
        return entry.id


def entries(app: Flask, action: str) -> list[AuditEntry]:
    with app.app_context():
        return list(db.session.scalars(select(AuditEntry).filter_by(action=action).order_by(AuditEntry.id)))


def test_readers_see_it_and_members_do_not(team: Team) -> None:
    for person in (team.owner, team.admin, team.viewer, team.manager):
        page = person.get(f"/o/{team.slug}/audit")
        assert page.status_code == 200
        assert "created the organization" in page.text
    assert team.member.get(f"/o/{team.slug}/audit").status_code == 403
    assert "/audit" not in team.member.get(f"/o/{team.slug}/").text
    assert team.stranger.get(f"/o/{team.slug}/audit").status_code == 404


def test_a_managers_look_stands_in_it(team: Team) -> None:
    team.manager.get(f"/o/{team.slug}/transactions")
    page = team.owner.get(f"/o/{team.slug}/audit?group=visits").text
    assert "Platform manager viewed the organization: " in page
    assert "viewed the organization" not in team.owner.get(f"/o/{team.slug}/audit?group=keys").text


def test_an_entry_has_an_address_of_its_own(app: Flask, team: Team) -> None:
    made = add(app, team, "credits.granted", reason="<b>slow</b>", before={"balance": 1}, after={"balance": 3_000_000})
    page = team.viewer.get(f"/o/{team.slug}/audit/{made}").text
    for words in ("&lt;b&gt;slow&lt;/b&gt;", "$0.000001", "$3.000000", str(made), "credits.granted"):
        assert words in page
    assert team.stranger.get(f"/o/{team.slug}/audit/{made}").status_code == 404


def test_an_entry_leads_to_its_object_where_the_reader_may_look(app: Flask, team: Team) -> None:
    made = add(app, team, about=Ref("api_key", team.org_id))
    assert f'href="/o/{team.slug}/keys/' in team.admin.get(f"/o/{team.slug}/audit/{made}").text
    assert f'href="/o/{team.slug}/keys/' not in team.viewer.get(f"/o/{team.slug}/audit/{made}").text
    joined = entries(app, "member.added")[0].id
    assert f'<a href="/o/{team.slug}/members">' in team.viewer.get(f"/o/{team.slug}/audit/{joined}").text


def test_filters_change_the_list_and_the_file(app: Flask, team: Team) -> None:
    answer = team.owner.get(f"/o/{team.slug}/audit?group=keys", htmx=True).text
    assert answer.lstrip().startswith('<div id="audit">')
    assert f"/o/{team.slug}/audit.csv?group=keys" in answer
    odd = team.owner.get(f"/o/{team.slug}/audit?group=nothing")
    assert odd.status_code == 422
    assert "These filters cannot be used" in odd.text


def test_the_file_is_safe_in_a_spreadsheet_and_leaves_an_entry(app: Flask, team: Team) -> None:
    add(app, team, "credits.granted", reason='=HYPERLINK("x")', after={"category": "+1", "amount": 5})
    team.manager.get(f"/o/{team.slug}/transactions")
    answer = team.owner.get(f"/o/{team.slug}/audit.csv?group=money")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{team.slug}-audit-2')
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["action"], row["reason"]) for row in rows] == [("credits.granted", '\'=HYPERLINK("x")')]
    assert rows[0]["time_utc"].endswith("Z")
    assert all(not value.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for value in row.values())
    noted = entries(app, "audit.exported")[0]
    assert (noted.org_id, noted.after) == (team.org_id, {"group": "money"})
    whole = team.owner.get(f"/o/{team.slug}/audit.csv").text
    assert '"organization.visited","Platform manager viewed the organization: ' in whole
    staff = [row for row in csv.DictReader(io.StringIO(whole)) if row["actor_kind"] == "manager"]
    assert staff
    assert all(not row["actor_id"] and not row["ip"] for row in staff)


def test_an_export_records_what_was_looked_for_and_nothing_else(app: Flask, team: Team) -> None:
    odd = f"org=%00&actor={'-' * 4_000}{team.org_id}"
    assert team.viewer.get(f"/o/{team.slug}/audit.csv?{odd}").status_code == 422
    assert entries(app, "audit.exported") == []
    noise = f"org=%00{'x' * 4_000}&group=money&note=hello"
    assert team.viewer.get(f"/o/{team.slug}/audit.csv?{noise}").status_code == 200
    assert [entry.after for entry in entries(app, "audit.exported")] == [{"group": "money"}]
    assert "org=" not in team.viewer.get(f"/o/{team.slug}/audit?{noise}").text


def test_the_platform_sees_all_of_it_with_sign_ins(app: Flask, team: Team) -> None:
    add(app, team, "key.revoked")
    with app.app_context(), pytest.raises(BadCredentials):
        authentication.sign_in(make_user(name="Wanda Wanted").email, "not it", ip="192.0.2.1")
    page = team.manager.get("/admin/audit").text
    for words in ("signed in", "A sign-in as Wanda Wanted was refused", "revoked the API key", "Ledger seals"):
        assert words in page
    one = team.manager.get(f"/admin/audit?org={team.org_id}").text
    assert "revoked the API key" in one
    assert "signed in" not in one
    assert team.owner.get("/admin/audit").status_code == 403
    file = team.manager.get("/admin/audit.csv?group=accounts")
    assert 'filename="platform-audit-2' in file.headers["Content-Disposition"]
    assert "session.opened" in file.text
    assert entries(app, "audit.exported")[-1].org_id == PLATFORM_ORG_ID


def test_signing_in_and_out_are_entries(app: Flask) -> None:
    with app.app_context():
        user = make_user()
    team = make_team(app)
    before = len(entries(app, "session.ended"))
    team.owner.post("/logout")
    assert len(entries(app, "session.ended")) == before + 1
    assert {entry.org_id for entry in entries(app, "session.opened")} == {PLATFORM_ORG_ID}
    with app.app_context():
        authentication.sign_in(user.email, PASSWORD, ip="192.0.2.1")
    assert entries(app, "session.opened")[-1].actor_id == user.id


def test_ending_one_session_and_all_others_are_entries(app: Flask) -> None:
    with app.app_context():
        email = make_user().email
    here, there = Person(app, email), Person(app, email)
    there_id = re.findall(r"/account/security/sessions/([0-9a-f-]{36})/end", here.get("/account/security").text)[0]
    assert here.post(f"/account/security/sessions/{there_id}/end").status_code == 303
    assert [entry.object_id for entry in entries(app, "session.revoked")] == [there_id]
    assert there.get("/account").status_code == 303
    assert here.post("/account/security/sessions/end-others").status_code == 303
    assert len(entries(app, "user.signed_out")) == 1


def test_refused_sign_ins_write_within_their_limit_only(app: Flask) -> None:
    with app.app_context():
        user = make_user()
        for _ in range(40):
            with pytest.raises(Exception, match=r"wrong|many"):
                authentication.sign_in(user.email, "not it", ip="192.0.2.1")
    assert 5 <= len(entries(app, "session.refused")) <= 10


def test_a_manager_who_asks_for_what_a_page_polls_is_seen_as_well(app: Flask) -> None:
    team = make_team(app)
    for _ in range(3):
        assert team.manager.get(f"/o/{team.slug}/payments/live").status_code in (200, 204)
    with app.app_context():
        visits = db.session.scalars(select(AuditEntry).filter_by(org_id=team.org_id, action="organization.visited"))
        assert [one.object_id for one in visits] == [f"/o/{team.slug}/payments/live"]


def test_the_pages_of_one_visit_are_one_line_that_can_be_hidden(app: Flask, team: Team) -> None:
    home, now = f"/o/{team.slug}", clock.now().replace(hour=11, minute=10)
    pages = [f"{home}/", f"{home}/payments", f"{home}/payments/{ids.new()}", f"/admin/orgs/{team.org_id}/remove"]
    by = Actor("manager", ids.new())
    for minutes, path in [(0, pages[0]), *zip((60, 61, 61, 63), pages, strict=True)]:
        with clock.at(now + timedelta(minutes=minutes)), app.app_context(), transaction(org=team.org_id):
            audit.record(audit.Ref("page", path), "organization.visited", by=by, org=team.org_id)
    with clock.at(now + timedelta(minutes=70)):
        team.owner.sign_in()
        page = team.owner.get(f"{home}/audit").text
        told = "Platform manager viewed the organization: overview, payments, removal form (4 pages, 12:10 to 12:13)"
        assert told in page
        assert page.count("Platform manager viewed") == 2
        assert f"/admin/orgs/{team.org_id}" not in page
        hidden = team.owner.get(f"{home}/audit?visits=hide").text
        assert "Platform manager viewed" not in hidden
        assert 'name="visits" value="hide" checked' in hidden
    assert team.owner.get(f"{home}/audit?visits=x").status_code == 422


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/o/acme/", "overview"), ("/o/acme/transactions.csv", "file of transactions"), ("/admin/users", "users"),
        ("/admin/orgs/01a05bfb-0000-7000-8000-000000000000", "overview"), ("/o/acme/keys/new", "API keys, new"),
        ("/api/v1/orgs/01a05bfb-0000-7000-8000-000000000000/wallet", "wallet"), ("/", "overview"),
    ],
)  # fmt: skip
def test_a_page_is_told_in_words(path: str, words: str) -> None:
    assert names.page_of(path) == words
