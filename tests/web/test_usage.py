"""The page of usage: sums, bars, events and the arithmetic of one event; without usage, how to report it."""

import csv
import io
import re
from datetime import timedelta
from html import unescape
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.audit import Actor
from dashboard.domain.organizations import organizations
from dashboard.domain.usage import metrics, recording
from dashboard.domain.usage.recording import Recorded, Usage
from dashboard.models import AuditEntry, Membership, Organization
from tests.factories import make_metric
from tests.servers import Servers
from tests.web.people import Person, Team, ready_team

SYSTEM = Actor("system", None)


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=10_000_000)


def record(app: Flask, team: Team, *usages: Usage, by: Actor = SYSTEM) -> list[UUID]:
    with app.app_context():
        org = organizations.by_id(team.org_id)
        assert org
        results, _ = recording.record(org, usages, mode="test", by=by, api_key_id=None)
        return [one.event.id for one in results if isinstance(one, Recorded)]


def member_of(app: Flask, team: Team) -> Actor:
    with app.app_context():
        found = db.session.scalars(select(Membership).filter_by(org_id=team.org_id, role="member")).one()
        return Actor("user", found.user_id, found.user_id)


def metered(app: Flask) -> None:
    with app.app_context(), clock.at(clock.now() - timedelta(days=10)):
        make_metric("tokens", amount_micros=150_000, per_units=1_000)
        make_metric("clips", amount_micros=600, free_units=1)


def text_of(person: Person, team: Team, query: str = "") -> str:
    answer = person.get(f"/o/{team.slug}/usage{query}")
    assert answer.status_code == 200
    assert len(answer.data) < 60_000
    return " ".join(re.sub(r"<[^>]+>", " ", unescape(answer.text)).split())


def rows_of(person: Person, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(person.get(path).text)))


def test_sums_events_and_the_arithmetic_of_one(app: Flask, team: Team) -> None:
    metered(app)
    ids = record(
        app, team, Usage("tokens", 4_000, "a", b"", app="chat"), Usage("clips", 1, "b", b""),
        Usage("clips", 2, "c", b""),
    )  # fmt: skip
    page = text_of(team.viewer, team)
    for words in (
        "Cost $0.60", "Quantity 3 events", "tokens 4,000 tokens $0.15 per 1,000 tokens $0.60 100%",
        "clips 3 clips $0.0004 per clip", "$0.15 per 1,000 tokens", "$0.0006 per clip, first 1 free",
    ):  # fmt: skip
        assert words in page, words
    assert "chat 4,000 tokens" in text_of(team.viewer, team, "?group=app&range=7")
    assert "No app 3 clips" in text_of(team.viewer, team, "?group=app")
    assert "No member 3 events" in text_of(team.viewer, team, "?group=member")
    only = text_of(team.viewer, team, "?metric=clips")
    assert "Quantity 3 clips 2 events · $0.0004 per clip on average" in only
    links = team.viewer.get(f"/o/{team.slug}/usage?metric=clips").text
    assert f"/usage/{ids[0]}" not in links
    assert f"/usage/{ids[2]}" in links
    event = team.viewer.get(f"/o/{team.slug}/usage/{ids[2]}").text
    for words in ("$0.0012 · 2 clips", "$0.0012 − $0.00 =", "The charge of $0.0012"):
        assert words in event, words
    assert "None: it cost nothing" in team.viewer.get(f"/o/{team.slug}/usage/{ids[1]}").text


def test_three_clicks_lead_from_a_bar_to_the_single_event(app: Flask, team: Team) -> None:
    metered(app)
    at = clock.now().replace(hour=12, minute=30, second=0, microsecond=0) - timedelta(days=3)
    [event, _] = record(
        app, team, Usage("clips", 2, "a", b"", occurred_at=at),
        Usage("clips", 2, "b", b"", occurred_at=at - timedelta(hours=1)),
    )  # fmt: skip
    path = f"/o/{team.slug}/usage"
    for bar in (f"from={at:%F}&to={at:%F}", f"hour={at:%FT%H}"):
        bars = re.findall(r'<a class="day[^"]*" href="([^"]+)"', team.owner.get(path).text)
        [path] = [unescape(one) for one in bars if bar in unescape(one)]
    page = team.owner.get(path).text
    assert re.findall(r'/usage/([0-9a-f-]{36})"', page) == [str(event)]
    assert "Show the whole day" in page
    assert len(re.findall(r'class="day[^"]* picked"', page)) == 1


