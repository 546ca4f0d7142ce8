"""Service keys on the platform's pages: made with a reason, shown once, listed, rotated, capped, revoked."""

import re
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import ids
from dashboard.core.db import db, transaction
from dashboard.domain.access.permissions import SERVICE_SCOPES
from dashboard.domain.audit import SYSTEM
from dashboard.domain.people import users
from dashboard.domain.platform import user_administration
from dashboard.models import PLATFORM_ORG_ID, ApiKey, AuditEntry
from tests import factories
from tests.servers import Servers
from tests.web.people import Team, ready_team

HERE = "/admin/service-keys"
REASON = {"reason": "The new backend"}


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


def create(team: Team, **changes: object) -> tuple[str, str]:
    """A new key: its page's path and its text."""
    fields = {"name": "Backend", "scopes": ["wallet:charge", "orgs:write"], "idempotency_key": str(ids.new())}
    answer = team.manager.post(HERE, fields | REASON | changes)  # type: ignore[arg-type]
    assert answer.status_code == 303, answer.text
    return answer.location, shown(team.manager.get(answer.location).text)


def shown(page: str) -> str:
    found = re.findall(r"cofs_test_[\w-]{20,}", page)
    return found[0] if found else ""


def works(app: Flask, key: str) -> bool:
    answer = app.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code == 200


def entries(app: Flask) -> list[tuple[str, str | None]]:
    with app.app_context():
        rows = db.session.scalars(select(AuditEntry).filter_by(org_id=PLATFORM_ORG_ID, object_kind="api_key"))
        return [(row.action, row.reason) for row in sorted(rows, key=lambda row: row.id)]


def test_a_key_is_made_with_a_reason_and_shown_once(app: Flask, team: Team) -> None:
    path, key = create(team, cap="100", cap_window="day", expires_at="2099-01-31")
    assert works(app, key)
    again = team.manager.get(path).text
    assert shown(again) == ""
    assert "Every platform-funded organization, test mode" in again
    assert "100.00 spent today" in again
    assert entries(app) == [("key.made", "The new backend")]
    listed = team.manager.get(HERE).text
    assert key[-4:] in listed
    assert path in listed
    audit = team.manager.get(f"/admin/audit?object={path.rpartition('/')[2]}").text
    assert "created the API key Backend" in audit
    entry = re.findall(r"/admin/audit/[0-9a-f-]{36}", audit)[0]
    assert path in team.manager.get(entry).text


def test_only_scopes_of_service_keys_are_offered_and_taken(team: Team) -> None:
    offered = set(re.findall(r'name="scopes" value="([^"]+)"', team.manager.get(f"{HERE}/new").text))
    assert {"wallet:charge", "wallet:deposit", "wallet:read", "orgs:write"} <= offered <= SERVICE_SCOPES
    good = {"name": "Backend", "scopes": ["wallet:charge"], **REASON}
    for changed, words in (
        ({"scopes": []}, "Choose at least one scope"), ({"scopes": ["platform:grant"]}, "cannot have platform:grant"),
        ({"reason": " "}, "Give a reason"), ({"name": ""}, "Enter a name"),
        ({"cap": "x", "cap_window": "day"}, "Enter an amount"),
        ({"expires_at": "soon"}, "Enter a date"), ({"expires_at": "2001-01-01"}, "already have expired"),
    ):  # fmt: skip
        answer = team.manager.post(HERE, good | changed)  # type: ignore[operator]
        assert (answer.status_code, words in answer.text) == (422, True), words
        if "reason" not in changed:
            assert "The new backend" in answer.text


def test_the_same_form_sent_twice_makes_one(app: Flask, team: Team) -> None:
    form = {"name": "Once", "scopes": ["wallet:read"], "idempotency_key": str(ids.new()), **REASON}
    assert team.manager.post(HERE, form).location == team.manager.post(HERE, form).location
    with app.app_context():
        assert db.session.query(ApiKey).filter_by(name="Once").count() == 1


