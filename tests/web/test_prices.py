"""Pages of metrics and prices: read by those who pay, changed by managers and by organizations that fund themselves."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.audit import SYSTEM
from dashboard.domain.usage import metrics
from dashboard.domain.usage.recording import Usage
from dashboard.models import PLATFORM_ORG_ID, AuditEntry, Metric, Organization, Price
from tests.each import each
from tests.factories import make_metric
from tests.servers import Servers
from tests.web.people import Person, Team, ready_team
from tests.web.test_usage import record

LIST = "/admin/catalog/metrics"
FLAT = {"kind": "flat", "amount": "0.12", "per_units": "1000000", "period": "none"}
SAVE = {"confirm": "1", "reason": "Cheaper models"}


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=10_000_000)


def text(page: Any) -> str:
    """The words of a page, without tags."""
    return " ".join(unescape(re.sub("<[^>]+>", " ", page.text)).split())


def prices(app: Flask, key: str = "tokens") -> list[Price]:
    with app.app_context():
        return list(db.session.scalars(select(Price).filter_by(metric_key=key).order_by(Price.effective_from)))


def test_a_metric_is_made_priced_and_archived(app: Flask, team: Team) -> None:
    form = {"metric_key": "tokens", "name": "Tokens", "unit": "token", "reason": "New product"}
    made = team.manager.post(LIST, form)
    assert (made.status_code, made.headers["Location"]) == (303, f"{LIST}/tokens/price")
    assert "No price yet Usage is refused" in text(team.manager.get(LIST))
    assert team.manager.post(LIST, form).status_code == 409
    review = team.manager.post(f"{LIST}/tokens/price", FLAT)
    assert "Nothing has changed yet" in review.text
    assert "nothing to compare" in review.text
    assert prices(app) == []
    assert team.manager.post(f"{LIST}/tokens/price", FLAT | SAVE).status_code == 303
    assert team.manager.post(f"{LIST}/tokens/price", FLAT | SAVE).status_code == 303
    assert [(one.amount_micros, one.per_units) for one in prices(app)] == [(120_000, 1_000_000)]
    assert "$0.12 per 1M tokens" in text(team.viewer.get(f"/o/{team.slug}/prices"))
    assert team.manager.post(f"{LIST}/tokens/archive", {"reason": ""}).status_code == 422
    assert team.manager.post(f"{LIST}/tokens/archive", {"reason": "Gone"}).status_code == 303
    assert "tokens" not in team.viewer.get(f"/o/{team.slug}/prices").text
    assert "Archived" in team.manager.get(LIST).text
    assert team.manager.post(f"{LIST}/tokens/restore", {"reason": "Back"}).status_code == 303
    with app.app_context():
        entries = db.session.scalars(select(AuditEntry).filter_by(org_id=PLATFORM_ORG_ID).order_by(AuditEntry.id)).all()
        told = [(one.action, one.reason) for one in entries if one.object_kind in ("metric", "price")]
    assert told == [
        ("metric.created", "New product"), ("price.set", "Cheaper models"), ("metric.archived", "Gone"),
        ("metric.restored", "Back"),
    ]  # fmt: skip


def test_the_review_shows_the_last_30_days_at_both_prices(app: Flask, team: Team) -> None:
    with app.app_context():
        make_metric("tokens", amount_micros=150_000, per_units=1_000_000)
    record(app, team, Usage("tokens", 9_000_000, "a", b""), Usage("tokens", 1_000_000, "b", b""))
    page = text(team.manager.post(f"{LIST}/tokens/price", FLAT))
    for words in ("At the price now $1.50", "Difference \u2212$0.30", "At the new price $1.20", "Charged: $1.50"):
        assert words in page, words
    assert "10,000,000 tokens in 2 events of 1 wallet" in page


def test_a_price_begins_later_or_is_for_one_organization(app: Flask, team: Team) -> None:
    with app.app_context():
        make_metric("tokens", amount_micros=150_000)
        day = clock.today() + timedelta(days=9)
    later = FLAT | SAVE | {"starts": f"{day:%F}"}
    assert f'value="{day:%F}"' in team.manager.post(f"{LIST}/tokens/price", later | {"back": "1"}).text
    assert team.manager.post(f"{LIST}/tokens/price", later).status_code == 303
    assert team.manager.post(f"{LIST}/tokens/price", later | {"amount": "3"}).status_code == 409
    assert prices(app)[-1].effective_from.date() == day
    page = text(team.owner.get(f"/o/{team.slug}/prices/tokens"))
    assert "Scheduled" in page
    assert "In force" in page
    assert team.manager.post(f"{LIST}/tokens/price", FLAT | SAVE | {"org": team.slug}).status_code == 303
    assert "Agreed price" in team.owner.get(f"/o/{team.slug}/prices").text
    assert "Organizations with a price of their own" in team.manager.get(f"{LIST}/tokens").text
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).filter_by(org_id=team.org_id, action="price.set")).one()
        assert entry.reason == "Cheaper models"


def test_tiers_and_bounds_are_read(app: Flask, team: Team) -> None:
    with app.app_context():
        make_metric("tokens")
    tiers = {"up_to_1": "1,000", "tier_amount_1": "0.02", "tier_per_1": "1", "tier_amount_3": "0", "tier_per_3": "10"}
    graduated = {"kind": "graduated", "period": "day", "free_units": "5", "amount": "left over", **tiers}
    assert team.manager.post(f"{LIST}/tokens/price", graduated | SAVE).status_code == 303
    per_event = {"kind": "per_event", "amount": "0.02", "per_units": "100", "min": "0.20", "max": "5", "period": "odd"}
    assert team.manager.post(f"{LIST}/tokens/price", per_event | SAVE).status_code == 303
    first, second = prices(app)
    assert first.tiers == [
        {"up_to": 1_000, "amount_micros": 20_000, "per_units": 1}, {"up_to": None, "amount_micros": 0, "per_units": 10},
    ]  # fmt: skip
    assert (first.free_units, first.period) == (5, "day")
    assert (second.min_micros, second.max_micros, second.period) == (200_000, 5_000_000, "none")
    assert 'value="0.2"' in team.manager.get(f"{LIST}/tokens/price").text


@each(
    ("fields", "field"),
    [
        *(({"amount": amount}, "amount") for amount in ("", "-1", "NaN", "1e3", "1,5", "0.0000001", "9" * 13)),
        *(({"per_units": units}, "per_units") for units in ("", "0", "-1", "1.5", str(2**63), "9" * 30)),
        *(({"free_units": units}, "free_units") for units in ("-1", "x", str(2**63))),
        ({"kind": "volume"}, "kind"), ({"kind": ""}, "kind"), ({"period": "year"}, "period"),
        ({"starts": "2020-01-01"}, "starts"), ({"starts": "soon"}, "starts"), ({"starts": "2027-02-30"}, "starts"),
        ({"org": "no-such-organization"}, "org"), ({"kind": "graduated"}, "tiers"),
        ({"kind": "graduated", "up_to_1": "5", "tier_amount_1": "1"}, "tiers"),
        ({"kind": "graduated", "up_to_1": "x", "tier_amount_1": "1"}, "tiers"),
        ({"kind": "per_event", "min": "2", "max": "1"}, "max"), ({"kind": "per_event", "min": "-1"}, "min"),
    ],
)  # fmt: skip
def test_bad_entries_stay_at_their_fields(app: Flask, team: Team, fields: dict[str, str], field: str) -> None:
    with app.app_context():
        if metrics.find(PLATFORM_ORG_ID, "tokens") is None:
            make_metric("tokens")
    answer = team.manager.post(f"{LIST}/tokens/price", FLAT | fields | SAVE)
    assert answer.status_code == 422
    assert f'id="f-{field}-error"' in answer.text
    for typed in fields.values():
        assert not typed or field in ("kind", "period") or f'value="{typed}"' in answer.text
    assert prices(app) == []


@each(
    ("fields", "field"),
    [
        *(({"metric_key": key}, "metric_key") for key in ("Tokens", "new", "", "1st", "x" * 64)),
        ({"name": " "}, "name"), ({"name": "x" * 81}, "name"), ({"unit": ""}, "unit"), ({"reason": ""}, "reason"),
    ],
)  # fmt: skip
def test_a_metric_needs_key_name_unit_and_reason(app: Flask, team: Team, fields: dict[str, str], field: str) -> None:
    good = {"metric_key": "clips", "name": "Clips", "unit": "clip", "reason": "Because"}
    answer = team.manager.post(LIST, good | fields)
    assert answer.status_code == 422
    assert f'id="f-{field}-error"' in answer.text
    with app.app_context():
        assert db.session.scalar(select(Metric)) is None


def test_an_organization_that_funds_itself_sets_its_prices(app: Flask, team: Team) -> None:
    with app.app_context():
        make_metric("emails", amount_micros=5_000)
        with transaction(org=team.org_id):
            db.session.get_one(Organization, team.org_id).funding = "own"
    here = f"/o/{team.slug}/prices"
    assert "emails" not in team.viewer.get(here).text
    for person, status in ((team.viewer, 403), (team.member, 403), (team.manager, 403), (team.admin, 303)):
        made = person.post(here, {"metric_key": "tokens", "name": "Tokens", "unit": "token"})
        assert made.status_code == status
    assert team.owner.post(f"{here}/tokens/price", FLAT | {"confirm": "1", "org": "demo"}).status_code == 303
    assert [one.org_id for one in prices(app)] == [team.org_id]
    assert "$0.12 per 1M tokens" in text(team.viewer.get(here))
    assert team.manager.get(f"{LIST}/tokens").status_code == 404
    assert _refused(team.manager, f"{LIST}/emails/price", team.slug)
    record(app, team, Usage("tokens", 1_000_000, "a", b""))
    assert "1,000,000 tokens" in text(team.viewer.get(here))
    assert "1,000,000" not in text(team.manager.get(LIST))


def _refused(manager: Person, path: str, slug: str) -> bool:
    answer = manager.post(path, FLAT | SAVE | {"org": slug})
    return answer.status_code == 422 and "sets its own prices" in answer.text


def test_nobody_changes_what_the_platform_set(app: Flask, team: Team) -> None:
    with app.app_context():
        row = make_metric("tokens", amount_micros=150_000)
        with transaction(org=team.org_id):
            metrics.set_price(team.org_id, row, amount_micros=100_000, by=SYSTEM)
    for path, fields in (("", {}), ("/tokens/price", FLAT | SAVE), ("/tokens/archive", SAVE)):
        assert team.owner.post(f"/o/{team.slug}/prices{path}", fields).status_code == 403
    page = team.owner.get(f"/o/{team.slug}/prices/tokens")
    assert "New price" not in page.text
    assert "Agreed for" in text(page)
