"""Costs by metric, app, member and key add up to what the ledger says, and lead to their rows."""

import re
from datetime import timedelta
from html import unescape
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import event, select

from dashboard.core import clock
from dashboard.core.db import db
from dashboard.domain.audit import Actor
from dashboard.domain.organizations import organizations
from dashboard.domain.usage import recording
from dashboard.domain.usage.recording import Usage
from dashboard.models import Membership, Organization
from tests.factories import charge, make_metric, wallet_of
from tests.servers import Servers
from tests.web.people import Person, Team, ready_team

NOON = clock.now().replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    team = ready_team(app, servers, funds=10_000_000)
    with app.app_context(), clock.at(NOON - timedelta(days=90)):
        make_metric("tokens", amount_micros=1_000)
        make_metric("push", amount_micros=600)
    return team


def org_of(team: Team) -> Organization:
    org = organizations.by_id(team.org_id)
    assert org
    return org


def use(app: Flask, team: Team, metric: str, units: int, days_ago: int, reported: int = 0, role: str = "") -> None:
    """Units that were used some days ago, and reported so many days later."""
    at = NOON - timedelta(days=days_ago)
    with app.app_context():
        row = db.session.scalar(select(Membership).filter_by(org_id=team.org_id, role=role)) if role else None
        by = Actor("user", row.user_id, row.user_id) if row else Actor("system")
        with clock.at(at + timedelta(days=reported)):
            usage = Usage(metric, units, f"{metric}{units}{days_ago}{reported}", b"", occurred_at=at, app="chat")
            recording.record(org_of(team), [usage], mode="test", by=by, api_key_id=UUID(int=9) if role else None)


def pay(app: Flask, team: Team, micros: int, days_ago: int) -> None:
    with app.app_context(), clock.at(NOON - timedelta(days=days_ago)):
        charge(wallet_of(org_of(team)), micros, app="chat")


def shares(person: Person, team: Team, query: str = "") -> list[tuple[str, str, str]]:
    """Label, amount and how much of each share."""
    page = person.get(f"/o/{team.slug}/{query}").text
    found = re.findall(r'<div class="row">(.+?)</div>.+?<div class="row muted"><span>(.*?)</span>', page, re.S)
    texts = [(re.sub(r"<[^>]+>", "|", row).strip("|").split("|"), left) for row, left in found]
    return [(parts[0], parts[-1], left) for parts, left in texts]


def test_each_group_adds_up_to_what_was_spent(app: Flask, team: Team) -> None:
    use(app, team, "tokens", 500, 3, role="member")
    use(app, team, "push", 100, 2)
    pay(app, team, 40_000, 2)
    assert shares(team.owner, team) == [
        ("tokens", "$0.50", "500 tokens"), ("push", "$0.06", "100 pushes"),
        ("Other charges", "$0.04", "Not counted as usage of the day"),
    ]  # fmt: skip
    assert shares(team.owner, team, "?group=app") == [("chat", "$0.60", "3 transactions")]
    assert shares(team.owner, team, "?group=member") == [
        ("Member Person", "$0.50", "1 event"), ("Other charges", "$0.10", "Not counted as usage of the day"),
    ]  # fmt: skip
    assert [row[1] for row in shares(team.owner, team, "?group=key")] == ["$0.50", "$0.10"]
    assert shares(team.member, team) == [("tokens", "$0.50", "500 tokens")]
    assert shares(team.member, team, "?group=member") == shares(team.member, team), "has only their own"


def test_usage_that_is_reported_late_moves_no_day_of_the_ledger(app: Flask, team: Team) -> None:
    use(app, team, "tokens", 500, 3)
    use(app, team, "push", 100, 36, reported=34)
    use(app, team, "push", 200, 5, reported=4)
    assert shares(team.owner, team, "?range=7") == [
        ("tokens", "$0.50", "500 tokens"), ("push", "$0.12", "200 pushes"),
        ("Other charges", "$0.06", "Not counted as usage of the day"),
    ]  # fmt: skip
    page = team.owner.get(f"/o/{team.slug}/?range=7").text
    assert "$0.68 from" in page
    assert "$0.12" in page


def test_bars_and_shares_lead_to_their_rows(app: Flask, team: Team) -> None:
    use(app, team, "tokens", 500, 3, role="member")
    use(app, team, "push", 100, 3)
    pay(app, team, 40_000, 3)
    page = team.owner.get(f"/o/{team.slug}/?range=7").text
    bar = unescape(re.findall(r'<a class="day[^"]*" href="([^"]+)"', page)[3])
    assert "chart-plot" in team.owner.get(bar).text
    assert "Cost per hour" in team.owner.get(bar).text
    for group, label, words in (
        ("metric", "push", "100 pushes"), ("metric", "Other charges", "$0.0400"),
        ("member", "Member Person", "500 tokens"), ("app", "chat", "$0.0400"),
    ):  # fmt: skip
        page = team.owner.get(f"/o/{team.slug}/?range=7&group={group}").text
        link = re.search(rf'href="([^"]+)">{label}</a>', page)
        assert link, label
        assert words in team.owner.get(unescape(link[1])).text, label


def test_the_page_reads_as_often_for_50_metrics_as_for_two(app: Flask, team: Team) -> None:
    use(app, team, "tokens", 5, 3)
    use(app, team, "push", 1, 2)
    team.owner.sign_in()
    team.owner.get(f"/o/{team.slug}/")
    sent: list[str] = []
    with app.app_context():
        engine = db.engine

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    counts = []
    for repeated in (False, True):
        for query in ("", "?group=member", "?group=key&range=90"):
            sent.clear()
            answer = team.owner.get(f"/o/{team.slug}/{query}")
            assert (answer.status_code, len(answer.data) < 60_000) == (200, True)
            assert not [one for one in sent if "usage_events" in one]
            counts.append(len(sent))
        if repeated:
            break
        with app.app_context(), clock.at(NOON - timedelta(days=90)):
            for number in range(48):
                make_metric(f"m{number}", amount_micros=number)
        for number in range(48):
            use(app, team, f"m{number}", 3, number % 20)
    event.remove(engine, "before_cursor_execute", note)
    assert counts[:3] == counts[3:]
    assert max(counts) <= 30
