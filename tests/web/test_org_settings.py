"""Organizations on pages: made, listed, renamed, moved to another address, deleted."""

from datetime import timedelta

import pytest
from flask import Flask

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.organizations import organizations
from dashboard.models import Organization
from tests.each import each
from tests.factories import charge, grant, make_org, wallet_of
from tests.servers import Servers
from tests.web.people import Person, Team, ready_team


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


def org_of(app: Flask, team: Team) -> Organization:
    with app.app_context():
        return db.session.get_one(Organization, team.org_id)


FILLED = {
    "name": "Acme Labs", "slug": "acme-labs", "timezone": "Europe/Stockholm", "billing_email": "bills@acme.test",
    "billing_address": "Street 1\r\nTown", "tax_id": "SE1", "return_hosts": "app.acme.test\r\nacme.test:8443",
}  # fmt: skip


def test_a_team_is_made_with_a_name_alone(app: Flask, team: Team) -> None:
    answer = team.stranger.post("/orgs", {"name": "Acme"})
    assert answer.status_code == 303
    assert answer.location.startswith("/o/acme-")
    page = team.stranger.get(answer.location).text
    assert "Acme is created. You are its owner." in page
    assert "Owner" in page
    assert team.owner.get(answer.location).status_code == 404


def test_a_taken_address_comes_with_a_free_one(app: Flask, team: Team) -> None:
    answer = team.stranger.post("/orgs", {"name": "Other", "slug": "acme", "billing_email": "a@b.test"})
    assert answer.status_code == 422
    assert "acme-2 is free" in answer.text
    assert 'value="a@b.test"' in answer.text
    assert team.stranger.post("/orgs", {"name": "Other", "slug": "acme-2"}).location == "/o/acme-2/"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "Enter a name"),
        ({"name": "x" * 101}, "Enter a name"),
        ({"name": "Fine", "slug": "Not Fine"}, "lowercase letters"),
        ({"name": "Fine", "billing_email": "nobody"}, "Enter an email address"),
    ],
)
def test_odd_entries_come_back_with_their_sentence(app: Flask, team: Team, fields: dict[str, str], words: str) -> None:
    answer = team.stranger.post("/orgs", fields)
    assert answer.status_code == 422
    assert words in answer.text


def test_the_list_shows_balances_to_those_who_may_see_them(app: Flask, team: Team) -> None:
    with app.app_context():
        grant(wallet_of(org_of(app, team)), 1_250_000)
    for person in (team.owner, team.member, team.viewer):
        page = person.get("/orgs").text
        assert "Acme" in page
        assert "$1.25" in page
        assert "Low" in page
    assert "$1.25" not in team.stranger.get("/orgs").text
    managers = team.manager.get("/orgs").text
    assert "You belong to no organization" in managers
    assert "Create organization" not in managers


def test_settings_are_saved_and_the_old_address_leads_nowhere(app: Flask, team: Team) -> None:
    answer = team.owner.post(f"/o/{team.slug}/settings", FILLED)
    assert answer.location == "/o/acme-labs/settings"
    page = team.owner.get(answer.location).text
    for text in (
        "Settings saved.",
        "Acme Labs",
        "bills@acme.test",
        "Street 1\nTown",
        "Europe/Stockholm",
        "app.acme.test\nacme.test:8443",
    ):
        assert text in page
    assert team.owner.get(f"/o/{team.slug}/settings").status_code == 404
    assert team.owner.get("/o/acme-labs/").status_code == 200


def test_nobody_else_gets_an_old_address_for_a_while(app: Flask, team: Team) -> None:
    assert team.owner.post(f"/o/{team.slug}/settings", FILLED).status_code == 303
    answer = team.stranger.post("/orgs", {"name": "Other", "slug": "acme"})
    assert (answer.status_code, "is taken" in answer.text) == (422, True)
    assert team.stranger.post("/orgs", {"name": "Acme"}).location.startswith("/o/acme-")
    assert team.stranger.post("/orgs", {"name": "Other", "slug": "other"}).status_code == 303
    assert team.stranger.post("/o/other/settings", {"slug": "acme"}).status_code == 422
    assert team.owner.post("/o/acme-labs/settings", {"slug": "acme"}).location == "/o/acme/settings"
    assert team.owner.post("/o/acme/settings", {"slug": "acme-labs"}).status_code == 303
    with clock.at(clock.now() + organizations.SLUG_KEPT + timedelta(minutes=1)):
        later = Person(app, team.stranger.email)
        assert later.post("/orgs", {"name": "Other", "slug": "acme"}).location == "/o/acme/"


