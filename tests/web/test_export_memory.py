"""Files are made in constant memory: however many rows they have, a few hundred are held at a time."""

import gc
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import pytest
from flask import Flask
from sqlalchemy import event

from dashboard.core import lists
from dashboard.core.db import db
from dashboard.domain.audit import SYSTEM
from dashboard.domain.organizations import organizations
from dashboard.domain.usage import recording
from dashboard.domain.usage.recording import Usage
from dashboard.models import Transaction, UsageEvent
from tests.factories import make_metric
from tests.servers import Servers
from tests.web.people import Team, ready_team

BATCHES, EVENTS = 4, 1_000


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    team = ready_team(app, servers, funds=10_000_000)
    with app.app_context():
        make_metric("tokens", amount_micros=1)
        org = organizations.by_id(team.org_id)
        assert org
        for batch in range(BATCHES):
            usages = [Usage("tokens", 1, f"{batch}-{number}", b"") for number in range(EVENTS)]
            recording.record(org, usages, mode="test", by=SYSTEM, api_key_id=None)
    return team


@pytest.fixture
def alive() -> Iterator["WeakSet[Any]"]:
    """The rows that were loaded and are still held."""
    held: WeakSet[Any] = WeakSet()

    def note(row: Any, _context: object) -> None:
        held.add(row)

    for model in (Transaction, UsageEvent):
        event.listen(model, "load", note)
    yield held
    for model in (Transaction, UsageEvent):
        event.remove(model, "load", note)


@pytest.mark.parametrize("file", ["transactions.csv", "usage/events.csv"])
def test_a_file_holds_a_few_hundred_rows_at_a_time(app: Flask, team: Team, alive: "WeakSet[Any]", file: str) -> None:
    fetched = [0]
    with app.app_context():
        engine = db.engine

    def note(_connection: object, cursor: Any, *_: object) -> None:
        fetched.append(cursor.rowcount)

    event.listen(engine, "after_cursor_execute", note)
    answer = team.owner.client.get(f"/o/{team.slug}/{file}")
    lines, most = 0, 0
    for line in answer.iter_encoded():
        lines += line.count(b"\n")
        if lines % 250 == 0:
            gc.collect()
            most = max(most, len(alive))
    event.remove(engine, "after_cursor_execute", note)
    assert lines >= BATCHES * EVENTS + 1
    assert 0 < most <= 2 * lists.FILE_ROWS
    assert max(fetched) <= lists.FILE_ROWS + 1
