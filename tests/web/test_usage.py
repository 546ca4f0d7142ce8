"""The page of usage: sums, events and the arithmetic of one event; without usage, how to report it."""

from uuid import UUID

import pytest
from flask import Flask

from dashboard.domain.audit import Actor
from dashboard.domain.organizations import organizations
from dashboard.domain.usage import recording
from dashboard.domain.usage.recording import Recorded, Usage
from tests.factories import make_metric
from tests.servers import Servers
from tests.web.people import Team, ready_team


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=10_000_000)


def record(app: Flask, team: Team, *usages: Usage) -> list[UUID]:
    with app.app_context():
        org = organizations.by_id(team.org_id)
        assert org
        results, _ = recording.record(org, usages, mode="test", by=Actor("system", None), api_key_id=None)
        return [one.event.id for one in results if isinstance(one, Recorded)]


def test_sums_events_and_the_arithmetic_of_one(app: Flask, team: Team) -> None:
    with app.app_context():
        make_metric("tokens", amount_micros=150_000, per_units=1_000)
        make_metric("clips", amount_micros=600, free_units=1)
    ids = record(
        app, team, Usage("tokens", 4_000, "a", b"", app="chat"), Usage("clips", 1, "b", b""),
        Usage("clips", 2, "c", b""),
    )  # fmt: skip
    page = team.viewer.get(f"/o/{team.slug}/usage").text
    for words in ("$0.6012", "4,000 units in 1 event", "$0.15 per 1,000 tokens", "$0.0006 per clip, first 1 free"):
        assert words in page, words
    assert "4,000 units in 1 event" not in team.viewer.get(f"/o/{team.slug}/usage?group=member").text
    assert "chat" in team.viewer.get(f"/o/{team.slug}/usage?group=app&range=7").text
    only = team.viewer.get(f"/o/{team.slug}/usage?metric=clips").text
    assert f"/usage/{ids[0]}" not in only
    assert f"/usage/{ids[2]}" in only
    event = team.viewer.get(f"/o/{team.slug}/usage/{ids[2]}").text
    for words in ("$0.0012 · 2 clips", "$0.0012 − $0.00 =", "The charge of $0.0012"):
        assert words in event, words
    assert "None: it cost nothing" in team.viewer.get(f"/o/{team.slug}/usage/{ids[1]}").text


def test_without_usage_it_says_how_to_report_it(app: Flask, team: Team) -> None:
    page = team.owner.get(f"/o/{team.slug}/usage").text
    assert "No metrics yet" in page
    with app.app_context():
        make_metric("push")
    page = team.owner.get(f"/o/{team.slug}/usage").text
    assert "No price yet: its usage is refused" in page
    assert "&#34;metric_key&#34;: &#34;push&#34;" in page