def test_groups_by_tag_and_two_filters_at_once(app: Flask, team: Team) -> None:
    metered(app)
    record(
        app, team, Usage("tokens", 1_000, "a", b"", app="chat", properties={"team": "red"}),
        Usage("tokens", 2_000, "b", b"", app="search", properties={"team": "blue"}), by=member_of(app, team),
    )  # fmt: skip
    assert "By tag team" in text_of(team.owner, team)
    page = text_of(team.owner, team, "?group=tag:team")
    assert "blue 2,000 tokens $0.15 per 1,000 tokens $0.30 67%" in page
    user_id = member_of(app, team).user_id
    assert "search 2,000 tokens" in text_of(team.owner, team, f"?group=app&member={user_id}")
    assert "Cost $0.15" in text_of(team.owner, team, f"?app=chat&member={user_id}")


def test_a_member_sees_only_what_they_used(app: Flask, team: Team) -> None:
    metered(app)
    [mine] = record(app, team, Usage("tokens", 1_000, "a", b"", app="chat"), by=member_of(app, team))
    [other] = record(app, team, Usage("tokens", 2_000, "b", b"", app="secret"))
    for query in (
        "",
        "?group=app",
        "?group=metric&range=1",
        "?app=secret",
        "?group=member",
        "?member=" + str(UUID(int=1)),
    ):
        page = text_of(team.member, team, query)
        assert "Only your own usage" in page
        assert "2,000 tokens" not in page, query
        assert "$0.45" not in page, query
    assert "Cost of your usage $0.15" in text_of(team.member, team)
    assert team.member.get(f"/o/{team.slug}/usage/{mine}").status_code == 200
    assert team.member.get(f"/o/{team.slug}/usage/{other}").status_code == 404
    for file in ("usage.csv", "usage/events.csv"):
        assert [row["units"] for row in rows_of(team.member, f"/o/{team.slug}/{file}?group=app")] == ["1000"]
        assert len(rows_of(team.viewer, f"/o/{team.slug}/{file}?group=app")) == 2


def test_files_hold_what_is_shown(app: Flask, team: Team) -> None:
    metered(app)
    record(
        app,
        team,
        Usage("tokens", 4_000, "a", b"", app="=chat", properties={"team": "red"}),
        Usage("clips", 3, "b", b""),
    )
    [row] = rows_of(team.owner, f"/o/{team.slug}/usage.csv?metric=clips")
    today = clock.today().isoformat()
    assert row == {
        "day_utc": today,
        "metric": "clips",
        "units": "3",
        "events": "1",
        "cost": "0.001200",
        "currency": "USD",
    }
    rows = rows_of(team.owner, f"/o/{team.slug}/usage.csv?group=app")
    assert [(row["app"], row["cost"]) for row in rows] == [("No app", "0.001200"), ("'=chat", "0.600000")]
    rows = rows_of(team.owner, f"/o/{team.slug}/usage/events.csv?app=%3Dchat")
    assert [(row["app"], row["idempotency_key"], row["properties"]) for row in rows] == [
        ("'=chat", "a", '{"team":"red"}')
    ]
    with app.app_context():
        entries = db.session.scalars(select(AuditEntry).filter_by(action="usage.exported")).all()
        assert {"file": "usage-events", "app": "=chat"} in [entry.after for entry in entries]


def test_further_pages_have_only_events(app: Flask, team: Team) -> None:
    metered(app)
    record(app, team, *(Usage("tokens", 1, f"key-{number}", b"") for number in range(80)))
    page = team.owner.get(f"/o/{team.slug}/usage").text
    older = re.search(r'href="([^"]*cursor=[^"]+)">Older', page)
    assert older
    page = team.owner.get(unescape(older[1])).text
    assert (page.count("/usage/01"), "chart-plot" in page, ">Newer</a>" in page) == (50, False, True)


