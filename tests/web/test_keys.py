"""API keys on pages: who sees which, shown once, never wider than their maker, revoked with a step between."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain import rate_limits
from dashboard.domain.access import keys
from dashboard.domain.access.permissions import TABLE, Verb
from dashboard.domain.access.scopes import SCOPES, SERVICE
from dashboard.models import ApiKey, AuditEntry, Organization, UserSession
from tests.each import each
from tests.servers import ROOT, Servers
from tests.web.people import HTMX, Person, Team, make_team, ready_team

KEY = re.compile(r"cof_test_[0-9a-f]{32}_[\w-]{43}")
OPERATOR = ("wallet:deposit", "usage:void", "prices:write", "platform:read", "platform:grant")


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers, funds=1_000_000)


def create(person: Person, team: Team, *, htmx: bool = False, **changes: Any) -> Any:
    fields = {"name": "Production server", "scopes": ["wallet:read"], "expires_at": ""} | changes
    return person.post(f"/o/{team.slug}/keys", fields, htmx=htmx)


def made(person: Person, team: Team, **changes: Any) -> tuple[str, str]:
    """The address of a new key and the key itself."""
    answer = create(person, team, **changes)
    assert answer.status_code == 303, answer.text
    where = answer.headers["Location"]
    found = KEY.search(person.get(where).text)
    assert found
    return where, found[0]


def all_keys(app: Flask) -> list[ApiKey]:
    with app.app_context():
        return list(db.session.scalars(select(ApiKey).order_by(ApiKey.id)))


def test_a_new_key_works_and_is_shown_once(app: Flask, team: Team) -> None:
    answer = create(team.owner, team)
    where = answer.headers["Location"]
    assert answer.status_code == 303
    assert not KEY.search(answer.text)
    assert not KEY.search(where)
    first = team.owner.get(where)
    found = KEY.search(first.text)
    assert found
    assert first.headers["Cache-Control"] == "no-store"
    assert "It is shown only once" in first.text
    with app.app_context():
        assert keys.authenticate(found[0]).name == "Production server"
    assert not KEY.search(team.owner.get(where).text)
    assert "Revoke key" in team.owner.get(where).text


def test_until_it_is_seen_the_key_waits_encrypted_and_in_its_makers_session(app: Flask, team: Team) -> None:
    where = create(team.owner, team).headers["Location"]
    with app.app_context():
        kept = str([session.state for session in db.session.scalars(select(UserSession))])
    assert "new_keys" in kept
    assert "cof_test_" not in kept
    assert not KEY.search(team.admin.get(where).text)
    assert team.owner.client.head(where).status_code == 200
    assert KEY.search(team.owner.get(where).text)
    with app.app_context():
        after = [session.state for session in db.session.scalars(select(UserSession))]
    assert not any(state.get("new_keys") for state in after)


def test_its_example_is_a_call_that_works(app: Flask, team: Team) -> None:
    where = create(team.owner, team).headers["Location"]
    page = team.owner.get(where).text
    key, path = KEY.search(page), re.search(r"http://localhost(/api/v1/orgs/[^\s<]+)", page)
    assert key
    assert path
    answer = app.test_client().get(path[1], headers={"Authorization": f"Bearer {key[0]}"})
    assert answer.status_code == 200
    assert "1000000" in answer.text


@pytest.mark.parametrize(("scope", "body"), [("wallet:charge", "charge"), ("wallet:deposit", "deposit")])
def test_the_example_of_a_key_that_moves_money_says_how(team: Team, scope: str, body: str) -> None:
    person = team.manager if scope in OPERATOR else team.owner
    where = create(person, team, scopes=[scope]).headers["Location"]
    assert f"&#34;operation&#34;: &#34;{body}&#34;" in person.get(where).text


def test_each_example_has_both_calls_and_charges_under_a_key_of_its_own(team: Team) -> None:
    where = create(team.owner, team, scopes=["wallet:read", "wallet:charge"]).headers["Location"]
    pages = [team.owner.get(where).text, team.owner.get(where).text, team.owner.get(f"/o/{team.slug}/").text]
    for page in pages[:2]:
        assert page.count("/wallet \\\n") == 2
    keys_ = [re.search(r"Idempotency-Key: (first-charge-[0-9a-f]{8})", page) for page in pages]
    assert len({found[1] for found in keys_ if found}) == 3


def test_the_list_says_what_there_is(app: Flask, team: Team) -> None:
    assert "No keys yet" in team.owner.get(f"/o/{team.slug}/keys").text
    made(team.owner, team, name="First", scopes=["wallet:read", "wallet:charge"])
    where, _ = made(team.admin, team, name="Second", expires_at="2099-12-31")
    team.owner.post(f"{where}/revoke")
    with app.app_context(), clock.at(clock.now() - timedelta(days=100)), transaction(team.org_id):
        org = db.session.get_one(Organization, team.org_id)
        keys.make(org, name="Old", scopes=["wallet:read"], mode="test", by=keys.Actor("system"))
        late = keys.make(
            org, name="Late", scopes=["wallet:read"], mode="test", by=keys.Actor("system"),
            expires_at=clock.now() + timedelta(days=1),
        )  # fmt: skip
        assert late.row.expires_at
    page = team.owner.get(f"/o/{team.slug}/keys").text
    for words in ("First", "Second", "Olga Owner", "A command", "Active", "Revoked", "Expired", "Unused for 90 days",
                  "wallet:charge, wallet:read", "1 Jan 2100", "Never"):  # fmt: skip
        assert words in page, words


def test_the_form_offers_only_what_its_maker_may_give(team: Team) -> None:
    here = f"/o/{team.slug}/keys/new"
    offered = {
        name: set(re.findall(r'name="scopes" value="([^"]+)"', getattr(team, name).get(here).text))
        for name in ("owner", "admin", "member", "viewer", "manager")
    }
    reading = {"wallet:read", "usage:read", "payments:read", "catalog:read"}
    spending, leading = (
        {"wallet:charge", "holds:write", "usage:write"},
        {"checkout:create", "members:write", "audit:read", "org:config"},
    )
    assert offered["owner"] == offered["admin"] == spending | reading | leading
    assert offered["member"] == spending | {"catalog:read"}
    assert offered["viewer"] == reading | {"audit:read"}
    assert offered["manager"] == set(OPERATOR) | offered["viewer"]


@pytest.mark.parametrize("scope", ["wallet:charge", "members:write", "checkout:create"])
def test_a_manager_gets_into_an_organization_by_no_key(app: Flask, team: Team, scope: str) -> None:
    """With such a key they would spend its credits, or make a friend its admin."""
    assert create(team.manager, team, scopes=[scope]).status_code == 403
    with app.app_context():
        assert db.session.scalars(db.select(ApiKey).filter_by(org_id=team.org_id)).all() == []


def test_every_scope_that_a_route_asks_for_is_offered_and_no_other() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "dashboard" / "api").rglob("*.py"))
    asked = {TABLE[Verb[name]].scope for name in re.findall(r"\bVerb\.([A-Z_]+)", sources)}
    assert asked == set(SCOPES) | set(SERVICE)


@pytest.mark.parametrize("scope", OPERATOR)
def test_an_operator_scope_is_given_by_managers_alone(app: Flask, team: Team, scope: str) -> None:
    for person in (team.owner, team.admin, team.member, team.viewer):
        assert create(person, team, scopes=["catalog:read", scope]).status_code == 403
    assert not all_keys(app)
    made(team.manager, team, scopes=[scope])
    [key] = all_keys(app)
    assert (key.scopes, key.org_id) == ([scope], team.org_id)
    assert "Platform manager" in team.owner.get(f"/o/{team.slug}/keys").text


@pytest.mark.parametrize(("role", "scope"), [("member", "wallet:read"), ("viewer", "wallet:charge")])
def test_a_key_never_has_more_than_its_maker(app: Flask, team: Team, role: str, scope: str) -> None:
    answer = create(getattr(team, role), team, scopes=[scope])
    assert answer.status_code == 403
    assert "never has more than its maker" in answer.text
    assert not all_keys(app)


@each(
    ("field", "value", "words"),
    [
        ("name", "", "Enter a name"), ("name", "   ", "Enter a name"), ("name", "x" * 101, "Enter a name"),
        ("name", "a\x00b", "Enter a name"), ("scopes", [], "Choose at least one scope"),
        ("scopes", ["no:such"], "There is no scope"), ("expires_at", "tomorrow", "Enter a date"),
        ("expires_at", "9999-12-31", "too far away"), ("expires_at", "2026-02-30", "Enter a date"),
        ("expires_at", "2001-01-01", "already have expired"),
    ],
)  # fmt: skip
def test_odd_entries_are_refused_in_place(app: Flask, team: Team, field: str, value: Any, words: str) -> None:
    answer = create(team.owner, team, htmx=True, **{field: value})
    assert answer.status_code == 422
    assert words in answer.text
    assert answer.text.lstrip().startswith("<form")
    assert not all_keys(app)


def test_a_refused_form_keeps_what_was_typed(team: Team) -> None:
    page = create(team.owner, team, scopes=["wallet:charge"], expires_at="soon").text
    assert 'value="Production server"' in page
    assert re.search(r'value="wallet:charge" checked', page)
    assert 'value="soon"' in page


def test_a_key_works_to_the_end_of_its_last_day(app: Flask, team: Team) -> None:
    made(team.owner, team, expires_at=f"{clock.now():%Y-%m-%d}")
    expires_at = all_keys(app)[0].expires_at
    assert expires_at
    assert (expires_at.hour, expires_at.minute) == (0, 0)
    assert timedelta(0) < expires_at - clock.now() <= timedelta(days=1)


def test_revoking_asks_first_and_ends_the_key(app: Flask, team: Team) -> None:
    where, key = made(team.owner, team)
    asked = team.owner.get(f"{where}/revoke")
    assert "Production server" in asked.text
    assert "cannot be undone" in asked.text
    assert team.owner.get(f"{where}/revoke", htmx=True).text.lstrip().startswith("<form")
    assert all_keys(app)[0].revoked_at is None
    answer = team.owner.post(f"{where}/revoke")
    assert answer.headers["Location"] == f"/o/{team.slug}/keys"
    assert "Production server is revoked." in team.owner.get(f"/o/{team.slug}/keys").text
    refused = app.test_client().get(f"/api/v1/orgs/{team.org_id}/wallet", headers={"Authorization": f"Bearer {key}"})
    assert refused.status_code == 401
    ended = all_keys(app)[0].revoked_at
    assert team.owner.post(f"{where}/revoke").status_code == 303
    assert all_keys(app)[0].revoked_at == ended
    with app.app_context():
        actions = list(db.session.scalars(select(AuditEntry.action).filter_by(object_kind="api_key")))
    assert sorted(actions) == ["key.made", "key.revoked"]


def test_leaders_see_and_end_all_keys_others_their_own(app: Flask, team: Team) -> None:
    owners, _ = made(team.owner, team, name="Of the owner")
    members, _ = made(team.member, team, name="Of the member", scopes=["wallet:charge"])
    for person in (team.member, team.viewer):
        assert "Of the owner" not in person.get(f"/o/{team.slug}/keys").text
        for path in (owners, f"{owners}/revoke"):
            assert person.get(path).status_code == 404
        assert person.post(f"{owners}/revoke").status_code == 404
    assert "Of the member" in team.member.get(f"/o/{team.slug}/keys").text
    assert team.viewer.post(f"{members}/revoke").status_code == 404
    assert team.admin.post(f"{members}/revoke").status_code == 303
    assert [key.revoked_at is None for key in all_keys(app)] == [True, False]


def test_strangers_find_no_keys(app: Flask, team: Team) -> None:
    where, _ = made(team.owner, team)
    for path in (f"/o/{team.slug}/keys", f"/o/{team.slug}/keys/new", where, f"{where}/revoke"):
        assert team.stranger.get(path).status_code == 404
    assert create(team.stranger, team).status_code == 404
    assert team.stranger.post(f"{where}/revoke").status_code == 404
    assert len(all_keys(app)) == 1
    assert all_keys(app)[0].revoked_at is None


def test_a_key_of_another_organization_is_not_there(app: Flask, team: Team) -> None:
    other = make_team(app)
    where, _ = made(other.owner, other)
    key_id = UUID(where.rsplit("/", 1)[1])
    assert team.owner.get(f"/o/{team.slug}/keys/{key_id}").status_code == 404
    assert team.owner.post(f"/o/{team.slug}/keys/{key_id}/revoke").status_code == 404
    assert all_keys(app)[0].revoked_at is None


def test_a_suspended_organization_makes_no_key_but_may_end_one(app: Flask, team: Team) -> None:
    where, _ = made(team.owner, team)
    with app.app_context():
        org = db.session.get_one(Organization, team.org_id)
        with transaction(org.id):
            org.suspended_at = clock.now()
    assert create(team.owner, team).status_code == 403
    forms = [f"/o/{team.slug}/keys/new", f"{where}/rotate", f"{where}/cap"]
    assert [team.owner.get(form).status_code for form in forms] == [403, 403, 403], "a form that could not be sent"
    assert "Create key" not in team.owner.get(f"/o/{team.slug}/keys").text
    assert team.owner.post(f"{where}/revoke").status_code == 303


def test_a_form_of_another_site_makes_and_ends_nothing(app: Flask, team: Team) -> None:
    where, _ = made(team.owner, team)
    fields = {"name": "x", "scopes": ["wallet:read"]}
    assert team.owner.client.post(f"/o/{team.slug}/keys", data=fields).status_code == 403
    assert team.owner.client.post(f"{where}/revoke", headers=HTMX).status_code == 403
    assert len(all_keys(app)) == 1
    assert all_keys(app)[0].revoked_at is None


def test_an_address_with_a_nul_is_not_found(team: Team) -> None:
    assert team.owner.get("/o/a%00b/keys").status_code == 404


def test_too_many_keys_a_day_keep_what_was_typed(app: Flask, team: Team) -> None:
    made(team.owner, team)
    (key,) = all_keys(app)
    with app.app_context(), transaction():
        for _ in range(rate_limits.NEW_KEY.most):
            rate_limits.exceeded(rate_limits.NEW_KEY, str(key.org_id), str(key.created_by))
    page = create(team.owner, team, name="Nightly report")
    assert page.status_code == 429
    assert 'value="Nightly report"' in page.text
    assert "You made many keys today" in page.text
    page = team.owner.post(f"/o/{team.slug}/keys/{key.id}/rotate", {"grace": "7d"})
    assert page.status_code == 429
    assert re.search(r'value="7d"\s+selected', page.text)
