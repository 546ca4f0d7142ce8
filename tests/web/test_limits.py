"""The page of spend limits: what people see of them, and how an owner or admin sets them."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from dashboard.core import ids
from dashboard.core.db import db
from dashboard.domain.audit import Actor
from dashboard.domain.funds import charging
from dashboard.models import Membership, Organization, SpendLimit
from tests.factories import make_key, make_limit, wallet_of
from tests.servers import Servers
from tests.web.people import Person, Team, ready_team

USD = 1_000_000
GOOD = {"subject": "org", "amount": "10", "window": "month", "hard": "hard"}


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=100 * USD)


def create(person: Person, team: Team, **changes: Any) -> Any:
    return person.post(f"/o/{team.slug}/limits", GOOD | changes)


def text_of(person: Person, team: Team, tail: str = "limits") -> str:
    page = person.get(f"/o/{team.slug}/{tail}")
    assert page.status_code == 200
    return " ".join(page.text.split())


def live(app: Flask) -> list[SpendLimit]:
    with app.app_context():
        return list(db.session.query(SpendLimit).filter_by(ended_at=None).order_by(SpendLimit.id))


def spend(app: Flask, team: Team, micros: int, user_id: UUID | None = None, app_name: str = "") -> None:
    with app.app_context():
        org = db.session.get_one(Organization, team.org_id)
        by = Actor("user", user_id) if user_id else Actor("system", None)
        charging.charge(
            wallet_of(org), org=org, amount=micros, origin="api", key=str(ids.new()), by=by, app=app_name
        )  # fmt: skip


def user_of(app: Flask, team: Team, role: str) -> UUID:
    with app.app_context():
        return db.session.query(Membership.user_id).filter_by(org_id=team.org_id, role=role).scalar()  # type: ignore[no-any-return]


def test_limits_are_listed_with_what_was_spent(app: Flask, team: Team) -> None:
    assert "No limits yet" in text_of(team.owner, team)
    member = user_of(app, team, "member")
    spend(app, team, 2_500_000, member, "chat")
    for changes in ({}, {"subject": f"member:{member}", "amount": "2.50", "window": "week"},
                    {"subject": "app", "app": "chat", "amount": "1", "window": "day", "hard": "soft"}):  # fmt: skip
        assert create(team.owner, team, **changes).status_code == 303
    page = text_of(team.owner, team)
    for words in ("The whole organization", "$2.50", "$10.00", "Monthly", "Weekly", "App: chat", "Alerts only",
                  "Passed", "Reached", "Refuses", "UTC"):  # fmt: skip
        assert words in page, words
    assert [row.hard for row in live(app)] == [True, True, False]


def test_who_sees_and_sets_limits(app: Flask, team: Team) -> None:
    member = user_of(app, team, "member")
    with app.app_context():
        org = db.session.get_one(Organization, team.org_id)
        make_limit(org, 20 * USD)
        make_limit(org, 7 * USD, "day", "member", user_of(app, team, "admin"))
        make_limit(org, 3 * USD, "week", "member", member)
    for name in ("owner", "admin", "viewer", "manager"):
        assert "$7.00" in text_of(getattr(team, name), team), name
    seen = text_of(team.member, team)
    assert ("$3.00" in seen, "$20.00" in seen, "$7.00" in seen) == (True, True, False)
    for name in ("viewer", "member", "manager"):
        assert "Create limit" not in text_of(getattr(team, name), team), name
        assert create(getattr(team, name), team).status_code == 403


def test_a_limit_is_changed_and_removed_with_a_step_between(app: Flask, team: Team) -> None:
    spend(app, team, 4 * USD)
    create(team.owner, team)
    (row,) = live(app)
    here = f"/o/{team.slug}/limits/{row.id}"
    assert "$4.00" in team.owner.get(f"{here}/edit").text
    assert team.owner.post(f"{here}/edit", {"amount": "4", "hard": "soft"}).status_code == 303
    page = text_of(team.owner, team)
    assert ("$4.00</span> of" in page, "Alerts only" in page) == (True, True)
    wrong = team.owner.post(f"{here}/edit", {"amount": "-4", "hard": "hard"})
    assert (wrong.status_code, "Enter an amount" in wrong.text, 'value="-4"' in wrong.text) == (422, True, True)
    assert "Charges that it would refuse" in team.owner.get(f"{here}/remove").text
    assert team.owner.post(f"{here}/remove").status_code == 303
    assert live(app) == []
    assert team.owner.get(f"{here}/edit").status_code == 404


def test_what_is_typed_wrong_is_shown_in_place(app: Flask, team: Team) -> None:
    for changes, status, words in (
        ({"amount": ""}, 422, "Enter an amount"), ({"amount": "0"}, 422, "above zero"),
        ({"amount": "1e3"}, 422, "Enter an amount"), ({"amount": "NaN"}, 422, "Enter an amount"),
        ({"amount": str(2**63)}, 422, "Enter an amount"), ({"amount": "x" * 5_000}, 422, "Enter an amount"),
        ({"window": "hour"}, 422, "Choose day, week or month"),
        ({"subject": "app", "app": ""}, 422, "name of an app"),
        ({"subject": "app", "app": "a\x00"}, 422, "name of an app"), ({"subject": "team"}, 422, "no such member"),
        ({"subject": f"member:{ids.new()}"}, 422, "no such member"),
        ({"subject": f"key:{ids.new()}"}, 422, "no such key"),
        ({"subject": "key:x"}, 422, "no such key"),
    ):  # fmt: skip
        answer = create(team.owner, team, **changes)
        assert (answer.status_code, words in answer.text) == (status, True), (changes, answer.text[:3_000])
    assert live(app) == []
    assert create(team.owner, team).status_code == 303
    again = create(team.owner, team)
    assert (again.status_code, "already" in again.text) == (409, True)


def test_a_keys_limit_is_shown_on_its_page(app: Flask, team: Team) -> None:
    with app.app_context():
        org = db.session.get_one(Organization, team.org_id)
        make_key(org, "wallet:charge", by=Actor("user", user_of(app, team, "member")))
    page = text_of(team.owner, team, "limits/new")
    value = page.split('value="key:')[1].split('"')[0]
    assert create(team.owner, team, subject=f"key:{value}", amount="5", window="week").status_code == 303
    assert f'value="key:{value}"' not in text_of(team.owner, team, "limits/new")
    shown = text_of(team.owner, team, f"keys/{value}")
    for words in ("$5.00 spent this week", "bounded by the weekly limit of the key"):
        assert words in shown, words
    assert "API key: Test" in text_of(team.member, team)


def test_what_can_be_spent_now_is_one_number_with_what_bounds_it(app: Flask, team: Team) -> None:
    assert "now, bounded by the balance" in text_of(team.member, team, "")
    with app.app_context():
        org = db.session.get_one(Organization, team.org_id)
        make_limit(org, 7 * USD, "day", "member", user_of(app, team, "member"))
    for tail in ("", "limits"):
        page = text_of(team.member, team, tail)
        assert "$7.00" in page
        assert "now, bounded by the daily limit of the member" in page
    assert "now, bounded by the balance" in text_of(team.owner, team, "")
    for name in ("viewer", "manager"):
        assert "You can spend" not in text_of(getattr(team, name), team, "")