def test_filters_that_cannot_be_used_are_refused_in_place(app: Flask, team: Team) -> None:
    metered(app)
    record(app, team, Usage("tokens", 1, "a", b""))
    for query, words in {
        "?from=abc": "From: Enter a day", "?from=2020-01-01": "From: Choose 1 to 400 days.",
        "?hour=x": "Hour: Enter an hour", "?group=x": "Group: Choose one from the list.",
        "?member=me": "Member: This is not an id.",
    }.items():  # fmt: skip
        answer = team.owner.get(f"/o/{team.slug}/usage{query}")
        assert answer.status_code == 422, query
        assert words in answer.text, query
        assert team.owner.get(f"/o/{team.slug}/usage.csv{query}").status_code == 422, query
    fragment = team.owner.get(f"/o/{team.slug}/usage?app=x", htmx=True).text
    assert fragment.lstrip().startswith('<div class="stack-gap" id="usage">')
    assert "No usage matches these filters" in fragment


def test_without_usage_it_says_how_to_report_it(app: Flask, team: Team) -> None:
    page = team.owner.get(f"/o/{team.slug}/usage").text
    assert "No metrics yet" in page
    with app.app_context():
        make_metric("push")
    page = team.owner.get(f"/o/{team.slug}/usage").text
    assert "No price yet: its usage is refused" in page
    assert "&#34;metric_key&#34;: &#34;push&#34;" in page
    assert "so this is refused until it has one" in page
    with app.app_context():
        make_metric("tokens", amount_micros=150_000)
    page = team.owner.get(f"/o/{team.slug}/usage").text
    assert page.count("&#34;metric_key&#34;: &#34;tokens&#34;") == page.count('data-copy="copy-example-') == 2
    assert "This reports 1 token: $0.15 per token." in page
    assert f'href="/o/{team.slug}/prices"' in page
    assert "copy-example-" in team.member.get(f"/o/{team.slug}/usage").text


def test_a_manager_voids_an_event_with_a_reason(app: Flask, team: Team) -> None:
    with app.app_context():
        make_metric("clips", amount_micros=600)
    (event_id,) = record(app, team, Usage("clips", 2, "a", b""))
    here = f"/o/{team.slug}/usage/{event_id}"
    assert f"{here}/void" in team.manager.get(here).text
    for person in (team.owner, team.admin, team.viewer):
        assert f"{here}/void" not in person.get(here).text
    review = team.manager.get(f"{here}/void").text
    for words in ("Gives back $0.0012", "$9.9988", "$10.00"):
        assert words in review, words
    refused = team.manager.post(f"{here}/void", {"reason": " "})
    assert (refused.status_code, "Give a reason" in refused.text) == (422, True)
    for toast in ("Voided. $0.0012 was given back.", "This event is voided already."):
        assert team.manager.post(f"{here}/void", {"reason": "Sent <twice>"}).status_code == 303
        assert toast in team.manager.get(here).text
    page = team.viewer.get(here).text
    assert "Sent &lt;twice&gt;" in page
    assert "Voided" in team.viewer.get(f"/o/{team.slug}/usage").text
    assert "This event is voided" in team.manager.get(f"{here}/void").text


def test_who_leads_a_self_funded_organization_voids_its_usage(app: Flask, team: Team) -> None:
    with app.app_context(), transaction(org=team.org_id):
        db.session.get_one(Organization, team.org_id).funding = "own"
    with app.app_context():
        org = organizations.by_id(team.org_id)
        assert org
        with transaction(org=org.id):
            row = metrics.create(org.id, key="clips", name="Clips", unit="clip", by=SYSTEM)
            metrics.set_price(org.id, row, amount_micros=600, by=SYSTEM)
    first, second = record(app, team, Usage("clips", 2, "a", b""), Usage("clips", 2, "b", b""))
    for person, event_id, status in (
        (team.viewer, first, 403), (team.member, first, 404), (team.admin, first, 303), (team.owner, second, 303),
    ):  # fmt: skip
        assert person.post(f"/o/{team.slug}/usage/{event_id}/void", {"reason": "Ours"}).status_code == status