def test_it_is_rotated_capped_and_revoked_with_a_reason(app: Flask, team: Team) -> None:
    path, old = create(team, cap="5", cap_window="month")
    for act in ("rotate", "cap", "calls", "revoke"):
        assert team.manager.get(f"{path}/{act}").status_code == 200
        assert "Give a reason" in team.manager.post(f"{path}/{act}", {"grace": "24h"}).text
    answer = team.manager.post(f"{path}/rotate", {"grace": "24h", "reason": "Yearly"})
    new_path, new = answer.location, shown(team.manager.get(answer.location).text)
    assert works(app, old)
    assert works(app, new)
    assert team.manager.post(f"{path}/rotate", {"grace": "now", "reason": "Again"}).status_code == 409
    team.manager.post(f"{new_path}/cap", {"cap": "7", "cap_window": "month", "reason": "Grown"})
    assert "$7.00" in team.manager.get(path).text  # both share it
    for typed, status in (("x", 422), ("0", 422), ("5,000", 303)):
        answer = team.manager.post(f"{new_path}/calls", {"call_limit": typed, "reason": "Many customers"})
        assert answer.status_code == status, typed
    assert "5,000 in any" in team.manager.get(new_path).text
    assert team.manager.post(f"{new_path}/revoke", {"reason": "Leaked"}).location == HERE
    assert works(app, old)
    assert not works(app, new)
    assert team.manager.post(f"{new_path}/cap", {"cap": "9", "cap_window": "day", "reason": "x"}).status_code == 409
    assert entries(app)[-4:] == [
        ("key.rotated", "Yearly"), ("key.cap_changed", "Grown"), ("key.call_limit_changed", "Many customers"),
        ("key.revoked", "Leaked"),
    ]  # fmt: skip


def test_keys_of_organizations_are_not_among_them(app: Flask, team: Team) -> None:
    with app.app_context():
        platform = db.session.get(factories.Organization, PLATFORM_ORG_ID)
        assert platform is not None
        factories.make_key(platform, "platform:read")
        org_key = db.session.scalars(select(ApiKey.id).filter_by(org_id=PLATFORM_ORG_ID)).one()
    assert team.manager.get(f"{HERE}/{org_key}").status_code == 404
    assert team.manager.post(f"{HERE}/{org_key}/revoke", REASON).status_code == 404
    assert "No service keys yet" in team.manager.get(HERE).text


def test_pages_show_an_organization_that_has_no_owner_yet(app: Flask, team: Team) -> None:
    _, key = create(team)
    made = app.test_client().post(
        "/api/v1/orgs", json={"name": "Customer 9", "external_key": "crm-9"}, headers={"Authorization": f"Bearer {key}"}
    ).get_json()  # fmt: skip
    org = f"/o/{made['slug']}"
    for path in ("/admin/", "/admin/orgs", f"/admin/orgs/{made['id']}", f"{org}/", f"{org}/members", f"{org}/audit"):
        assert team.manager.get(path).status_code == 200, path
    assert "Backend (service key)" in team.manager.get(f"{org}/audit").text


def test_the_page_says_when_its_maker_left(app: Flask, team: Team) -> None:
    path, key = create(team)
    assert "Rotate: maker left" not in team.manager.get(HERE).text
    with app.app_context():
        other = factories.make_user(manager=True)
        row = db.session.get_one(ApiKey, (PLATFORM_ORG_ID, UUID(path.rpartition("/")[2])))
        with transaction(PLATFORM_ORG_ID) as session:
            session.execute(db.update(ApiKey).filter_by(org_id=row.org_id, id=row.id).values(created_by=other.id))
            user_administration.disable(users.by_id(other.id), reason="Left", by=SYSTEM)
    assert "Rotate: maker left" in team.manager.get(HERE).text
    assert "is no longer a platform manager" in team.manager.get(path).text
    assert works(app, key)


def test_a_page_says_what_the_key_may_do_and_how(team: Team) -> None:
    form = team.manager.get(f"{HERE}/new").text
    assert "Create organizations and set their external keys<small>orgs:write" in form
    place, _ = create(team)
    pages = [team.manager.get(place).text for _ in range(2)]
    assert "Charge the balance" in pages[0]
    keys = {re.search(r"Idempotency-Key: (first-charge-\w+)", page)[1] for page in pages}  # type: ignore[index]
    assert len(keys) == 2, "no example repeats another one's charge"
