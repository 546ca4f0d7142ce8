"""`flask counters rebuild`: counters that were damaged are found, and counted again from their events."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.platform import verify
from dashboard.domain.usage import recording
from dashboard.domain.usage.recording import Usage
from dashboard.models import Organization, UsageCounter
from tests.each import each
from tests.factories import make_metric, make_org

pytestmark = pytest.mark.usefixtures("app_context")


def use(org: Organization) -> None:
    now = clock.now()
    usages = [
        Usage("tokens", number + 1, f"{org.slug} {number}", b"", now - timedelta(days=number % 2), f"app{number}")
        for number in range(4)
    ]
    recording.record(org, usages, mode="test", by=SYSTEM, api_key_id=None)


def cells(org: Organization) -> list[tuple[Any, ...]]:
    db.session.expire_all()
    rows = db.session.scalars(select(UsageCounter).filter_by(org_id=org.id))
    return sorted(
        (row.day, row.metric_key, row.dimension, row.value, row.units, row.cost, row.events)
        for row in rows
        if row.units
    )


def damage(org: Organization, statement: str) -> None:
    with transaction(org=org.id):
        db.session.execute(text(statement), {"org": org.id})


def run(app: Flask, *words: str) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["counters", "rebuild", *words])
    return result.exit_code, result.output


@each(
    "statement",
    [
        "UPDATE usage_counters SET units = units + 1 WHERE org_id = :org AND dimension = 'all'",
        "UPDATE usage_counters SET cost = 0 WHERE org_id = :org AND dimension = 'app'",
        "UPDATE usage_counters SET events = events + 1 WHERE org_id = :org AND dimension = 'hour'",
        "INSERT INTO usage_counters SELECT org_id, wallet_id, day - 3, metric_key, dimension, value, units, cost,"
        " events FROM usage_counters WHERE org_id = :org",
        "UPDATE usage_counters SET units = 0, cost = 0, events = 0 WHERE org_id = :org",
    ],
)
def test_damaged_counters_are_found_and_repaired(app_context: Flask, statement: str) -> None:
    if db.session.scalar(select(UsageCounter.day).limit(1)) is None:
        make_metric(amount_micros=3)
    org, sound = make_org(funds=1_000), make_org(funds=1_000)
    use(org)
    use(sound)
    before, others = cells(org), cells(sound)
    assert run(app_context, "--check") == (0, "The counters equal the events.\n")
    damage(org, statement)
    status, said = run(app_context, "--check")
    assert status == 1
    assert f"broken counters: wallet {recording_wallet(org)} of organization {org.id}: tokens on " in said
    assert cells(org) != before
    assert run(app_context, "--check", "--org", sound.slug)[0] == 0
    status, said = run(app_context, "--org", org.slug)
    assert (status, said.splitlines()[-1]) == (0, "The counters equal the events.")
    assert "Counted " in said
    assert cells(org) == before
    assert cells(sound) == others
    assert run(app_context) == (0, "The counters equal the events.\n")
    assert verify.broken() == []


def recording_wallet(org: Organization) -> Any:
    return db.session.scalar(select(UsageCounter.wallet_id).filter_by(org_id=org.id).limit(1))


def test_a_rebuild_goes_in_batches_and_keeps_the_named_apps(app_context: Flask) -> None:
    make_metric(amount_micros=3)
    org = make_org(funds=1_000_000)
    for part in range(2):
        usages = [Usage("tokens", 1, f"e{part}-{number}", b"", app=f"app{number % 120}") for number in range(600)]
        recording.record(org, usages, mode="test", by=SYSTEM, api_key_id=None)
    before = cells(org)
    damage(org, "UPDATE usage_counters SET units = units + 7 WHERE org_id = :org")
    assert run(app_context)[0] == 0
    assert cells(org) == before


def test_an_unknown_organization_is_refused(app_context: Flask) -> None:
    assert run(app_context, "--org", "nope") == (1, "Error: There is no organization with the slug nope.\n")
