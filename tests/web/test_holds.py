"""The pages of holds: the list, one hold with its story and its charge, and the release of one that was left behind."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain.funds.holds import steps
from dashboard.domain.funds.holds.steps import HoldRequest
from dashboard.domain.funds.spend_limits import Spender
from dashboard.domain.organizations import organizations
from dashboard.domain.people import users
from dashboard.models import AuditEntry, Hold, Organization
from tests import factories
from tests.servers import Servers
from tests.web.people import Person, Team, ready_team


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=10_000_000)


def org_of(team: Team) -> Organization:
    org = organizations.by_id(team.org_id)
    assert org
    return org


def held(flask: Flask, team: Team, micros: int, **named: Any) -> Hold:
    with flask.app_context():
        return factories.hold(org_of(team), micros, **named)


def captured(app: Flask, team: Team, hold: Hold, micros: int) -> Hold:
    with app.app_context():
        request = HoldRequest("api", f"capture {hold.id}", factories.SYSTEM)
        return steps.capture(hold, request, org=org_of(team), amount=micros).hold


def text_of(person: Person, path: str, status: int = 200) -> str:
    answer = person.get(path)
    assert answer.status_code == status
    return " ".join(re.sub(r"<[^>]+>", " ", unescape(answer.text)).split())


def test_a_new_organization_reads_how_holds_are_made(team: Team) -> None:
    here = f"/o/{team.slug}/holds"
    page = text_of(team.owner, here)
    assert "No holds yet" in page
    assert f"/api/v1/orgs/{team.org_id}/holds" in page
    assert "/capture" in page
    assert "Nothing is held now" in page
    assert f'href="{here}" aria-current="page"' in team.owner.get(here).text


def test_the_list_shows_each_hold_with_its_state_and_its_charge(app: Flask, team: Team) -> None:
    here = f"/o/{team.slug}/holds"
    held(app, team, 300_000, app="chat", description="A long answer")
    done = captured(app, team, held(app, team, 500_000, app="render", description="<b>A video</b>"), 120_000)
    page = text_of(team.viewer, here)
    assert "$0.30 held · $9.58 available" in page
    for words in ("A long answer", "A video", "Open", "Captured", "$0.12", "$0.50"):
        assert words in page, words
    raw = team.viewer.get(here).text
    assert "&lt;b&gt;A video" in raw
    assert f"/o/{team.slug}/transactions/{done.transaction_id}" in raw
    assert "A long answer" not in text_of(team.viewer, f"{here}?state=captured")
    assert "A video" not in text_of(team.viewer, f"{here}?app=chat")
    assert "No holds match" in text_of(team.viewer, f"{here}?app=nothing")
    assert "Choose one from the list" in text_of(team.viewer, f"{here}?state=odd", 422)


def test_a_hold_and_its_charge_lead_to_each_other(app: Flask, team: Team) -> None:
    hold = captured(app, team, held(app, team, 500_000, app="chat", description="A long answer"), 120_000)
    there, charge = f"/o/{team.slug}/holds/{hold.id}", f"/o/{team.slug}/transactions/{hold.transaction_id}"
    page = text_of(team.owner, there)
    for words in ("$0.50 · A long answer", "Held $0.50", "Captured $0.12", "$0.38 is available again"):
        assert words in page, words
    assert charge in team.owner.get(there).text
    assert "Release hold" not in page
    assert there in team.owner.get(charge).text
    assert "$0.50 was held; this captured $0.12" in text_of(team.owner, charge)


def test_members_see_only_their_own(app: Flask, team: Team) -> None:
    with app.app_context():
        member = users.by_email(team.member.email)
        assert member
    held(app, team, 100_000, description="Of the team")
    own = held(app, team, 200_000, description="Of the member", spender=Spender(member.id))
    page = text_of(team.member, f"/o/{team.slug}/holds")
    assert "Of the member" in page
    assert "Of the team" not in page
    shown = text_of(team.member, f"/o/{team.slug}/holds/{own.id}")
    assert f"Counts to {member.name}" in shown
    assert "Release hold" not in shown
    assert team.member.get(f"/o/{team.slug}/holds/{own.id}/release").status_code == 403


def test_an_owner_releases_a_hold_once(app: Flask, team: Team) -> None:
    hold = held(app, team, 300_000, description="Lost")
    there = f"/o/{team.slug}/holds/{hold.id}"
    assert "$0.30 held" in text_of(team.owner, f"/o/{team.slug}/")
    assert "Release $0.30 for Lost ?" in text_of(team.owner, f"{there}/release")
    assert "<html" not in team.owner.get(f"{there}/release", htmx=True).text
    for _ in range(2):
        assert team.owner.post(f"{there}/release").location == there
    page = text_of(team.owner, there)
    assert "Released" in page
    assert "$0.30 is available again" in page
    assert "nothing to release" in text_of(team.owner, f"{there}/release")
    with app.app_context():
        entries = db.session.query(AuditEntry).filter_by(org_id=team.org_id, action="hold.released").all()
        assert [(one.object_id, one.before) for one in entries] == [(str(hold.id), {"held": 300_000})]
        assert factories.wallet_of(org_of(team)).held == 0
    assert "released a hold of $0.30" in text_of(team.owner, f"/o/{team.slug}/audit")


def test_an_expired_hold_is_not_released(app: Flask, team: Team) -> None:
    hold = held(app, team, 300_000, seconds=60)
    there = f"/o/{team.slug}/holds/{hold.id}"
    with clock.at(clock.now() + timedelta(seconds=61)):
        assert "available again within a minute" in text_of(team.owner, there)
        team.owner.post(f"{there}/release")
        page = text_of(team.owner, there)
        assert "This hold had expired." in page
        assert "Expired" in page
        assert "Expired" in text_of(team.owner, f"/o/{team.slug}/holds?state=expired")
    with app.app_context():
        assert db.session.query(AuditEntry).filter_by(org_id=team.org_id, action="hold.released").count() == 0