def test_unset_fields_say_what_they_are_for(team: Team) -> None:
    page = team.owner.get(f"/o/{team.slug}/settings").text
    for words in ("Receipts go there too", "Shown on receipts", "Service stops at zero"):
        assert words in page


def test_odd_settings_keep_what_was_typed(app: Flask, team: Team) -> None:
    with app.app_context():
        other = make_org("Other")
    for field, value, words in (
        ("slug", other.slug, "-2 is free"), ("slug", "A b", "lowercase letters"),
        ("timezone", "Mars", "time zone"), ("name", "", "Enter a name"), ("tax_id", "x" * 51, "up to 50"),
        ("return_hosts", "https://acme.test", "without https://"),
    ):  # fmt: skip
        answer = team.owner.post(f"/o/{team.slug}/settings", FILLED | {field: value})
        assert answer.status_code == 422, field
        assert words in answer.text
        assert "bills@acme.test" in answer.text
    assert org_of(app, team).name == "Acme"


@each(("name", "status"), [("admin", 403), ("member", 403), ("viewer", 403), ("manager", 403),
                                              ("stranger", 404)])  # fmt: skip
def test_owners_alone_set_and_delete(app: Flask, team: Team, name: str, status: int) -> None:
    person = getattr(team, name)
    assert person.get(f"/o/{team.slug}/settings").status_code == status
    assert person.post(f"/o/{team.slug}/settings", FILLED).status_code == status
    assert person.post(f"/o/{team.slug}/settings/delete", {"name": "Acme"}).status_code == status
    assert (org_of(app, team).name, org_of(app, team).closed_at) == ("Acme", None)


def test_deleting_takes_the_name_and_an_empty_balance(app: Flask, team: Team) -> None:
    with app.app_context():
        grant(wallet_of(org_of(app, team)), 5)
    where = f"/o/{team.slug}/settings/delete"
    assert "balance is $0.000005; it must be zero" in team.owner.get(where).text
    assert team.owner.post(where, {"name": "Acme"}).status_code == 409
    with app.app_context():
        charge(wallet_of(org_of(app, team)), 5)
    assert "Type the organization’s name" in team.owner.get(where).text
    answer = team.owner.post(where, {"name": "acme"})
    assert answer.status_code == 422
    assert "Nothing was deleted" in answer.text
    answer = team.owner.post(where, {"name": "Acme"})
    assert answer.location == "/orgs"
    assert "Acme is deleted." in team.owner.get("/orgs").text
    for person in (team.owner, team.admin, team.viewer):
        assert person.get(f"/o/{team.slug}/").status_code == 404
        assert f"/o/{team.slug}/" not in person.get("/orgs").text
    assert team.manager.get(f"/o/{team.slug}/").status_code == 200
    with app.app_context():
        assert organizations.by_slug(team.slug) is not None


def test_deleting_needs_a_recent_sign_in(app: Flask, team: Team) -> None:
    from tests.web.test_members import make_stale

    team.owner.sign_in()
    make_stale(app)
    answer = team.owner.post(f"/o/{team.slug}/settings/delete", {"name": "Acme"})
    assert "Confirm that it is you" in answer.text
    assert org_of(app, team).closed_at is None


def test_while_suspended_everything_is_read_and_nothing_is_set(app: Flask, team: Team) -> None:
    with app.app_context(), transaction(org=team.org_id):
        db.session.get_one(Organization, team.org_id).suspended_at = clock.now()
    page = team.owner.get(f"/o/{team.slug}/settings").text
    assert "This organization is suspended" in page
    assert "Save settings" not in page
    assert "Danger zone" not in page
    assert team.owner.post(f"/o/{team.slug}/settings", FILLED).status_code == 403
    assert "Suspended" in team.owner.get("/orgs").text
